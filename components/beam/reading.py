"""Reading: rows of the input files become tables of interactions, tallies and rejects."""

# pyright: reportArgumentType=false, reportIndexIssue=false, reportReturnType=false
# (Beam types every `a | b` as a PValue, whatever it is)

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import apache_beam as beam
import numpy as np
import pyarrow as pa
from apache_beam.metrics import Metrics
from apache_beam.pvalue import PBegin, PCollection, TaggedOutput

from components.beam.tables import MergeTables
from components.files import Piece, read_piece
from components.interactions import SPLIT, InteractionsConfig
from components.malformed import MalformedRows
from components.rejects import first_rejects, write_rejects
from components.validation import (
    MALFORMED_ROW,
    REASONS,
    REJECT_SAMPLES,
    malformed_rejects,
    normalise,
)

FileRejects = tuple[int, pa.Table]
"""Number of a file, and rows of it that were rejected."""

KEPT, REJECTED, TALLIED = "kept", "rejected", "tallied"
"""Outputs of `read_source`."""

_FILE_ORDER_BITS = 40


@dataclass
class ReadInteractions(beam.PTransform):
    """Reads and validates the rows of `sources`, and writes the rejected ones to `rejects`.

    All are counted; no more of them than `first_rejects` keeps are carried or held.
    """

    sources: Sequence[Source]
    config: InteractionsConfig
    rejects: Path

    def expand(self, input_or_inputs: PBegin) -> tuple[PCollection, PCollection]:
        """Returns tables of the usable rows, and tallies of all rows."""
        read = beam.FlatMap(read_source, self.config).with_output_types(pa.Table)
        rows = (
            input_or_inputs
            | "Sources" >> beam.Create(self.sources)  # spreads them over the workers, too
            | "Read" >> read.with_outputs(REJECTED, TALLIED, main=KEPT)
        )
        names = {source.part: source.piece.file.name for source in self.sources}
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


def read_source(source: Source, config: InteractionsConfig) -> Iterator[pa.Table | TaggedOutput]:
    """Reads a piece: usable rows, rejected rows by file, and tallies."""
    order = source.part << _FILE_ORDER_BITS
    malformed = MalformedRows(REJECT_SAMPLES)
    for numbers, batch in read_piece(source.piece, config.columns, config.csv, malformed):
        rows = normalise(batch, numbers, config, order=order)
        kept = rows.kept
        if source.split is not None:
            kept = kept.append_column(SPLIT, pa.array(np.full(len(kept), source.split, np.int8)))
        yield kept
        if rows.rejects.num_rows:
            yield TaggedOutput(REJECTED, (source.part, rows.rejects))
        yield _tallied(rows.rows_read, rows.below_min_label, rows.rejected)
    if malformed.rows:
        yield TaggedOutput(REJECTED, (source.part, malformed_rejects(malformed)))
        count = len(malformed.rows)
        yield _tallied(count, 0, {MALFORMED_ROW: count})


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
