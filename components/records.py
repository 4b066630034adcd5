"""Records: columns of numbers become TFRecords of `tf.train.Example`, a whole batch at a time.

The bytes are those of `Example.SerializeToString(deterministic=True)` in the framing of
`tf.io.TFRecordWriter`. One Example, its features sorted by name:

    0a <length>                                      Example.features
      0a <length> 0a <length> <name> 12 <length>     an entry of the map
        1a <length> 0a <length> <varint> ...         an Int64List, or
        12 <length> 0a <length> <4 bytes> ...        a FloatList; `1a 00`, `12 00` if it is empty
      ...

and its frame: length (8 bytes), CRC of the length (4), the Example, CRC of the Example (4).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from components.checksums import CRC_TABLE, masked_crc
from components.compiled import compiled

_LONGEST_NAME = 64
"""Keeps the length of a name at one byte, and what an entry takes beside its values in bounds."""
_FRAME_BYTES = 16
_HEADER_BYTES = 12
_ENTRY_BYTES = 4 + 5 * 5
"""Most that an entry takes beside its name and values: four tags and five lengths."""
_TWO_BYTES, _THREE_BYTES, _FOUR_BYTES = np.uint64(1 << 7), np.uint64(1 << 14), np.uint64(1 << 21)
"""The first values whose varints take so many bytes."""
_VARINT_BYTES, _FLOAT_BYTES = 10, 4


@dataclass(frozen=True, slots=True)
class Ragged:
    """A column of lists.

    Attributes:
      values: `[values]` int64 or float32, the lists one after the other.
      offsets: `[rows + 1]` int64: the list of row `r` is `values[offsets[r]:offsets[r + 1]]`.
    """

    values: np.ndarray
    offsets: np.ndarray

    def __len__(self) -> int:
        """The number of lists."""
        return len(self.offsets) - 1


Column = np.ndarray | Ragged
"""`[rows]` numbers, or a list of numbers for each row."""


def encode_examples(columns: Mapping[str, Column]) -> np.ndarray:
    """Encodes rows as framed Examples.

    Args:
      columns: Feature name to int64 or float32 values, one a row or a list a row; at least one
        feature.

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
    ragged = [_ragged(columns[name]) for name in names]
    is_float = np.array([_is_float(column.values) for column in ragged])
    starts = np.cumsum([0, *(len(column.values) for column in ragged)])
    values = np.concatenate([_bits(column.values) for column in ragged])
    offsets = np.stack(
        [column.offsets + start for column, start in zip(ragged, starts[:-1], strict=True)]
    )
    name_offsets = np.cumsum([0, *(len(name) for name in encoded)])
    name_bytes = np.frombuffer(b"".join(encoded), np.uint8)
    rows = offsets.shape[1] - 1
    longest = rows * (_FRAME_BYTES + 6 + len(name_bytes) + _ENTRY_BYTES * len(names)) + sum(
        len(column.values) * (_FLOAT_BYTES if flag else _VARINT_BYTES)
        for column, flag in zip(ragged, is_float, strict=True)
    )
    buffer = np.empty(longest, np.uint8)
    end = _encode(values, offsets, is_float, name_bytes, name_offsets, CRC_TABLE, buffer)
    return buffer[:end]


def _ragged(column: Column) -> Ragged:
    """The column as lists; one value a row is a list of one."""
    if isinstance(column, Ragged):
        return column
    return Ragged(column, np.arange(len(column) + 1))


def _is_float(array: np.ndarray) -> bool:
    if array.dtype not in (np.int64, np.float32):
        raise ValueError(f"a feature must be int64 or float32. Received: {array.dtype}.")
    return array.dtype == np.float32


def _bits(array: np.ndarray) -> np.ndarray:
    return array.view(np.uint32).astype(np.int64) if _is_float(array) else array


@compiled
def _varint_bytes(value: np.uint64) -> int:
    size = 1
    while value >= _TWO_BYTES:
        value >>= np.uint64(7)
        size += 1
    return size


@compiled
def _put_varint(out: np.ndarray, position: int, value: np.uint64) -> int:
    while value >= _TWO_BYTES:
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
def _put_field(out: np.ndarray, position: int, tag: int, length: int) -> int:
    out[position] = tag
    return _put_varint(out, position + 1, np.uint64(length))


@compiled
def _field_bytes(length: int) -> int:
    """What a field takes whose content takes `length`: tag, length and content."""
    return 1 + _varint_bytes(np.uint64(length)) + length


@compiled
def _packed_bytes(values: np.ndarray, start: int, end: int, is_float: bool) -> int:
    if is_float:
        return _FLOAT_BYTES * (end - start)
    # Without a branch a value: those are the rows of candidates, and no processor foresees them.
    seen = np.uint64(0)
    size = end - start
    for index in range(start, end):
        value = np.uint64(values[index])
        seen |= value
        size += (value >= _TWO_BYTES) + (value >= _THREE_BYTES)
    if seen < _FOUR_BYTES:
        return int(size)
    size = 0
    for index in range(start, end):
        size += _varint_bytes(np.uint64(values[index]))
    return size


@compiled
def _feature_bytes(packed: int) -> int:
    """A Feature around its list, around its packed values, which an empty list lacks."""
    return _field_bytes(_field_bytes(packed) if packed else 0)


@compiled
def _put_feature(
    out: np.ndarray,
    position: int,
    values: np.ndarray,
    start: int,
    end: int,
    is_float: bool,
    packed: int,
) -> int:
    """The content of a Feature: a list of the values `start` to `end`, `packed` bytes of them."""
    tag = 0x12 if is_float else 0x1A
    if packed == 0:
        return _put_field(out, position, tag, 0)
    position = _put_field(out, position, tag, _field_bytes(packed))
    position = _put_field(out, position, 0x0A, packed)
    for index in range(start, end):
        value = np.uint64(values[index])
        if is_float:
            position = _put_little_endian(out, position, values[index], 4)
        elif value < _THREE_BYTES:  # again without a branch: the next value overwrites the second
            is_long = value >= _TWO_BYTES
            out[position] = (value & np.uint64(127)) | (np.uint64(is_long) << np.uint64(7))
            out[position + 1] = value >> np.uint64(7)
            position += 1 + int(is_long)
        else:
            position = _put_varint(out, position, value)
    return position


@compiled
def _encode(
    values: np.ndarray,
    offsets: np.ndarray,
    is_float: np.ndarray,
    names: np.ndarray,
    name_offsets: np.ndarray,
    table: np.ndarray,
    out: np.ndarray,
) -> int:
    features, rows = offsets.shape[0], offsets.shape[1] - 1
    packed = np.zeros(features, np.int64)
    entries = np.zeros(features, np.int64)
    position = 0
    for row in range(rows):
        length = 0
        for feature in range(features):
            start, end = offsets[feature, row], offsets[feature, row + 1]
            packed[feature] = _packed_bytes(values, start, end, is_float[feature])
            name_length = name_offsets[feature + 1] - name_offsets[feature]
            entries[feature] = _field_bytes(name_length) + _field_bytes(
                _feature_bytes(packed[feature])
            )
            length += _field_bytes(entries[feature])
        first = position + _HEADER_BYTES
        at = _put_field(out, first, 0x0A, length)
        for feature in range(features):
            name, name_end = name_offsets[feature], name_offsets[feature + 1]
            at = _put_field(out, at, 0x0A, entries[feature])
            at = _put_field(out, at, 0x0A, name_end - name)
            for index in range(name, name_end):
                out[at] = names[index]
                at += 1
            at = _put_field(out, at, 0x12, _feature_bytes(packed[feature]))
            start, end = offsets[feature, row], offsets[feature, row + 1]
            at = _put_feature(out, at, values, start, end, is_float[feature], packed[feature])
        _put_little_endian(out, position, at - first, 8)
        crc = masked_crc(out, position, position + 8, table)
        _put_little_endian(out, position + 8, np.int64(crc), 4)
        crc = masked_crc(out, first, at, table)
        position = _put_little_endian(out, at, np.int64(crc), 4)
    return position
