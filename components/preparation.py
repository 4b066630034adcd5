"""Preparation: interaction logs and side tables become what training, evaluation and export read.

The Beam job lies in `job` and `transforms`, imported when it runs: Beam takes seconds to import.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field, model_validator

from components.artifacts import Counts, file_digest
from components.catalogue import layout
from components.entities import CandidatesConfig, EntitiesConfig
from components.entities import wanted_columns as entity_columns
from components.errors import DataError
from components.files import InputFile, check_columns, find_files, pieces
from components.frequencies import FrequenciesConfig
from components.interactions import InteractionsConfig
from components.interactions import wanted_columns as interaction_columns
from components.rejects import REJECTS, check_share, forget_rejects, keep_rejects
from components.splits import SPLITS, SplitConfig
from models.features import vocabulary_features

if TYPE_CHECKING:
    from apache_beam.options.pipeline_options import PipelineOptions


_log = logging.getLogger(__name__)


class PreparationConfig(BaseModel):
    """All that decides the prepared artifact, beside the input files."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    data: InteractionsConfig
    split: SplitConfig | None = None
    """How `data.interactions` are split; absent where the files are split already."""
    queries: EntitiesConfig = EntitiesConfig()
    candidates: CandidatesConfig = CandidatesConfig()
    frequencies: FrequenciesConfig = FrequenciesConfig()
    shards: Annotated[int, Field(ge=1, le=99_999)] = 8
    """Files of each split; also the parts in which the job holds the interactions in memory."""
    seed: Annotated[int, Field(ge=0, lt=2**63)]
    """Decides the order of rows in a shard."""

    @model_validator(mode="after")
    def _split_where_needed(self) -> Self:
        if self.data.is_ready_made and self.split is not None:
            raise ValueError(
                "`split` must be absent where `data` names `train`, `validation` and `test`"
            )
        if not self.data.is_ready_made and self.split is None:
            raise ValueError("`split` must say how `data.interactions` are split")
        return self

    @model_validator(mode="after")
    def _vocabularies_are_distinct(self) -> Self:
        of_queries = {feature.name for feature in vocabulary_features(self.queries.features)}
        for feature in vocabulary_features(self.candidates.features):
            if feature.name in of_queries:
                raise ValueError(
                    f"feature `{feature.name}` is one of `queries` and of `candidates`: each has "
                    "its own vocabulary, so rename one of the columns"
                )
        return self


def input_files(config: PreparationConfig) -> Mapping[str, Path]:
    """Every file the preparation reads, under a name that holds no absolute path.

    Raises:
      DataError: A path names no file, or one of a kind that cannot be read.
    """
    return {file.name: Path(file.path) for files in _found(config).values() for file in files}


def input_digests(config: PreparationConfig) -> dict[str, str]:
    """SHA-256 of every input file, by its name in `input_files`.

    Raises:
      DataError: A path names no file, or one of a kind that cannot be read.
    """
    return {name: file_digest(path) for name, path in input_files(config).items()}


def describe(config: PreparationConfig) -> dict[str, Any]:
    """The configuration as JSON values, its files by name and in order: it holds no path.

    Raises:
      DataError: A path names no file, or one of a kind that cannot be read.
    """
    described = config.model_dump(mode="json")
    for section, files in _found(config).items():
        names = [file.name for file in files]
        if section in ("queries", "candidates"):
            described[section]["files"] = names
        else:
            described["data"][section] = names
    return described


def prepare(config: PreparationConfig, directory: Path, options: PipelineOptions) -> Counts:
    """Fills `directory` with the layout of `artifacts.Prepared` and returns the counts.

    Rows that cannot be used lie in `rejects/`, one JSON object a line. Where there are too many of
    them, the rejects are kept at `rejects/` beside `directory`, which does not outlive a failure;
    the next preparation removes them.

    Raises:
      DataError: The input files cannot be used, or leave a split without rows.
    """
    found = _found(config)
    _check(config, found)
    kept_at = directory.parent / REJECTS
    forget_rejects(kept_at)
    counts = _run(config, found, directory, options)
    if not counts["rows_read"]:
        files = ", ".join(
            file.path for section in _sections(config.data) for file in found[section]
        )
        raise DataError(f"{files}: there is no row of interactions; nothing can be learned.")
    try:
        check_share(counts, config.data.max_reject_share, kept_at)
    except DataError:
        keep_rejects(directory / REJECTS, kept_at)
        raise
    if counts["rows_rejected"]:
        _log.warning("rejected rows=%d of=%d", counts["rows_rejected"], counts["rows_read"])
    _check_splits(config, counts)
    return counts


def _sections(data: InteractionsConfig) -> tuple[str, ...]:
    return SPLITS if data.is_ready_made else ("interactions",)


def _found(config: PreparationConfig) -> dict[str, list[InputFile]]:
    named = {section: getattr(config.data, section) for section in _sections(config.data)}
    sides = {"queries": config.queries.files, "candidates": config.candidates.files}
    return {section: find_files(section, files) for section, files in {**named, **sides}.items()}


def _check(config: PreparationConfig, found: Mapping[str, Sequence[InputFile]]) -> None:
    """Finds wrong columns from the schemas alone, before anything is read."""
    wanted = {section: interaction_columns(config.data) for section in _sections(config.data)}
    for section in ("queries", "candidates"):
        wanted[section] = entity_columns(section, getattr(config, section))
    for section, files in found.items():
        for file in files:
            check_columns(file, wanted[section], config.data.csv_delimiter)


def _run(
    config: PreparationConfig,
    found: Mapping[str, Sequence[InputFile]],
    directory: Path,
    options: PipelineOptions,
) -> dict[str, int]:
    from components.elements import Source
    from components.job import run_job

    files = [
        (file, SPLITS.index(section) if config.data.is_ready_made else None)
        for section in _sections(config.data)
        for file in found[section]
    ]
    sources = [
        Source(piece, part, split)
        for part, (file, split) in enumerate(files)
        for piece in pieces(file)
    ]
    counts = run_job(config, sources, directory, options)
    prepared = layout(directory)
    counts["queries"] = pq.read_metadata(prepared.queries).num_rows
    counts["candidates"] = pq.read_metadata(prepared.candidates).num_rows
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
