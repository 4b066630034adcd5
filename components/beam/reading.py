"""Reading: rows of the input files become tables of interactions, tallies and rejects."""

# pyright: reportArgumentType=false, reportIndexIssue=false, reportReturnType=false
# (Beam types every `a | b` as a PValue, whatever it is)

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam.metrics import Metrics
from apache_beam.pvalue import PBegin, PCollection, TaggedOutput

from components.beam.tables import MergeTables
from components.delimited import CsvConfig
from components.files import Piece, read_piece
from components.interactions import SPLIT, InteractionsConfig, interactions_schema
from components.malformed import MalformedRows
from components.ranges import Frames, Range, locate, survey_range
from components.rejects import first_rejects, write_rejects
from components.survey import Survey
from components.validation import (
    MALFORMED_ROW,
    REASONS,
    REJECT_SAMPLES,
    malformed_rejects,
    normalise,
)

FileRejects = tuple[int, pa.Table]
"""Number of a file, and rows of it that were rejected."""

Surveyed = tuple[int, tuple[Any, Any]]
"""Number of a file, and a `Cut` of it with its survey."""

KEPT, REJECTED, TALLIED = "kept", "rejected", "tallied"
"""Outputs of `read_source`."""

_FILE_ORDER_BITS = 40


@dataclass
class ReadInteractions(beam.PTransform):
    """Reads and validates rows, and writes the rejected ones to `rejects`.

    All are counted; no more of them than `first_rejects` keeps are carried or held.

    Attributes:
      sources: Pieces of files.
      cuts: Ranges of the other files, the large ones.
      config: Names and rules of the columns.
      rejects: The directory of the rejects.
    """

    sources: Sequence[Source]
    cuts: Sequence[Cut]
    config: InteractionsConfig
    rejects: Path

    def expand(self, input_or_inputs: PBegin) -> tuple[PCollection, PCollection]:
        """Returns tables of the usable rows, and tallies of all rows."""
        read = beam.FlatMap(read_source, self.config).with_output_types(pa.Table)
        sources = input_or_inputs | "Sources" >> beam.Create(self.sources)
        if self.cuts:
            located = input_or_inputs | "LocateRows" >> LocateRows(self.cuts, self.config.csv)
            spread = located | "Spread" >> beam.Reshuffle()  # as Create does
            sources = (sources, spread) | "AllSources" >> beam.Flatten()
        rows = sources | "Read" >> read.with_outputs(REJECTED, TALLIED, main=KEPT)
        names = {source.part: source.piece.file.name for source in self.sources}
        names |= {cut.part: cut.range.file.name for cut in self.cuts}
        (
            rows[REJECTED]
            | "TypeRejects" >> beam.Map(unchanged).with_output_types(FileRejects)
            | "FirstOfFile" >> beam.CombinePerKey(MergeTables(first_rejects))
            | "WriteRejects" >> beam.Map(write_file_rejects, names, self.rejects)
        )
        return rows[KEPT], rows[TALLIED]


@dataclass(frozen=True, slots=True)
class Source:
    """A piece of the interactions, and what its file decides about its rows."""

    piece: Piece
    part: int
    """Number of the file."""
    split: int | None
    """The split of its rows, where files are split already."""


@dataclass(frozen=True, slots=True)
class Cut:
    """A range of a large file of interactions, and what its file decides about its rows."""

    range: Range
    part: int
    """Number of the file."""
    split: int | None
    """The split of its rows, where files are split already."""


@dataclass
class LocateRows(beam.PTransform):
    """Cuts large files where rows begin: surveys each range, then joins the surveys of a file."""

    cuts: Sequence[Cut]
    csv: CsvConfig

    def expand(self, input_or_inputs: PBegin) -> PCollection:
        """Returns one `Source` for each range in which a row begins."""
        return (
            input_or_inputs
            | "Cuts" >> beam.Create(self.cuts)
            | "Survey" >> beam.Map(survey_cut, self.csv).with_output_types(Surveyed)
            | "ByFile" >> beam.GroupByKey()
            | "Locate" >> beam.FlatMap(locate_sources, self.csv).with_output_types(Source)
        )


def survey_cut(cut: Cut, csv: CsvConfig) -> Surveyed:
    """Surveys one range."""
    return cut.part, (cut, survey_range(cut.range, csv))


def locate_sources(
    element: tuple[int, Iterable[tuple[Cut, Survey | Frames]]], csv: CsvConfig
) -> Iterator[Source]:
    """The sources of one file."""
    _, surveyed = element
    pairs = list(surveyed)
    cut = pairs[0][0]
    for piece in locate([(each.range, of_range) for each, of_range in pairs], csv):
        yield Source(piece, cut.part, cut.split)


def read_source(source: Source, config: InteractionsConfig) -> Iterator[pa.Table | TaggedOutput]:
    """Reads a piece: usable rows, rejected rows by file, and tallies."""
    order = source.part << _FILE_ORDER_BITS
    malformed = MalformedRows(REJECT_SAMPLES)
    for numbers, batch in read_piece(source.piece, config.columns, config.csv, malformed):
        rows = normalise(batch, numbers, config, order=order)
        yield _with_split(rows.kept, source.split)
        if rows.rejects.num_rows:
            yield TaggedOutput(REJECTED, (source.part, rows.rejects))
        yield _tallied(rows.rows_read, rows.below_min_label, rows.rejected)
    if malformed.rows:
        # There may have been no batch at all, and a log of no table would have no shard.
        nothing = interactions_schema(labelled=config.label is not None).empty_table()
        yield _with_split(nothing, source.split)
        yield TaggedOutput(REJECTED, (source.part, malformed_rejects(malformed)))
        count = len(malformed.rows)
        yield _tallied(count, 0, {MALFORMED_ROW: count})


def _with_split(rows: pa.Table, split: int | None) -> pa.Table:
    """The rows, with the split of their file where files are split already."""
    if split is None:
        return rows
    return rows.append_column(SPLIT, pa.array(np.full(len(rows), split, np.int8)))


def _tallied(read: int, below: int, rejected: Mapping[str, int]) -> TaggedOutput:
    tallies = {
        "rows_read": read,
        "rows_below_min_label": below,
        "rows_rejected": sum(rejected.values()),
        **{f"rejected_{reason}": rejected.get(reason, 0) for reason in REASONS},
    }
    for name, count in tallies.items():
        Metrics.counter("interactions", name).inc(count)
    return TaggedOutput(TALLIED, tallies)


def unchanged(rejects: FileRejects) -> FileRejects:
    """Only names the type, by which Beam finds the coder: a second output has none."""
    return rejects


def write_file_rejects(element: FileRejects, names: Mapping[int, str], directory: Path) -> None:
    """Writes the rejected rows of one file, whose name is that of its number."""
    part, rejects = element
    write_rejects(directory, part, names[part], rejects)
