"""Ordering: interactions sorted by query, time, candidate and what breaks the ties left."""

from __future__ import annotations

import numpy as np

from components.compiled import compiled

_RUN = 16
"""Rows that are sorted by insertion, before runs are merged."""


def interaction_order(
    queries: np.ndarray, times: np.ndarray, candidates: np.ndarray, ties: np.ndarray
) -> np.ndarray:
    """Indices that sort rows by query, time, candidate and tie; rows equal in all keep their order.

    Queries are few and dense, so they are counted, not compared; the rows of one query are then
    merged. That takes a third of the time that a lexicographic sort takes.

    Args:
      queries: `[rows]` int32 numbers from 0.
      times: `[rows]` int64.
      candidates: `[rows]` int32.
      ties: `[rows]` int64.
    """
    return _order(queries, times, candidates, ties, int(queries.max(initial=-1)) + 1)


def key_order(keys: np.ndarray) -> np.ndarray:
    """Indices that sort uint64 keys, equal ones in their order.

    Keys are hashes: spread evenly, they fall into buckets of a few, which are sorted by insertion.
    """
    return _key_order(keys, max(len(keys).bit_length() - 2, 1))


def tie_breaks(labels: np.ndarray | None, splits: np.ndarray | None, rows: int) -> np.ndarray:
    """`[rows]` int64 that sort as float32 labels and then as splits do."""
    ties = np.zeros(rows, np.int64)
    if labels is not None:
        bits = labels.view(np.int32)
        ties += (bits ^ ((bits >> 31) & np.int32(0x7FFFFFFF))).astype(np.int64) << 8
    return ties if splits is None else ties + splits


@compiled
def _precedes(a: int, b: int, times: np.ndarray, candidates: np.ndarray, ties: np.ndarray) -> bool:
    if times[a] != times[b]:
        return times[a] < times[b]
    if candidates[a] != candidates[b]:
        return candidates[a] < candidates[b]
    return ties[a] < ties[b]


@compiled
def _sort_run(
    order: np.ndarray,
    start: int,
    end: int,
    times: np.ndarray,
    candidates: np.ndarray,
    ties: np.ndarray,
) -> None:
    for position in range(start + 1, end):
        row = order[position]
        while position > start and _precedes(row, order[position - 1], times, candidates, ties):
            order[position] = order[position - 1]
            position -= 1
        order[position] = row


@compiled
def _merge(
    order: np.ndarray,
    start: int,
    middle: int,
    end: int,
    scratch: np.ndarray,
    times: np.ndarray,
    candidates: np.ndarray,
    ties: np.ndarray,
) -> None:
    left, right, position = start, middle, start
    while left < middle and right < end:
        if _precedes(order[right], order[left], times, candidates, ties):
            scratch[position] = order[right]
            right += 1
        else:
            scratch[position] = order[left]
            left += 1
        position += 1
    # What is left of the right part stands where it belongs.
    for index in range(left, middle):
        scratch[position + index - left] = order[index]
    end_of_left = position + middle - left
    order[start:end_of_left] = scratch[start:end_of_left]


@compiled
def _order(
    queries: np.ndarray, times: np.ndarray, candidates: np.ndarray, ties: np.ndarray, distinct: int
) -> np.ndarray:
    rows = len(queries)
    starts = np.zeros(distinct + 1, np.int64)
    for query in queries:
        starts[query + 1] += 1
    for query in range(distinct):
        starts[query + 1] += starts[query]
    order = np.empty(rows, np.int64)
    filled = starts[:-1].copy()
    for row in range(rows):
        order[filled[queries[row]]] = row
        filled[queries[row]] += 1
    scratch = np.empty(rows, np.int64)
    for query in range(distinct):
        first, last = starts[query], starts[query + 1]
        for start in range(first, last, _RUN):
            _sort_run(order, start, min(start + _RUN, last), times, candidates, ties)
        width = _RUN
        while width < last - first:
            for start in range(first, last - width, 2 * width):
                end = min(start + 2 * width, last)
                _merge(order, start, start + width, end, scratch, times, candidates, ties)
            width *= 2
    return order


@compiled
def _key_order(keys: np.ndarray, bits: int) -> np.ndarray:
    shift = np.uint64(64 - bits)
    filled = np.zeros((1 << bits) + 1, np.int64)
    for key in keys:
        filled[np.int64(key >> shift) + 1] += 1
    for bucket in range(1 << bits):
        filled[bucket + 1] += filled[bucket]
    order = np.empty(len(keys), np.int64)
    for row in range(len(keys)):
        bucket = np.int64(keys[row] >> shift)
        order[filled[bucket]] = row
        filled[bucket] += 1
    start = 0
    for bucket in range(1 << bits):
        for position in range(start + 1, filled[bucket]):
            row = order[position]
            while position > start and keys[row] < keys[order[position - 1]]:
                order[position] = order[position - 1]
                position -= 1
            order[position] = row
        start = filled[bucket]
    return order
