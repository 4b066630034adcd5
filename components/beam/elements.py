"""Elements: what each step of the preparation's job does to one of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from apache_beam.metrics import Metrics
from apache_beam.pvalue import TaggedOutput

from components.catalogue import Side, write_side
from components.examples import sort_interactions, write_shard
from components.files import MalformedRows, Piece, read_piece
from components.hashing import hash_ids
from components.interactions import (
    MALFORMED_ROW,
    REASONS,
    REJECT_SAMPLES,
    SPLIT,
    TIMESTAMP,
    InteractionsConfig,
    malformed_rejects,
    normalise,
)
from components.rejects import write_rejects
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
FileRejects = tuple[int, pa.Table]
"""Number of a file, and rows of it that were rejected."""
Tally = tuple[str, int]
"""A count, and what it counts."""

KEPT, REJECTED, TALLIED = "kept", "rejected", "tallied"
"""Outputs of `read_source`."""

_COUNT_PARTS = 16
_FILE_ORDER_BITS = 40


@dataclass(frozen=True, slots=True)
class Source:
    """A piece of the interactions, and what its file decides about its rows."""

    piece: Piece
    part: int
    """Number of the file."""
    split: int | None
    """The split of its rows, where files are split already."""


def read_source(source: Source, config: InteractionsConfig) -> Iterator[pa.Table | TaggedOutput]:
    """Reads a piece: usable rows, rejected rows by file, and tallies."""
    order = source.part << _FILE_ORDER_BITS
    malformed = MalformedRows(REJECT_SAMPLES)
    for numbers, batch in read_piece(source.piece, config.columns, config.csv_delimiter, malformed):
        rows = normalise(batch, numbers, config, order=order)
        kept = rows.kept
        if source.split is not None:
            kept = kept.append_column(SPLIT, pa.array(np.full(len(kept), source.split, np.int8)))
        yield kept
        if rows.rejects.num_rows:
            yield TaggedOutput(REJECTED, (source.part, rows.rejects))
        yield from _tallied(rows.rows_read, rows.below_min_label, rows.rejected)
    if malformed.rows:
        yield TaggedOutput(REJECTED, (source.part, malformed_rejects(malformed)))
        count = len(malformed.rows)
        yield from _tallied(count, 0, {MALFORMED_ROW: count})


def _tallied(read: int, below: int, rejected: Mapping[str, int]) -> Iterator[TaggedOutput]:
    tallies = {
        "rows_read": read,
        "rows_below_min_label": below,
        "rows_rejected": sum(rejected.values()),
        **{f"rejected_{reason}": rejected.get(reason, 0) for reason in REASONS},
    }
    for name, count in tallies.items():
        Metrics.counter("interactions", name).inc(count)
        yield TaggedOutput(TALLIED, (name, count))


def unchanged(rejects: FileRejects) -> FileRejects:
    """Only names the type, by which Beam finds the coder: a second output has none."""
    return rejects


def write_file_rejects(element: FileRejects, names: Mapping[int, str], directory: Path) -> None:
    """Writes the rejected rows of one file, whose name is that of its number."""
    part, rejects = element
    write_rejects(directory, part, names[part], rejects)


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
