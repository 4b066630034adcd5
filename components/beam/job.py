"""The jobs over the interactions: they compose the transforms and run them.

    sources --ReadInteractions--+--> rejects/part-*.jsonl
                                +--> batches
                                        |
                              ArrangeByQuery --> shards, in order --FindKept (filters only)
                                                  |         |           |
                                                  |       FindCuts <----+  (a global split only)
                                                  |         |
                                              SplitShards <-+
                                                  |     |
            queries, candidates <--RankTraining---+     |
                     |                                  |
                     +-----------WriteExamples----------+--> examples/*.tfrecord, cold/*.parquet

`count_candidates` reads alike, and counts the candidates of all rows without arranging them.

Elements are Arrow tables, keys are small integers. A shard holds all rows of its queries.
"""

# pyright: reportArgumentType=false, reportReturnType=false
# (Beam types every `a | b` as a PValue, whatever it is)

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import apache_beam as beam
import pyarrow.parquet as pq
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.pvalue import PCollection

from components import ranges
from components.artifacts import Counts
from components.beam.arranging import ArrangeByQuery, FindCuts, FindKept, SplitShards
from components.beam.failures import worker_errors_told
from components.beam.ranking import CountCandidates, RankTraining
from components.beam.reading import Cut, ReadInteractions, Source
from components.beam.writing import READ, WRITTEN, WriteExamples, WriteTallies
from components.catalogue import Past, Side, layout
from components.errors import DataError
from components.examples import ExamplesWriter
from components.files import InputFile, pieces
from components.interactions import CANDIDATE, QUERY
from components.preparation import (
    PreparationConfig,
    check_inputs,
    find_inputs,
    interaction_sections,
)
from components.rejects import REJECTS, check_share, forget_rejects, keep_rejects
from components.splits import SPLITS, TRAIN, GlobalTime
from components.statistics import ShardStatistics, describe
from components.storage import set_options
from components.validation import REASONS
from components.whole_files import job_directory

_log = logging.getLogger(__name__)

_TALLIES = "tallies.json"
_READ = (
    "rows_read",
    "rows_below_min_label",
    "rows_rejected",
    *(f"rejected_{reason}" for reason in REASONS),
)


def prepare(
    config: PreparationConfig, directory: Path, options: PipelineOptions, past: Past | None = None
) -> Counts:
    """Fills `directory` with the layout of `artifacts.Prepared` and returns the counts.

    Rows that cannot be used lie in `rejects/`, one JSON object a line. Where there are too many of
    them, the rejects are kept at `rejects/` beside `directory`, which does not outlive a failure;
    the next preparation removes them.

    Args:
      config: What decides the artifact, beside the files.
      directory: Where it is made.
      options: Beam's.
      past: What an earlier preparation counted, to be added to what is counted now.

    Raises:
      DataError: The input files cannot be used, or leave a split without rows.
    """

    def compose(rows: PCollection, own: Path) -> PCollection:
        return _compose_preparation(rows, config, own, past)

    tallied = _run(config, directory, options, compose)
    counts, splits = _counts(tallied[READ], tallied[WRITTEN]), tallied[WRITTEN]
    _check_splits(config, counts)
    prepared = layout(directory)
    counts["queries"] = pq.read_metadata(prepared.queries).num_rows
    counts["candidates"] = pq.read_metadata(prepared.candidates).num_rows
    features = {side: getattr(config, side).features for side in ("queries", "candidates")}
    described = describe(prepared, splits, features)
    prepared.statistics.write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")
    return counts


def count_candidates(
    config: PreparationConfig, directory: Path, options: PipelineOptions
) -> Counts:
    """Fills `directory` with the layout of `artifacts.Frequencies` and returns the counts.

    All usable rows count, whatever the split and the filters; rejects are kept as `prepare` does.

    Raises:
      DataError: The input files cannot be used.
    """

    def compose(rows: PCollection, own: Path) -> PCollection:
        return rows | "CountCandidates" >> CountCandidates(config.frequencies, own)

    tallied = _run(config, directory, options, compose)
    candidates = pq.read_metadata(layout(directory).frequencies).num_rows
    return {**dict.fromkeys(_READ, 0), **tallied[READ], "candidates": candidates}


def _run(
    config: PreparationConfig,
    directory: Path,
    options: PipelineOptions,
    compose: Callable[[PCollection, Path], PCollection],
) -> dict[str, Any]:
    """Reads the interactions, hands their rows to `compose`, and checks the rejects.

    Returns:
      What `WriteTallies` writes.

    Raises:
      DataError: The input files cannot be used, or too many of their rows cannot.
    """
    set_options(options)
    found = find_inputs(config)
    check_inputs(config, found)
    kept_at = directory.parent / REJECTS
    forget_rejects(kept_at)
    sources, cuts = _sources(config, found)
    tallied = _run_job(config, sources, cuts, directory, options, compose)
    read = {**dict.fromkeys(_READ, 0), **tallied[READ]}
    if not read["rows_read"]:
        names = ", ".join(
            file.path for section in interaction_sections(config.data) for file in found[section]
        )
        raise DataError(f"{names}: there is no row of interactions; nothing can be learned.")
    try:
        check_share(read, config.data.max_reject_share, kept_at)
    except DataError:
        keep_rejects(directory / REJECTS, kept_at)
        raise
    if read["rows_rejected"]:
        _log.warning("rejected rows=%d of=%d", read["rows_rejected"], read["rows_read"])
    return tallied


def _sources(
    config: PreparationConfig, found: Mapping[str, Sequence[InputFile]]
) -> tuple[list[Source], list[Cut]]:
    """The pieces of the interaction files, and the ranges of the large ones."""
    files = [
        (file, SPLITS.index(section) if config.data.is_ready_made else None)
        for section in interaction_sections(config.data)
        for file in found[section]
    ]
    sources: list[Source] = []
    cuts: list[Cut] = []
    for part, (file, split) in enumerate(files):
        of_file = ranges.cut(file, ranges.RANGE_BYTES)
        cuts += [Cut(each, part, split) for each in of_file]
        if not of_file:
            sources += [Source(piece, part, split) for piece in pieces(file)]
    return sources, cuts


def _check_splits(config: PreparationConfig, counts: Mapping[str, int]) -> None:
    for split in SPLITS:
        if counts[f"rows_{split}"] == 0:
            how = "`data`" if config.split is None else f"`split.kind` {config.split.kind!r}"
            sizes = ", ".join(f"{counts[f'rows_{name}']} {name}" for name in SPLITS)
            raise DataError(
                f"{how} leaves no row to {split}: of {counts['rows_read']} rows read, "
                f"{counts['rows_rejected']} were rejected, {counts['rows_below_min_label']} lay "
                f"below `data.min_label`, {counts['rows_filtered']} were left out by `filters`, "
                f"and {sizes} remain. Give more rows, or split otherwise."
            )


def _run_job(
    config: PreparationConfig,
    sources: Sequence[Source],
    cuts: Sequence[Cut],
    directory: Path,
    options: PipelineOptions,
    compose: Callable[[PCollection, Path], PCollection],
) -> dict[str, Any]:
    """Runs the job.

    Raises:
      DataError: A worker found an input file that cannot be used.
    """
    with (
        worker_errors_told(),
        job_directory(directory) as own,
        beam.Pipeline(options=options) as pipeline,
    ):
        read = ReadInteractions(sources, cuts, config.data, own / REJECTS)
        rows, tallies = pipeline | "ReadInteractions" >> read
        counted = compose(rows, own)
        (tallies, counted) | "WriteTallies" >> WriteTallies(own / _TALLIES)
    path = directory / _TALLIES
    if not path.exists():  # nothing was read, not one batch without rows: so nothing was grouped
        return {READ: {}, WRITTEN: {}}
    tallied = json.loads(path.read_text(encoding="utf-8"))
    path.unlink()
    return tallied


def _counts(read: Mapping[str, int], splits: ShardStatistics) -> dict[str, int]:
    """What the manifest says of the rows."""
    counts = {**dict.fromkeys(_READ, 0), **read}
    usable = counts["rows_read"] - counts["rows_rejected"] - counts["rows_below_min_label"]
    counts["rows_filtered"] = usable - sum(counted["rows"] for counted in splits.values())
    for split, counted in splits.items():
        counts[f"rows_{split}"] = counted["rows"]
        if split != SPLITS[TRAIN]:
            for side in (QUERY, CANDIDATE):
                counts[f"rows_{split}_unknown_{side}"] = counted[f"unknown_{side}"]
    return counts


def _compose_preparation(
    rows: PCollection, config: PreparationConfig, directory: Path, past: Past | None
) -> PCollection:
    csv = config.data.csv.with_header()
    queries = Side("queries", QUERY, config.queries, csv, None, past)
    candidates = Side("candidates", CANDIDATE, config.candidates, csv, config.frequencies, past)
    writer = ExamplesWriter(
        directory,
        config.shards,
        config.seed,
        config.examples,
        config.histories,
        config.data.weights,
        has_times=config.data.timestamp is not None,
    )
    shards = rows | "ArrangeByQuery" >> ArrangeByQuery(config.shards)
    kept = split_at = None
    if not config.filters.leaves_all:
        kept = shards | "FindKept" >> FindKept(config.filters)
    if isinstance(config.split, GlobalTime):
        split_at = shards | "FindCuts" >> FindCuts(config.split, kept)
    counted = shards | "SplitToCount" >> SplitShards(config.split, kept, split_at)
    to_write = shards | "SplitToWrite" >> SplitShards(config.split, kept, split_at)
    ranked = counted | "RankTraining" >> RankTraining([queries, candidates], directory)
    return to_write | "WriteExamples" >> WriteExamples(ranked, writer)
