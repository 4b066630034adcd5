"""Checksums: the CRC-32C that TFRecord files carry, in compiled form."""

from __future__ import annotations

import numpy as np

from components.compiled import compiled

_MASK_DELTA = np.uint32(0xA282EAD8)
_CASTAGNOLI = 0x82F63B78


def _crc_table() -> np.ndarray:
    """`[8 * 256]` tables of CRC-32C, one after the other.

    Entry `b` of table `k` is the effect of a byte `b` that `k` bytes follow.
    """
    table = np.zeros((8, 256), np.uint32)
    for byte in range(256):
        value = byte
        for _ in range(8):
            value = (value >> 1) ^ (_CASTAGNOLI if value & 1 else 0)
        table[0, byte] = value
    for row in range(1, 8):
        table[row] = (table[row - 1] >> 8) ^ table[0, table[row - 1] & 0xFF]
    return table.ravel()


CRC_TABLE = _crc_table()
"""What `masked_crc` is given: a compiled function keeps no array of its module."""

_BYTE = np.uint32(0xFF)
_TABLE_1, _TABLE_2, _TABLE_3, _TABLE_4, _TABLE_5, _TABLE_6, _TABLE_7 = (
    np.uint32(256 * table) for table in range(1, 8)
)


@compiled
def masked_crc(
    data: np.ndarray, start: int | np.integer, end: int | np.integer, table: np.ndarray
) -> np.uint32:
    """The masked CRC-32C of `data[start:end]`, as a TFRecord file carries it."""
    crc = np.uint32(0xFFFFFFFF)
    position = start
    while position + 8 <= end:  # eight bytes a turn: "slicing by eight"
        word = crc ^ (
            np.uint32(data[position])
            | np.uint32(data[position + 1]) << np.uint32(8)
            | np.uint32(data[position + 2]) << np.uint32(16)
            | np.uint32(data[position + 3]) << np.uint32(24)
        )
        crc = (
            table[_TABLE_7 + (word & _BYTE)]
            ^ table[_TABLE_6 + ((word >> np.uint32(8)) & _BYTE)]
            ^ table[_TABLE_5 + ((word >> np.uint32(16)) & _BYTE)]
            ^ table[_TABLE_4 + (word >> np.uint32(24))]
            ^ table[_TABLE_3 + np.uint32(data[position + 4])]
            ^ table[_TABLE_2 + np.uint32(data[position + 5])]
            ^ table[_TABLE_1 + np.uint32(data[position + 6])]
            ^ table[np.uint32(data[position + 7])]
        )
        position += 8
    while position < end:
        crc = table[(crc ^ np.uint32(data[position])) & _BYTE] ^ (crc >> np.uint32(8))
        position += 1
    crc = np.uint32(~crc)
    rotated = np.uint32(crc >> np.uint32(15)) | np.uint32(crc << np.uint32(17))
    return np.uint32(rotated + _MASK_DELTA)
