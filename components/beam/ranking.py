"""Ranking: ids are counted over all shards or rows, ranked and described in tables."""

# pyright: reportArgumentType=false, reportReturnType=false
# (Beam types every `a | b` as a PValue, whatever it is)

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam.pvalue import PCollection

from components.beam.tables import Shard
from components.catalogue import Side, write_counted, write_side
from components.frequencies import FrequenciesConfig
from components.hashing import hash_ids
from components.interactions import CANDIDATE, SPLIT, TIMESTAMP
from components.occurrences import merge_occurrences, occurrences
from components.shards import encode, parted
from components.splits import TRAIN
from components.vocabularies import VALUE

_PARTS = 16
"""In how many parts the ids of a side are counted."""

Counted = tuple[pa.Table, int]
"""Occurrences, and the time of the newest training row among them."""


@dataclass
class RankTraining(beam.PTransform):
    """Ranks the ids of each side by their training rows, and writes their tables.

    Occurrences are added up in parts, so that only the distinct ids of a side come to one worker.
    """

    sides: Sequence[Side]
    directory: Path

    def expand(self, input_or_inputs: PCollection) -> PCollection:
        """Split shards -> section and table, `value` and `count`, in the order of the rows."""
        return (
            input_or_inputs
            | "Count"
            >> beam.FlatMap(count_shard, self.sides).with_output_types(tuple[int, Counted])
            | "Parts" >> beam.GroupByKey()
            | "Merge" >> beam.Map(merge_part).with_output_types(tuple[int, Counted])
            | "Sides" >> beam.GroupByKey()
            | "Rank"
            >> beam.Map(rank_side, self.sides, self.directory).with_output_types(
                tuple[str, pa.Table]
            )
        )


@dataclass
class CountCandidates(beam.PTransform):
    """Counts the candidates of all rows, and writes how often they occur."""

    config: FrequenciesConfig
    directory: Path

    def expand(self, input_or_inputs: PCollection) -> PCollection:
        """Tables of rows -> how many candidates there are."""
        return (
            input_or_inputs
            | "Count"
            >> beam.FlatMap(count_rows, self.config).with_output_types(tuple[int, Counted])
            | "Parts" >> beam.GroupByKey()
            | "Merge" >> beam.Map(merge_part).with_output_types(tuple[int, Counted])
            | "InOnePlace" >> beam.GroupByKey()
            | "Write" >> beam.Map(write_candidates, self.config, self.directory)
        )


def count_rows(rows: pa.Table, config: FrequenciesConfig) -> Iterator[tuple[int, Counted]]:
    """How often each candidate occurs in some rows, parted by the candidate."""
    split = pa.array(np.full(rows.num_rows, TRAIN, np.int8))
    shown = pa.table({CANDIDATE: encode(rows[CANDIDATE]), TIMESTAMP: rows[TIMESTAMP], SPLIT: split})
    counted = occurrences(shown, CANDIDATE, config.half_life_days)
    newest = newest_training_time(shown)
    for part, table in part_by_value(counted, _PARTS):
        yield part, (table, newest)


def write_candidates(
    element: tuple[int, Iterable[Counted]], config: FrequenciesConfig, directory: Path
) -> int:
    """`catalogue.write_counted`, of all parts."""
    _, counted = element
    return write_counted(*_together(counted), config, directory)


def count_shard(element: Shard, sides: Sequence[Side]) -> Iterator[tuple[int, Counted]]:
    """How often each id occurs in one shard, parted by side and id."""
    _, rows = element
    newest = newest_training_time(rows)
    for number, side in enumerate(sides):
        counted = occurrences(rows, side.column, side.half_life_days)
        for part, table in part_by_value(counted, _PARTS):
            yield number * _PARTS + part, (table, newest)


def part_by_value(table: pa.Table, parts: int) -> Iterator[Shard]:
    """Parts a table by the hash of `value`; every part comes out, some may be empty."""
    part = (hash_ids(table[VALUE].combine_chunks()) % np.uint64(parts)).astype(np.uint8)
    yield from parted(table, part, parts)


def newest_training_time(rows: pa.Table) -> int:
    """The time of the newest training row; the beginning of time where there is none."""
    times = rows[TIMESTAMP].to_numpy()[rows[SPLIT].to_numpy() == TRAIN]
    return int(times.max(initial=np.iinfo(np.int64).min))


def merge_part(element: tuple[int, Iterable[Counted]]) -> tuple[int, Counted]:
    """Adds up one part of a side, and names the side by its number."""
    part, counted = element
    tables, newest = zip(*counted, strict=True)
    return part // _PARTS, (merge_occurrences(tables), max(newest))


def rank_side(
    element: tuple[int, Iterable[Counted]], sides: Sequence[Side], directory: Path
) -> tuple[str, pa.Table]:
    """`catalogue.write_side`, of the parts of one side."""
    number, counted = element
    side = sides[number]
    return side.section, write_side(*_together(counted), side, directory)


def _together(counted: Iterable[Counted]) -> Counted:
    """All parts of a side; none shows an id of another."""
    tables, newest = zip(*counted, strict=True)
    return pa.concat_tables(tables), max(newest)
