"""Records: columns of numbers become TFRecords of `tf.train.Example`, a whole batch at a time.

The bytes are those of `Example.SerializeToString(deterministic=True)` in the framing of
`tf.io.TFRecordWriter`. One Example, its features sorted by name:

    0a <length>                                      Example.features
      0a <length> 0a <length> <name> 12 <length>     an entry of the map
        1a <length> 0a <length> <varint>             an Int64List of one value, or
        12 06 0a 04 <4 bytes>                        a FloatList of one value
      ...

and its frame: length (8 bytes), CRC of the length (4), the Example, CRC of the Example (4).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from components.compiled import compiled

_LONGEST_NAME = 64
"""Keeps every length inside an entry below 128, so that it takes one byte."""
_FRAME_BYTES = 16
_HEADER_BYTES = 12
_ENTRY_BYTES = 22
"""Most that an entry takes beside its name."""
_MASK_DELTA = np.uint32(0xA282EAD8)
_CASTAGNOLI = 0x82F63B78


def encode_examples(columns: Mapping[str, np.ndarray]) -> np.ndarray:
    """Encodes rows as framed Examples of one value a feature.

    Args:
      columns: Feature name to `[rows]` int64 or float32 values; at least one feature.

    Returns:
      uint8 array, the bytes of a TFRecord file.
    """
    names = sorted(columns, key=str.encode)
    encoded = [name.encode() for name in names]
    for name in encoded:
        if len(name) > _LONGEST_NAME:
            raise ValueError(
                f"a feature's name must have at most {_LONGEST_NAME} bytes. Received: {name!r}."
            )
    arrays = [columns[name] for name in names]
    is_float = np.array([_is_float(array) for array in arrays])
    values = np.stack(
        [
            array.view(np.int32).astype(np.int64) if flag else array
            for array, flag in zip(arrays, is_float, strict=True)
        ],
        axis=1,
    )
    offsets = np.cumsum([0, *(len(name) for name in encoded)])
    name_bytes = np.frombuffer(b"".join(encoded), np.uint8)
    longest = _FRAME_BYTES + 4 + len(name_bytes) + _ENTRY_BYTES * len(names)
    buffer = np.empty(longest * len(values), np.uint8)
    return buffer[: _encode(values, is_float, name_bytes, offsets, _CRC_TABLE, buffer)]


def _is_float(array: np.ndarray) -> bool:
    if array.dtype not in (np.int64, np.float32):
        raise ValueError(f"a feature must be int64 or float32. Received: {array.dtype}.")
    return array.dtype == np.float32


def _crc_table() -> np.ndarray:
    """`[8, 256]` tables of CRC-32C: row `k` is the effect of a byte that `k` bytes follow."""
    table = np.zeros((8, 256), np.uint32)
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = (value >> 1) ^ (_CASTAGNOLI if value & 1 else 0)
        table[0, byte] = value
    for row in range(1, 8):
        table[row] = (table[row - 1] >> 8) ^ table[0, table[row - 1] & 0xFF]
    return table


_CRC_TABLE = _crc_table()


@compiled
def _masked_crc(out: np.ndarray, start: int, end: int, table: np.ndarray) -> np.uint32:
    crc = np.uint32(0xFFFFFFFF)
    position = start
    while position + 8 <= end:  # eight bytes a turn: "slicing by eight"
        word = crc ^ (
            np.uint32(out[position])
            | np.uint32(out[position + 1]) << np.uint32(8)
            | np.uint32(out[position + 2]) << np.uint32(16)
            | np.uint32(out[position + 3]) << np.uint32(24)
        )
        crc = (
            table[7, word & 0xFF]
            ^ table[6, (word >> np.uint32(8)) & 0xFF]
            ^ table[5, (word >> np.uint32(16)) & 0xFF]
            ^ table[4, word >> np.uint32(24)]
            ^ table[3, out[position + 4]]
            ^ table[2, out[position + 5]]
            ^ table[1, out[position + 6]]
            ^ table[0, out[position + 7]]
        )
        position += 8
    while position < end:
        crc = table[0, (crc ^ np.uint32(out[position])) & 0xFF] ^ (crc >> np.uint32(8))
        position += 1
    crc = np.uint32(~crc)
    rotated = np.uint32(crc >> np.uint32(15)) | np.uint32(crc << np.uint32(17))
    return np.uint32(rotated + _MASK_DELTA)


@compiled
def _varint_bytes(value: np.uint64) -> int:
    size = 1
    while value >= 128:
        value >>= np.uint64(7)
        size += 1
    return size


@compiled
def _put_varint(out: np.ndarray, position: int, value: np.uint64) -> int:
    while value >= 128:
        out[position] = (value & np.uint64(127)) | np.uint64(128)
        value >>= np.uint64(7)
        position += 1
    out[position] = value
    return position + 1


@compiled
def _put_little_endian(out: np.ndarray, position: int, value: int | np.integer, size: int) -> int:
    for byte in range(size):
        out[position + byte] = (value >> (8 * byte)) & 0xFF
    return position + size


@compiled
def _put_bytes(out: np.ndarray, position: int, *values: int) -> int:
    for value in values:
        out[position] = value
        position += 1
    return position


@compiled
def _put_entry(
    out: np.ndarray, position: int, name: np.ndarray, value: int, value_bytes: int
) -> int:
    """One entry of the map; `value_bytes` is 0 for the bits of a float, else the varint's size."""
    feature = 8 if value_bytes == 0 else 4 + value_bytes
    position = _put_bytes(out, position, 0x0A, 4 + len(name) + feature, 0x0A, len(name))
    for byte in name:
        out[position] = byte
        position += 1
    position = _put_bytes(out, position, 0x12, feature)
    if value_bytes == 0:
        position = _put_bytes(out, position, 0x12, 6, 0x0A, 4)
        return _put_little_endian(out, position, value, 4)
    position = _put_bytes(out, position, 0x1A, 2 + value_bytes, 0x0A, value_bytes)
    return _put_varint(out, position, np.uint64(value))


@compiled
def _encode(
    values: np.ndarray,
    is_float: np.ndarray,
    names: np.ndarray,
    offsets: np.ndarray,
    table: np.ndarray,
    out: np.ndarray,
) -> int:
    rows, features = values.shape
    sizes = np.zeros(features, np.int64)
    position = 0
    for row in range(rows):
        length = 0
        for feature in range(features):
            if not is_float[feature]:
                sizes[feature] = _varint_bytes(np.uint64(values[row, feature]))
            inner = 8 if is_float[feature] else 4 + sizes[feature]
            length += 6 + offsets[feature + 1] - offsets[feature] + inner
        start = position + _HEADER_BYTES
        end = _put_varint(out, _put_bytes(out, start, 0x0A), np.uint64(length))
        for feature in range(features):
            name = names[offsets[feature] : offsets[feature + 1]]
            end = _put_entry(out, end, name, int(values[row, feature]), int(sizes[feature]))
        _put_little_endian(out, position, end - start, 8)
        crc = _masked_crc(out, position, position + 8, table)
        _put_little_endian(out, position + 8, np.int64(crc), 4)
        crc = _masked_crc(out, start, end, table)
        position = _put_little_endian(out, end, np.int64(crc), 4)
    return position
