"""Occurrences: how often each id occurs, in a form that adds up.

One row an id, split and period: how many rows of that split show the id in that period, and their
mass. Tables of disjoint rows are merged by adding up integers, so the sum is exact and does not
depend on the order: yesterday's table and today's give the table of all rows.

A half-life gives older rows less weight. A row at time t has, at time T,

    weight(t) = 0.5^((T - t) / half_life) = 2^(t / half_life) / 2^(T / half_life)

2^(t / half_life) is kept in two parts: the whole number of half-lives since 1970 is the period,
and 2 to the fraction left, in units of 2^-30, is what the row adds to the mass. So it can be
weighed at any later T, with an error below 2^-31 a row. Without a half-life there is one period,
and the mass is the count.
"""

# pyright: reportAttributeAccessIssue=false
# (pyarrow.compute makes its functions when it is imported)

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.columns import ID_TYPE
from components.compiled import compiled
from components.interactions import SPLIT, TIMESTAMP
from components.shards import ids, numbers
from components.splits import SPLITS, TRAIN
from components.vocabularies import COUNT, VALUE

PERIOD = "period"
MASS = "mass"
OCCURRENCES_SCHEMA = pa.schema(
    [
        (VALUE, ID_TYPE),
        (SPLIT, pa.int8()),
        (PERIOD, pa.int32()),
        (COUNT, pa.int64()),
        (MASS, pa.int64()),
    ]
)

_ONE = 1 << 30
"""Mass of a row at the start of its period."""
_DENSE, _FEW_ROWS = 8, 1_000
_MICROSECONDS_A_DAY = 86_400_000_000


@dataclass(frozen=True, slots=True)
class Weighted:
    """How often each value occurs in some splits.

    Attributes:
      counts: `[values]` int64 rows.
      weights: `[values]` float64 rows by their weight; the counts where there is no half-life.
    """

    counts: np.ndarray
    weights: np.ndarray


def occurrences(shard: pa.Table, column: str, half_life_days: float | None) -> pa.Table:
    """Counts the ids of one column of a split shard, in `OCCURRENCES_SCHEMA`."""
    periods, masses = periods_and_masses(shard[TIMESTAMP].to_numpy(), half_life_days)
    first = int(periods.min(initial=0))
    spans = int(periods.max(initial=0)) - first + 1
    number, split = numbers(shard, column).astype(np.int64), shard[SPLIT].to_numpy()
    key = (number * len(SPLITS) + split) * spans + (periods - first)
    keys, counts, mass = _added_up(key, masses, len(ids(shard, column)) * len(SPLITS) * spans)
    return pa.table(
        {
            VALUE: ids(shard, column).take(pa.array(keys // spans // len(SPLITS))),
            SPLIT: (keys // spans % len(SPLITS)).astype(np.int8),
            PERIOD: (keys % spans + first).astype(np.int32),
            COUNT: counts,
            MASS: mass,
        },
        schema=OCCURRENCES_SCHEMA,
    )


def _added_up(
    keys: np.ndarray, masses: np.ndarray, bound: int
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The distinct keys, ascending, with how many rows and how much mass each has.

    Keys below a `bound` that is not much larger than their number are counted in place, which takes
    a tenth of the time of sorting them.
    """
    if bound <= _DENSE * max(len(keys), _FEW_ROWS):
        counts, mass = _count_in_place(keys, masses, bound)
        shown = np.flatnonzero(counts)
        return shown, counts[shown], mass[shown]
    order = np.argsort(keys, kind="stable")
    starts = np.flatnonzero(np.diff(keys[order], prepend=-1))
    counts = np.diff(starts, append=len(keys))
    return keys[order][starts], counts, np.add.reduceat(masses[order], starts)


@compiled
def _count_in_place(
    keys: np.ndarray, masses: np.ndarray, bound: int
) -> tuple[np.ndarray, np.ndarray]:
    counts = np.zeros(bound, np.int64)
    mass = np.zeros(bound, np.int64)
    for row in range(len(keys)):
        counts[keys[row]] += 1
        mass[keys[row]] += masses[row]
    return counts, mass


def periods_and_masses(
    times: np.ndarray, half_life_days: float | None
) -> tuple[np.ndarray, np.ndarray]:
    """Period and mass of a row at each of some times, `[rows]` int64 microseconds."""
    if half_life_days is None:
        return np.zeros(len(times), np.int64), np.full(len(times), _ONE)
    half_lives = times / (half_life_days * _MICROSECONDS_A_DAY)
    periods = np.floor(half_lives)
    masses = np.rint(np.exp2(half_lives - periods) * _ONE).astype(np.int64)
    return periods.astype(np.int64), masses


def merge_occurrences(tables: Iterable[pa.Table]) -> pa.Table:
    """Adds up tables of disjoint rows, in no particular order."""
    together = pa.concat_tables([OCCURRENCES_SCHEMA.empty_table(), *tables])
    keys = [VALUE, SPLIT, PERIOD]
    merged = together.group_by(keys, use_threads=False).aggregate([(COUNT, "sum"), (MASS, "sum")])
    named = merged.select([*keys, f"{COUNT}_sum", f"{MASS}_sum"])
    return named.rename_columns(OCCURRENCES_SCHEMA.names)


def as_past(table: pa.Table) -> pa.Table:
    """The table with all its rows as training rows: what was held out yesterday is known today."""
    index = table.schema.get_field_index(SPLIT)
    trained = pa.array(np.full(table.num_rows, TRAIN, np.int8))
    return table.set_column(index, SPLIT, trained).cast(OCCURRENCES_SCHEMA)


def weigh(
    table: pa.Table,
    values: pa.Array,
    splits: Sequence[int],
    half_life_days: float | None,
    at: int,
) -> Weighted:
    """Counts and weights of some values at a time.

    Args:
      table: Occurrences.
      values: `[values]` distinct ids, in the order that is wanted; others are passed over.
      splits: The splits that count.
      half_life_days: The half-life that `table` was made with.
      at: The time at which a row weighs 1, in microseconds.
    """
    place = pc.index_in(table[VALUE].combine_chunks(), value_set=values)
    wanted = np.isin(table[SPLIT].to_numpy(), splits) & place.is_valid().to_numpy(False)
    place = place.to_numpy(zero_copy_only=False)[wanted].astype(np.int64)
    period = table[PERIOD].to_numpy()[wanted]
    # In one order, whatever that of the table: a sum of floats depends on it.
    order = np.lexsort([period, place])
    place, period = place[order], period[order]
    now = 0.0 if half_life_days is None else at / (half_life_days * _MICROSECONDS_A_DAY)
    scale = np.exp2(period - now) / _ONE
    counts, masses = (table[name].to_numpy()[wanted][order] for name in (COUNT, MASS))
    return Weighted(
        np.bincount(place, counts, len(values)).astype(np.int64),
        np.bincount(place, masses * scale, len(values)),
    )
