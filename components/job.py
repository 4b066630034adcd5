"""The job of the preparation: composes the transforms and runs them.

    sources --ReadInteractions--+--> rejects/part-*.jsonl
                                +--> batches --FindCuts--+   (a global split only)
                                        |                |
                                        +------SplitByQuery--> one table a shard, sorted and split
                                                  |     |
            queries, candidates <--RankTraining---+     |
                     |                                  |
                     +-----------WriteExamples----------+--> examples/*.tfrecord

Elements are Arrow tables, keys are small integers. A shard holds all rows of its queries.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from components.catalogue import Side
from components.elements import Source
from components.errors import DataError
from components.interactions import CANDIDATE, QUERY, REASONS, interactions_schema
from components.rejects import REJECTS
from components.splits import SPLITS
from components.transforms import (
    RankTraining,
    ReadInteractions,
    SplitByQuery,
    WriteExamples,
    WriteTallies,
)

if TYPE_CHECKING:
    from components.preparation import PreparationConfig

_TALLIES = "tallies.json"
_TALLIED = (
    "rows_read",
    "rows_below_min_label",
    "rows_rejected",
    *(f"rejected_{reason}" for reason in REASONS),
    *(f"rows_{split}" for split in SPLITS),
)
_DATA_ERROR = re.compile(
    rf"{re.escape(DataError.__module__)}\.{DataError.__name__}: "
    r"(?P<sentence>.*?)(?: \[while running '.*'\])?$",
    re.MULTILINE,
)


def run_job(
    config: PreparationConfig,
    sources: Sequence[Source],
    directory: Path,
    options: PipelineOptions,
) -> dict[str, int]:
    """Reads the sources and fills `directory`.

    Returns:
      How many rows were read, rejected and written, by name.

    Raises:
      DataError: A worker found an input file that cannot be used.
    """
    try:
        with beam.Pipeline(options=options) as pipeline:
            _compose(pipeline, config, sources, directory)
    except Exception as error:
        # A runner hands on what a worker raised as text: the traceback, its last line the error.
        found = _DATA_ERROR.search(str(error))
        if found is None:
            raise
        raise DataError(found["sentence"]) from error
    path = directory / _TALLIES
    tallies = json.loads(path.read_text(encoding="utf-8"))
    path.unlink()
    return dict.fromkeys(_TALLIED, 0) | tallies


def _compose(
    pipeline: beam.Pipeline,
    config: PreparationConfig,
    sources: Sequence[Source],
    directory: Path,
) -> None:
    data = config.data
    schema = interactions_schema(labelled=data.label is not None, split=config.split is None)
    delimiter = data.csv_delimiter
    queries = Side("queries", QUERY, config.queries, delimiter, None)
    candidates = Side("candidates", CANDIDATE, config.candidates, delimiter, config.frequencies)

    rows, read = pipeline | "ReadInteractions" >> ReadInteractions(
        sources, data, directory / REJECTS
    )
    shards = rows | "SplitByQuery" >> SplitByQuery(config.split, config.shards, schema)
    written = shards | "WriteExamples" >> WriteExamples(
        queries=shards | "Queries" >> RankTraining(queries, directory),
        candidates=shards | "Candidates" >> RankTraining(candidates, directory),
        directory=directory,
        shards=config.shards,
        seed=config.seed,
    )
    (
        (read, written)
        | "Tallies" >> beam.Flatten()
        | "WriteTallies" >> WriteTallies(directory / _TALLIES)
    )
