"""Writing: each shard becomes files of Examples, and what was counted on the way one JSON file."""

# pyright: reportArgumentType=false, reportReturnType=false
# (Beam types every `a | b` as a PValue, whatever it is)

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apache_beam as beam
import pyarrow as pa
from apache_beam.pvalue import AsDict, PCollection

from components.beam.tables import Shard
from components.examples import ExamplesWriter
from components.statistics import ShardStatistics, merge_statistics
from components.vocabularies import COUNT, VALUE
from components.whole_files import whole_file

READ, WRITTEN = "read", "written"
"""Keys of the file that `WriteTallies` writes."""


@dataclass
class WriteExamples(beam.PTransform):
    """Writes the examples of each shard, their ids as rows of the ranked tables."""

    ranked: PCollection
    writer: ExamplesWriter

    def expand(self, input_or_inputs: PCollection) -> PCollection:
        """Split shards -> the `ShardStatistics` of each."""
        return input_or_inputs | "Write" >> beam.Map(
            write_examples, AsDict(self.ranked), self.writer
        )


@dataclass
class WriteTallies(beam.PTransform):
    """Writes what was counted while reading, and while writing, as one JSON file.

    Of what was written, it adds up `ShardStatistics`; other elements only say that it was written.
    """

    path: Path

    def expand(self, input_or_inputs: tuple[PCollection, PCollection]) -> PCollection:
        """Tallies of what was read, and what the writing step returned -> None."""
        read, written = input_or_inputs
        kind = tuple[None, tuple[str, Any]]
        return (
            (
                read | "Read" >> beam.Map(_under, READ).with_output_types(kind),
                written | "Written" >> beam.Map(_under, WRITTEN).with_output_types(kind),
            )
            | "Both" >> beam.Flatten()
            | "InOnePlace" >> beam.GroupByKey()
            | "Write" >> beam.Map(write_tallies, self.path)
        )


def write_examples(
    element: Shard, ranked: Mapping[str, pa.Table], writer: ExamplesWriter
) -> ShardStatistics:
    """Writes the examples of one shard."""
    shard, rows = element
    queries, candidates = ranked["queries"], ranked["candidates"]
    return writer.write(
        shard,
        rows,
        queries[VALUE].combine_chunks(),
        candidates[VALUE].combine_chunks(),
        trained=int((candidates[COUNT].to_numpy() > 0).sum()),
    )


def write_tallies(element: tuple[None, Iterable[tuple[str, Any]]], path: Path) -> None:
    """Adds up both kinds, and writes the sums."""
    _, counted = element
    read: Counter[str] = Counter()
    written: list[ShardStatistics] = []
    for kind, values in counted:
        if kind == READ:
            read.update(values)
        elif isinstance(values, Mapping):
            written.append(values)
    tallied = {READ: read, WRITTEN: merge_statistics(written)}
    with whole_file(path) as attempt:
        attempt.write_text(json.dumps(tallied, sort_keys=True), encoding="utf-8")


def _under(values: object, kind: str) -> tuple[None, tuple[str, Any]]:
    return None, (kind, values)
