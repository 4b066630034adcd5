"""Frames: where the records of a TFRecord file begin and end.

A frame is the length of its data (8 bytes), the CRC of the length (4), the data, its CRC (4).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa

from components.checksums import CRC_TABLE, masked_crc
from components.compiled import compiled

HEADER_BYTES = 12
FRAME_BYTES = 16
"""Bytes of a frame beside its data."""

Number = int | np.integer

_LONGEST = 1 << 60


def framed(
    blocks: Iterable[bytes], start: int
) -> Iterator[tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """Cuts blocks into the data of records.

    Args:
      blocks: The bytes of whole frames.
      start: Where they begin in the file.

    Yields:
      Bytes, and where the data of the records in them begin and end; the checksums hold.

    Raises:
      pa.ArrowInvalid: A record is damaged or cut off.
    """
    rest = b""
    for block in blocks:
        data = np.frombuffer(rest + block, np.uint8)
        starts = np.empty(len(data) // FRAME_BYTES + 1, np.int64)
        ends = np.empty_like(starts)
        count, used, damaged = _frames(data, CRC_TABLE, starts, ends)
        if count:
            yield data, starts[:count], ends[:count]
        if damaged:
            raise pa.ArrowInvalid(f"the record at byte {start + used} is damaged")
        rest = data[used:].tobytes()
        start += used
    if rest:
        raise pa.ArrowInvalid(f"the record at byte {start} is cut off")


@compiled
def _little_endian(data: np.ndarray, position: Number, size: int) -> np.uint64:
    value = np.uint64(0)
    for byte in range(size):
        value |= np.uint64(data[position + byte]) << np.uint64(8 * byte)
    return value


@compiled
def header_holds(data: np.ndarray, position: Number, table: np.ndarray) -> bool:
    """Whether `HEADER_BYTES` lie at `position` whose checksum is that of the length they hold."""
    if position + HEADER_BYTES > len(data):
        return False
    crc = masked_crc(data, position, position + 8, table)
    return np.uint64(crc) == _little_endian(data, position + 8, 4)


@compiled
def frame_end(data: np.ndarray, position: Number) -> Number:
    """Where the frame at `position` ends by the length in its header; -1 if beyond any file."""
    length = _little_endian(data, position, 8)
    if length > np.uint64(_LONGEST):
        return -1
    return position + FRAME_BYTES + np.int64(length)


@compiled
def data_holds(data: np.ndarray, position: Number, end: Number, table: np.ndarray) -> bool:
    """Whether the checksum of the frame's data holds."""
    crc = masked_crc(data, position + HEADER_BYTES, end - 4, table)
    return np.uint64(crc) == _little_endian(data, end - 4, 4)


@compiled
def _frames(
    data: np.ndarray, table: np.ndarray, starts: np.ndarray, ends: np.ndarray
) -> tuple[int, Number, bool]:
    """How many records are whole, the bytes they take, and whether what follows is damaged."""
    count = 0
    position = 0
    while position + HEADER_BYTES <= len(data):
        if not header_holds(data, position, table):
            return count, position, True
        end = frame_end(data, position)
        if end < 0:
            return count, position, True
        if end > len(data):
            break
        if not data_holds(data, position, end, table):
            return count, position, True
        starts[count] = position + HEADER_BYTES
        ends[count] = end - 4
        count += 1
        position = end
    return count, position, False
