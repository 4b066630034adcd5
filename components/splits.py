"""Splits: which interactions train the model, which choose its epoch, and which judge it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Annotated, Literal, Self

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, model_validator

Share = Annotated[float, Field(gt=0, lt=1)]


class _Shares(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    validation: Share = 0.1
    """Share of the rows that choose the best epoch."""
    test: Share = 0.2
    """Share of the rows that judge the model."""

    @model_validator(mode="after")
    def _leaves_training_rows(self) -> Self:
        if self.validation + self.test >= 1:
            raise ValueError(
                "`validation` and `test` must add up to less than 1 "
                f"(got {self.validation} and {self.test})"
            )
        return self


class PerQueryTime(_Shares):
    """The last rows of each query, by time."""

    kind: Literal["per_query_time"]


class GlobalTime(_Shares):
    """The last rows of the whole log, by time: what a model that goes live will see."""

    kind: Literal["global_time"]


class LeaveLastOut(BaseModel):
    """The last row of each query is tested, the one before validated."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["leave_last_out"]


SplitConfig = Annotated[PerQueryTime | GlobalTime | LeaveLastOut, Field(discriminator="kind")]

TRAIN, VALIDATION, TEST = range(3)
SPLITS = ("train", "validation", "test")
"""Names of the splits; a row's split is an index into them."""

_TIME, _ROWS = "time", "rows"
_ROUNDING = 1e-9
"""Keeps 0.29 of 100 rows, 28.999999999999996 in binary, at 29."""


@dataclass(frozen=True, slots=True)
class Cuts:
    """Times, in microseconds, at which a global split begins its validation and its test rows."""

    validation: int
    test: int


def part_size(share: float, rows: np.ndarray | int) -> np.ndarray:
    """`floor(share * rows)`."""
    return np.floor(share * np.asarray(rows) + _ROUNDING).astype(np.int64)


def count_times(times: np.ndarray) -> pa.Table:
    """Table of the distinct times, ascending, and how many rows show each."""
    distinct, counts = np.unique(times, return_counts=True)
    return pa.table({_TIME: distinct, _ROWS: counts})


def merge_time_counts(tables: Iterable[pa.Table]) -> pa.Table:
    """Adds up what `count_times` returned."""
    together = pa.concat_tables([count_times(np.zeros(0, np.int64)), *tables])
    times, counts = together[_TIME].to_numpy(), together[_ROWS].to_numpy()
    order = np.argsort(times, kind="stable")
    starts = np.flatnonzero(np.diff(times[order], prepend=times.min(initial=0) - 1))
    merged = np.add.reduceat(counts[order], starts) if len(starts) else counts
    return pa.table({_TIME: times[order][starts], _ROWS: merged})


def global_cuts(time_counts: pa.Table, config: GlobalTime) -> Cuts:
    """The cuts that give each later part its share, or more where rows share the time of a cut.

    Args:
      time_counts: What `count_times` returns of all rows.
      config: The shares.
    """
    times, counts = time_counts[_TIME].to_numpy(), time_counts[_ROWS].to_numpy()
    rows = int(counts.sum())
    if rows == 0:
        return Cuts(0, 0)
    test = int(part_size(config.test, rows))
    validation = int(part_size(config.validation, rows))
    ends = np.cumsum(counts)

    def time_of(row: int) -> int:
        if row == rows:
            return int(times[-1]) + 1
        return int(times[np.searchsorted(ends, row, side="right")])

    return Cuts(validation=time_of(rows - test - validation), test=time_of(rows - test))


def split_by_cuts(times: np.ndarray, cuts: Cuts) -> np.ndarray:
    """`[rows]` int8 split of each row of a global split: a row at a cut belongs to what follows."""
    split = np.full(len(times), TRAIN, np.int8)
    split[times >= cuts.validation] = VALIDATION
    split[times >= cuts.test] = TEST
    return split


def split_by_query(queries: np.ndarray, config: PerQueryTime | LeaveLastOut) -> np.ndarray:
    """Splits the rows of each query, by their position.

    Args:
      queries: `[rows]` a number for each query; equal ones stand together, rows in order of time.
      config: How many rows of each query are tested and validated.

    Returns:
      `[rows]` int8 split of each row.
    """
    if len(queries) == 0:
        return np.zeros(0, np.int8)
    starts = np.flatnonzero(np.append(True, queries[1:] != queries[:-1]))
    counts = np.diff(np.append(starts, len(queries)))
    if isinstance(config, LeaveLastOut):
        test = validation = (counts >= 3).astype(np.int64)
    else:
        test, validation = part_size(config.test, counts), part_size(config.validation, counts)
    ends = starts + counts
    from_end = np.repeat(ends, counts) - np.arange(len(queries))
    split = np.full(len(queries), TRAIN, np.int8)
    split[from_end <= np.repeat(test + validation, counts)] = VALIDATION
    split[from_end <= np.repeat(test, counts)] = TEST
    return split
