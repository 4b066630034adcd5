"""Hashes that are the same in every process: they part rows into shards and order them there."""

from __future__ import annotations

import numpy as np
import pyarrow as pa

from components.columns import ID_TYPE
from components.compiled import compiled

_FNV_OFFSET = np.uint64(0xCBF29CE484222325)
_FNV_PRIME = np.uint64(0x100000001B3)


def hash_ids(ids: pa.Array) -> np.ndarray:
    """`[rows]` uint64 hash of each id's UTF-8 bytes: FNV-1a, then `mix`."""
    ids = ids.cast(ID_TYPE)
    _, offsets_buffer, data_buffer = ids.buffers()
    if len(ids) == 0 or offsets_buffer is None:
        return np.zeros(len(ids), np.uint64)
    offsets = np.frombuffer(offsets_buffer, np.int64)[ids.offset : ids.offset + len(ids) + 1]
    data = np.frombuffer(b"" if data_buffer is None else data_buffer, np.uint8)
    return mix(_fnv1a(offsets, data))


def mix(values: np.ndarray) -> np.ndarray:
    """The finaliser of SplitMix64: each bit of the input moves about half the output's bits."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


@compiled
def _fnv1a(offsets: np.ndarray, data: np.ndarray) -> np.ndarray:
    hashes = np.empty(len(offsets) - 1, np.uint64)
    for row in range(len(hashes)):
        value = _FNV_OFFSET
        for position in range(offsets[row], offsets[row + 1]):
            value = (value ^ np.uint64(data[position])) * _FNV_PRIME
        hashes[row] = value
    return hashes
