"""The transforms of the preparation's job: how elements are keyed, grouped and handed on."""

# pyright: reportArgumentType=false, reportIndexIssue=false, reportReturnType=false
# (Beam types every `a | b` as a PValue, whatever it is)

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import apache_beam as beam
import pyarrow as pa
from apache_beam.coders.coders import ListCoder
from apache_beam.pvalue import AsDict, AsIter, AsSingleton, PCollection
from apache_beam.typehints import with_input_types, with_output_types

from components.beam.elements import (
    Shard,
    cuts_of,
    part_by_id,
    rank_side,
    split_shard,
    time_counts,
    training_counts,
    write_examples,
    write_tallies,
)
from components.beam.table_coder import TableCoder
from components.catalogue import Side
from components.interactions import QUERY
from components.splits import GlobalTime, SplitConfig
from components.vocabularies import merge_counts

_TABLES_TO_MERGE = 64

beam.coders.registry.register_coder(pa.Table, TableCoder)


@dataclass
class FindCuts(beam.PTransform):
    """Finds the times at which a global split is cut, from the exact count of every time.

    One worker holds the distinct times: 16 bytes each.
    """

    config: GlobalTime

    def expand(self, input_or_inputs: PCollection) -> PCollection:
        """Tables of rows -> one `Cuts`."""
        return (
            input_or_inputs
            | "CountTimes" >> beam.Map(time_counts).with_output_types(pa.Table)
            | "MergeTimes" >> beam.CombineGlobally(MergeTables(merge_counts))
            | "Cut" >> beam.Map(cuts_of, self.config)
        )


@dataclass
class SplitByQuery(beam.PTransform):
    """Brings the rows of each query together, sorts them and gives each its split."""

    split: SplitConfig | None
    shards: int
    schema: pa.Schema

    def expand(self, input_or_inputs: PCollection) -> PCollection:
        """Tables of rows -> one `Shard` a shard, with the column `split`; some may be empty."""
        empty = [(shard, self.schema.empty_table()) for shard in range(self.shards)]
        every_shard = input_or_inputs.pipeline | "EveryShard" >> beam.Create(
            empty
        ).with_output_types(Shard)
        parts = input_or_inputs | "PartByQuery" >> beam.FlatMap(
            part_by_id, QUERY, self.shards
        ).with_output_types(Shard)
        cuts, by_query = None, self.split
        if isinstance(self.split, GlobalTime):
            by_query = None
            cuts = AsSingleton(input_or_inputs | "FindCuts" >> FindCuts(self.split))
        return (
            (every_shard, parts)
            | "Together" >> beam.Flatten()
            | "ByQuery" >> beam.GroupByKey()
            | "Split" >> beam.Map(split_shard, cuts, by_query).with_output_types(Shard)
        )


@dataclass
class RankTraining(beam.PTransform):
    """Ranks the ids of one side by their training rows, and writes their tables."""

    side: Side
    directory: Path

    def expand(self, input_or_inputs: PCollection) -> PCollection:
        """Shards -> one table, `value` and `count`, in the order of the rows."""
        counts = (
            input_or_inputs
            | "Count" >> beam.FlatMap(training_counts, self.side.column).with_output_types(Shard)
            | "Merge" >> beam.CombinePerKey(MergeTables(merge_counts))
            | "Merged" >> beam.Values()
        )
        rank = beam.Map(rank_side, AsIter(counts), self.side, self.directory)
        return (
            input_or_inputs.pipeline
            | "Once" >> beam.Create([None])
            | "Rank" >> rank.with_output_types(pa.Table)
        )


@dataclass
class WriteExamples(beam.PTransform):
    """Writes the examples of each shard, their ids as rows of the ranked tables."""

    queries: PCollection
    candidates: PCollection
    directory: Path
    shards: int
    seed: int

    def expand(self, input_or_inputs: PCollection) -> PCollection:
        """Shards -> tallies of the rows of each split."""
        return input_or_inputs | "Write" >> beam.FlatMap(
            write_examples,
            AsSingleton(self.queries),
            AsSingleton(self.candidates),
            self.directory,
            self.shards,
            self.seed,
        )


@dataclass
class WriteTallies(beam.PTransform):
    """Adds up tallies and writes them as one JSON object."""

    path: Path

    def expand(self, input_or_inputs: PCollection) -> PCollection:
        """Tallies -> None."""
        sums = input_or_inputs | "Sum" >> beam.CombinePerKey(sum)
        return (
            input_or_inputs.pipeline
            | "Once" >> beam.Create([None])
            | "Write" >> beam.Map(write_tallies, AsDict(sums), self.path)
        )


@with_input_types(pa.Table)
@with_output_types(pa.Table)
class MergeTables(beam.CombineFn):
    """Merges tables into one.

    Args:
      merge: Makes one table of any number; it may be given what it returned in place of what it
        was given.
    """

    def __init__(self, merge: Callable[[Iterable[pa.Table]], pa.Table]) -> None:
        super().__init__()
        self._merge = merge

    def get_accumulator_coder(self) -> beam.coders.Coder:
        """Tables are not pickled: Beam would compress each pickle, for seconds."""
        return ListCoder(TableCoder())

    def create_accumulator(self) -> list[pa.Table]:
        """No table yet."""
        return []

    def add_input(self, mutable_accumulator: list[pa.Table], element: pa.Table) -> list[pa.Table]:
        """Puts off merging until enough tables have come."""
        mutable_accumulator.append(element)
        if len(mutable_accumulator) >= _TABLES_TO_MERGE:
            return self.compact(mutable_accumulator)
        return mutable_accumulator

    def merge_accumulators(self, accumulators: Iterable[list[pa.Table]]) -> list[pa.Table]:
        """All tables of all accumulators."""
        return self.compact([table for tables in accumulators for table in tables])

    def compact(self, accumulator: list[pa.Table]) -> list[pa.Table]:
        """One table in place of many."""
        return [self._merge(accumulator)] if len(accumulator) > 1 else accumulator

    def extract_output(self, accumulator: list[pa.Table]) -> pa.Table:
        """The merged table."""
        return self._merge(accumulator)
