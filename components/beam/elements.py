"""Elements: what each step of the preparation's job does to one of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
import pyarrow as pa

from components.catalogue import Side, write_side
from components.examples import sort_interactions, write_shard
from components.hashing import hash_ids
from components.interactions import SPLIT, TIMESTAMP
from components.splits import (
    TRAIN,
    Cuts,
    GlobalTime,
    LeaveLastOut,
    PerQueryTime,
    global_cuts,
    split_by_cuts,
    split_by_query,
)
from components.vocabularies import COUNT, VALUE, count_values

Shard = tuple[int, pa.Table]
"""Number of a shard, or of another part, and its rows."""
Tally = tuple[str, int]
"""A count, and what it counts."""

_COUNT_PARTS = 16


def time_counts(table: pa.Table) -> pa.Table:
    """How many rows show each time."""
    return count_values(table[TIMESTAMP])


def cuts_of(counts: pa.Table, config: GlobalTime) -> Cuts:
    """The cuts of all rows' times."""
    if counts.num_rows == 0:
        return Cuts(0, 0)
    ordered = counts.sort_by(VALUE)
    return global_cuts(ordered[VALUE].to_numpy(), ordered[COUNT].to_numpy(), config)


def part_by_id(table: pa.Table, column: str, parts: int) -> Iterator[Shard]:
    """Parts a table by the hash of an id."""
    hashes = hash_ids(table[column].combine_chunks())
    part = (hashes % np.uint64(parts)).astype(np.int64)
    order = np.argsort(part, kind="stable")
    ends = np.cumsum(np.bincount(part, minlength=parts))
    ordered = table.take(pa.array(order))
    for number, (start, end) in enumerate(zip([0, *ends[:-1]], ends, strict=True)):
        if end > start:
            yield number, ordered.slice(start, end - start)


def split_shard(
    element: tuple[int, Iterable[pa.Table]],
    cuts: Cuts | None,
    by_query: PerQueryTime | LeaveLastOut | None,
) -> Shard:
    """Sorts the rows of one shard and gives each its split, unless the rows have one."""
    shard, tables = element
    rows, queries = sort_interactions(pa.concat_tables(tables).combine_chunks())
    if cuts is not None:
        split = split_by_cuts(rows[TIMESTAMP].to_numpy(), cuts)
    elif by_query is not None:
        split = split_by_query(queries, by_query)
    else:
        return shard, rows
    return shard, rows.append_column(SPLIT, pa.array(split))


def training_counts(element: Shard, column: str) -> Iterator[Shard]:
    """How many training rows show each id, parted by the id."""
    _, rows = element
    trained = pa.array(rows[SPLIT].to_numpy() == TRAIN)
    return part_by_id(count_values(rows[column].filter(trained)), VALUE, _COUNT_PARTS)


def rank_side(_: None, counts: Iterable[pa.Table], side: Side, directory: Path) -> pa.Table:
    """`catalogue.write_side`, as a step that runs once."""
    return write_side(counts, side, directory)


def write_examples(
    element: Shard, queries: pa.Table, candidates: pa.Table, directory: Path, shards: int, seed: int
) -> Iterable[Tally]:
    """Writes the examples of one shard."""
    shard, rows = element
    known = (queries[VALUE].combine_chunks(), candidates[VALUE].combine_chunks())
    return write_shard(directory, shard, shards, rows, *known, seed).items()


def write_tallies(_: None, tallies: dict[str, int], path: Path) -> None:
    """Writes the sums, as a step that runs once."""
    path.write_text(json.dumps(tallies, sort_keys=True), encoding="utf-8")
