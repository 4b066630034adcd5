"""Arranging: the interactions come together by query, in order, and each gets its split."""

# pyright: reportArgumentType=false, reportReturnType=false
# (Beam types every `a | b` as a PValue, whatever it is)

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam.pvalue import AsDict, AsSingleton, PCollection

from components.beam.tables import Shard
from components.filters import FiltersConfig, core, in_window
from components.interactions import CANDIDATE, QUERY, SPLIT, TIMESTAMP
from components.shards import arrange, concatenate, numbers, part_by_query
from components.splits import (
    Cuts,
    GlobalTime,
    SplitConfig,
    count_times,
    global_cuts,
    merge_time_counts,
    split_by_cuts,
    split_by_query,
)

ROW = "row"
"""Number of a row in its shard."""


@dataclass
class ArrangeByQuery(beam.PTransform):
    """Brings the rows of each query together, in order."""

    shards: int

    def expand(self, input_or_inputs: PCollection) -> PCollection:
        """Tables of rows -> one `Shard` a shard, as `components.shards` says; some may be empty."""
        return (
            input_or_inputs
            | "PartByQuery" >> beam.FlatMap(part_by_query, self.shards).with_output_types(Shard)
            | "ByQuery" >> beam.GroupByKey()
            | "Arrange" >> beam.Map(arrange_shard).with_output_types(Shard)
        )


@dataclass
class FindKept(beam.PTransform):
    """Finds the rows that the filters keep.

    The core is found by one worker, which holds 12 bytes a row.
    """

    config: FiltersConfig

    def expand(self, input_or_inputs: PCollection) -> PCollection:
        """Shards -> for each with rows the table of the numbers of its rows that are kept."""
        newest = (
            input_or_inputs
            | "NewestOfShard" >> beam.Map(newest_time).with_output_types(tuple[None, int])
            | "ShardsOfNewest" >> beam.GroupByKey()
            | "Newest" >> beam.Map(newest_of_all)
        )
        recent = input_or_inputs | "Recent" >> beam.Map(
            recent_rows, AsSingleton(newest), self.config
        ).with_output_types(tuple[None, Shard])
        return (
            recent
            | "Together" >> beam.GroupByKey()
            | "Core" >> beam.FlatMap(core_rows, self.config).with_output_types(Shard)
        )


@dataclass
class FindCuts(beam.PTransform):
    """Finds the times at which a global split is cut, from the exact count of every time.

    One worker holds the distinct times: 16 bytes each.
    """

    config: GlobalTime
    kept: PCollection | None

    def expand(self, input_or_inputs: PCollection) -> PCollection:
        """Shards -> one `Cuts`."""
        kept = None if self.kept is None else AsDict(self.kept)
        return (
            input_or_inputs
            | "CountTimes"
            >> beam.Map(times_of_shard, kept).with_output_types(tuple[None, pa.Table])
            | "OfAllShards" >> beam.GroupByKey()
            | "Cut" >> beam.Map(cut, self.config)
        )


@dataclass
class SplitShards(beam.PTransform):
    """Leaves the rows that are kept, and gives each its split.

    It is cheap, and applied once for every step that needs it: so a runner has to keep the shards,
    but not the split shards as well.
    """

    split: SplitConfig | None
    kept: PCollection | None
    cuts: PCollection | None

    def expand(self, input_or_inputs: PCollection) -> PCollection:
        """Shards -> shards with the column `split`."""
        return input_or_inputs | beam.Map(
            split_shard,
            self.split,
            None if self.kept is None else AsDict(self.kept),
            None if self.cuts is None else AsSingleton(self.cuts),
        ).with_output_types(Shard)


def arrange_shard(element: tuple[int, Iterable[pa.Table]]) -> Shard:
    """`shards.arrange` of one shard."""
    shard, tables = element
    return shard, arrange(tables)


def newest_time(element: Shard) -> tuple[None, int]:
    """The time of the newest row of a shard; the beginning of time where there is none."""
    _, rows = element
    return None, int(rows[TIMESTAMP].to_numpy().max(initial=np.iinfo(np.int64).min))


def newest_of_all(element: tuple[None, Iterable[int]]) -> int:
    """The newest time of all shards."""
    _, times = element
    return max(times)


def recent_rows(element: Shard, newest: int, config: FiltersConfig) -> tuple[None, Shard]:
    """The rows in the window: their numbers, and their ids as numbers and as a dictionary."""
    shard, rows = element
    columns = {
        ROW: np.arange(rows.num_rows),
        QUERY: numbers(rows, QUERY),
        CANDIDATE: rows[CANDIDATE],
    }
    recent = in_window(rows[TIMESTAMP].to_numpy(), newest, config)
    return None, (shard, pa.table(columns).filter(pa.array(recent)))


def core_rows(element: tuple[None, Iterable[Shard]], config: FiltersConfig) -> Iterator[Shard]:
    """The numbers of the rows of each shard that are in the core of all shards."""
    _, parts = element
    shards = sorted(parts, key=lambda part: part[0])
    together = concatenate(table for _, table in shards)
    sizes = [table.num_rows for _, table in shards]
    queries = together[QUERY].to_numpy().astype(np.int64)
    firsts = np.cumsum(
        [0, *(1 + table[QUERY].to_numpy().max(initial=-1) for _, table in shards[:-1])]
    )
    queries += np.repeat(firsts, sizes)
    kept = core(queries, numbers(together, CANDIDATE), config)
    for (shard, table), mask in zip(shards, np.split(kept, np.cumsum(sizes[:-1])), strict=True):
        yield shard, table.select([ROW]).filter(pa.array(mask))


def times_of_shard(element: Shard, kept: Mapping[int, pa.Table] | None) -> tuple[None, pa.Table]:
    """How many of the rows that are kept show each time."""
    return None, count_times(_select(element, kept)[TIMESTAMP].to_numpy())


def cut(element: tuple[None, Iterable[pa.Table]], config: GlobalTime) -> Cuts:
    """The cuts of all shards' times."""
    _, counts = element
    return global_cuts(merge_time_counts(counts), config)


def split_shard(
    element: Shard,
    config: SplitConfig | None,
    kept: Mapping[int, pa.Table] | None,
    cuts: Cuts | None,
) -> Shard:
    """The rows of a shard that are kept, each with its split; ready-made rows have one."""
    shard, _ = element
    rows = _select(element, kept)
    if cuts is not None:
        split = split_by_cuts(rows[TIMESTAMP].to_numpy(), cuts)
    elif config is not None and not isinstance(config, GlobalTime):
        split = split_by_query(numbers(rows, QUERY), config)
    else:
        return shard, rows
    return shard, rows.append_column(SPLIT, pa.array(split))


def _select(element: Shard, kept: Mapping[int, pa.Table] | None) -> pa.Table:
    shard, rows = element
    return rows if kept is None else rows.take(kept[shard][ROW])
