"""Histories: what a query interacted with before a row, and how long before.

    time   1  2  3  3  4  |  5  6        rows of one query; training rows, a cut, held-out rows
    row          r
    history of r: 1 2                    the other row at time 3 is not before r
    history of 5, and of 6: ... 3 3 4    up to the cut; what happens after it is the future

A history shows what was known when the row happened. That of a training or validation row holds
training rows, that of a test row training and validation rows, each strictly earlier in time.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from components.compiled import compiled
from components.records import Ragged
from components.splits import TEST, TRAIN, VALIDATION

HISTORY = "history"
"""Feature of an Example: rows of the candidates, oldest first."""
HISTORY_GAPS = "history_gaps"
"""Feature of an Example: how long before the row each was, as a bucket."""

_MICROSECONDS = np.uint64(1_000_000)
_SHOWN_TO = ((TRAIN, (TRAIN,)), (VALIDATION, (TRAIN,)), (TEST, (TRAIN, VALIDATION)))
"""Each split, and the splits whose rows its histories may hold."""


class HistoriesConfig(BaseModel):
    """How much of its query's past each example carries."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    length: Annotated[int, Field(ge=0, le=100_000)] = 0
    """Most interactions of a history, the newest; 0 writes none."""
    session_gap_s: Annotated[float, Field(gt=0, le=1e12)] | None = None
    """A pause longer than this ends a session: a history stays within the session of its row."""


@dataclass(frozen=True, slots=True)
class Windows:
    """The history of each row, as a stretch of a pool.

    Attributes:
      pool: Indices of the rows that histories are made of, in order.
      starts: `[rows]` int64: the history of row `r` is `pool[starts[r]:ends[r]]`.
      ends: `[rows]` int64.
    """

    pool: np.ndarray
    starts: np.ndarray
    ends: np.ndarray


def windows(
    queries: np.ndarray, times: np.ndarray, splits: np.ndarray, config: HistoriesConfig
) -> Windows:
    """The history of each row.

    Args:
      queries: `[rows]` a number for each query; equal ones stand together, rows in order of time.
      times: `[rows]` int64 microseconds.
      splits: `[rows]` split of each row.
      config: How long a history is.
    """
    first = _firsts(queries)
    simultaneous = _firsts(queries, times)
    session = first
    if config.session_gap_s is not None:
        session = _session_starts(times, first, round(config.session_gap_s * float(_MICROSECONDS)))
    pools, starts, ends = [], np.zeros(len(queries), np.int64), np.zeros(len(queries), np.int64)
    offset = 0
    for split, shown in _SHOWN_TO:
        of_split = splits == split
        if not of_split.any():
            continue
        in_pool = np.isin(splits, shown)
        before = np.concatenate([[0], np.cumsum(in_pool)])
        end = before[simultaneous[of_split]]
        ends[of_split] = offset + end
        starts[of_split] = offset + np.maximum(before[session[of_split]], end - config.length)
        pools.append(np.flatnonzero(in_pool))
        offset += len(pools[-1])
    pool = np.concatenate(pools) if pools else np.zeros(0, np.int64)
    return Windows(pool, starts, ends)


def gather(windows: Windows, rows: np.ndarray, pooled: np.ndarray) -> Ragged:
    """What the interactions of the histories of some rows are shown as.

    Args:
      windows: The histories.
      rows: `[some]` rows whose histories are wanted.
      pooled: `[pool]` integers, one for each row of the pool, in its order: so that the history of
        a row lies in one stretch of memory.
    """
    offsets = _offsets(windows, rows)
    return Ragged(_gather(windows.starts, rows, pooled, offsets), offsets)


def gaps(windows: Windows, rows: np.ndarray, times: np.ndarray, pooled: np.ndarray) -> Ragged:
    """How long before its row each interaction of a history was, as a bucket.

        bucket = 1 + floor(log2(1 + whole seconds))

    so that bucket 1 is less than a second, 2 one or two seconds, 17 about a day, 22 about a month;
    0 is left to padding.

    Args:
      windows: The histories.
      rows: `[some]` rows whose histories are wanted.
      times: `[rows]` int64 microseconds.
      pooled: `[pool]` the times of the rows of the pool.
    """
    offsets = _offsets(windows, rows)
    return Ragged(_gaps(windows.starts, rows, times, pooled, offsets), offsets)


def _offsets(windows: Windows, rows: np.ndarray) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(windows.ends[rows] - windows.starts[rows])])


def _firsts(*keys: np.ndarray) -> np.ndarray:
    """`[rows]` the first row of the stretch of equal keys in which each row stands."""
    changes = np.zeros(len(keys[0]), bool)
    for key in keys:
        changes[1:] |= key[1:] != key[:-1]
    return np.maximum.accumulate(np.where(changes, np.arange(len(changes)), 0))


def _session_starts(times: np.ndarray, first: np.ndarray, gap: int) -> np.ndarray:
    """`[rows]` first row of each row's session."""
    rows = np.arange(len(times))
    starts = first == rows
    starts[1:] |= times[1:] - times[:-1] > gap
    return np.maximum.accumulate(np.where(starts, rows, 0))


@compiled
def _gather(
    starts: np.ndarray, rows: np.ndarray, pooled: np.ndarray, offsets: np.ndarray
) -> np.ndarray:
    out = np.empty(offsets[-1], np.int64)
    for index in range(len(rows)):
        shift = starts[rows[index]] - offsets[index]
        for position in range(offsets[index], offsets[index + 1]):
            out[position] = pooled[position + shift]
    return out


@compiled
def _gaps(
    starts: np.ndarray,
    rows: np.ndarray,
    times: np.ndarray,
    pooled: np.ndarray,
    offsets: np.ndarray,
) -> np.ndarray:
    out = np.empty(offsets[-1], np.int64)
    for index in range(len(rows)):
        row = rows[index]
        shift = starts[row] - offsets[index]
        for position in range(offsets[index], offsets[index + 1]):
            # A difference is not negative: so the division may round towards 0, which is faster.
            age = np.uint64(times[row] - pooled[position + shift])
            out[position] = math.frexp(np.float64(1 + age // _MICROSECONDS))[1]
    return out
