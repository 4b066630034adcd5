"""The job of the preparation: composes the transforms and runs them.

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

Elements are Arrow tables, keys are small integers. A shard holds all rows of its queries.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Mapping, Sequence
from pathlib import Path

import apache_beam as beam
import pyarrow.parquet as pq
from apache_beam.options.pipeline_options import PipelineOptions

from components import ranges
from components.artifacts import Counts
from components.beam.arranging import ArrangeByQuery, FindCuts, FindKept, SplitShards
from components.beam.ranking import RankTraining
from components.beam.reading import Cut, ReadInteractions, Source
from components.beam.writing import READ, WRITTEN, WriteExamples, WriteTallies
from components.catalogue import Side, layout
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
_RAISED = re.compile(
    rf"{re.escape(DataError.__module__)}\.{DataError.__name__}: (.*)$", re.MULTILINE
)
_STEP = re.compile(r" \[while running '.*'\]$")


def prepare(config: PreparationConfig, directory: Path, options: PipelineOptions) -> Counts:
    """Fills `directory` with the layout of `artifacts.Prepared` and returns the counts.

    Rows that cannot be used lie in `rejects/`, one JSON object a line. Where there are too many of
    them, the rejects are kept at `rejects/` beside `directory`, which does not outlive a failure;
    the next preparation removes them.

    Raises:
      DataError: The input files cannot be used, or leave a split without rows.
    """
    set_options(options)
    found = find_inputs(config)
    check_inputs(config, found)
    kept_at = directory.parent / REJECTS
    forget_rejects(kept_at)
    counts = _run(config, found, directory, options)
    try:
        check_share(counts, config.data.max_reject_share, kept_at)
    except DataError:
        keep_rejects(directory / REJECTS, kept_at)
        raise
    if counts["rows_rejected"]:
        _log.warning("rejected rows=%d of=%d", counts["rows_rejected"], counts["rows_read"])
    _check_splits(config, counts)
    return counts


def _run(
    config: PreparationConfig,
    found: Mapping[str, Sequence[InputFile]],
    directory: Path,
    options: PipelineOptions,
) -> dict[str, int]:
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
    counts, splits = _run_job(config, sources, cuts, directory, options)
    if not counts["rows_read"]:
        names = ", ".join(file.path for file, _ in files)
        raise DataError(f"{names}: there is no row of interactions; nothing can be learned.")
    prepared = layout(directory)
    counts["queries"] = pq.read_metadata(prepared.queries).num_rows
    counts["candidates"] = pq.read_metadata(prepared.candidates).num_rows
    features = {side: getattr(config, side).features for side in ("queries", "candidates")}
    described = describe(prepared, splits, features)
    prepared.statistics.write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")
    return counts


def _check_splits(config: PreparationConfig, counts: Mapping[str, int]) -> None:
    for split in SPLITS:
        if counts[f"rows_{split}"] == 0:
            how = "`data`" if config.split is None else f"`split.kind` {config.split.kind!r}"
            sizes = ", ".join(f"{counts[f'rows_{name}']} {name}" for name in SPLITS)
            raise DataError(
                f"{how} leaves no row to {split}: of {counts['rows_read']} rows read, "
                f"{counts['rows_rejected']} were rejected, {counts['rows_below_min_label']} lay "
                f"below `data.min_label`, and {sizes} remain. Give more rows, or split otherwise."
            )


def _run_job(
    config: PreparationConfig,
    sources: Sequence[Source],
    cuts: Sequence[Cut],
    directory: Path,
    options: PipelineOptions,
) -> tuple[dict[str, int], ShardStatistics]:
    """Reads the sources and cuts, and fills `directory`.

    Returns:
      How many rows were read, rejected and written, by name, and the statistics of the splits.

    Raises:
      DataError: A worker found an input file that cannot be used.
    """
    try:
        with (
            job_directory(directory) as own,
            beam.Pipeline(options=options) as pipeline,
        ):
            _compose(pipeline, config, sources, cuts, own)
    except Exception as error:
        sentence = _data_error(error)
        if sentence is None:
            raise
        raise DataError(sentence) from error
    path = directory / _TALLIES
    if not path.exists():  # nothing was read, not one batch without rows: so nothing was grouped
        return _counts({}, {}), {}
    tallied = json.loads(path.read_text(encoding="utf-8"))
    path.unlink()
    return _counts(tallied[READ], tallied[WRITTEN]), tallied[WRITTEN]


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


def _compose(
    pipeline: beam.Pipeline,
    config: PreparationConfig,
    sources: Sequence[Source],
    cuts: Sequence[Cut],
    directory: Path,
) -> None:
    data = config.data
    csv = data.csv.with_header()
    queries = Side("queries", QUERY, config.queries, csv, None)
    candidates = Side("candidates", CANDIDATE, config.candidates, csv, config.frequencies)

    rows, read = pipeline | "ReadInteractions" >> ReadInteractions(
        sources, cuts, data, directory / REJECTS
    )
    shards = rows | "ArrangeByQuery" >> ArrangeByQuery(config.shards)
    kept = split_at = None
    if not config.filters.leaves_all:
        kept = shards | "FindKept" >> FindKept(config.filters)
    if isinstance(config.split, GlobalTime):
        split_at = shards | "FindCuts" >> FindCuts(config.split, kept)
    counted = shards | "SplitToCount" >> SplitShards(config.split, kept, split_at)
    to_write = shards | "SplitToWrite" >> SplitShards(config.split, kept, split_at)
    writer = ExamplesWriter(
        directory, config.shards, config.seed, config.examples, config.histories, data.weights
    )
    ranked = counted | "RankTraining" >> RankTraining([queries, candidates], directory)
    written = to_write | "WriteExamples" >> WriteExamples(ranked, writer)
    (read, written) | "WriteTallies" >> WriteTallies(directory / _TALLIES)


def _data_error(error: Exception) -> str | None:
    """The sentence of the `DataError` that a worker raised, if it was one.

    A runner in this process hands on the error, others its traceback as text, whose last line it
    is; both add the step that was running.
    """
    if isinstance(error, DataError):
        return _STEP.sub("", str(error))
    raised = _RAISED.search(str(error))
    return raised and _STEP.sub("", raised[1])
