"""Preparation: what decides the prepared artifact, and the input files it is made from.

The job itself is `components.beam.job`; this module needs no Beam, which takes seconds to import.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from components.entities import CandidatesConfig, EntitiesConfig
from components.entities import wanted_columns as entity_columns
from components.examples import ExamplesConfig
from components.files import InputFile, check_columns, find_files
from components.filters import FiltersConfig
from components.frequencies import FrequenciesConfig
from components.histories import HistoriesConfig
from components.interactions import InteractionsConfig
from components.interactions import wanted_columns as interaction_columns
from components.splits import SPLITS, SplitConfig
from components.storage import digest
from models.features import Feature, StandardisedFeature, vocabulary_features


class PreparationConfig(BaseModel):
    """All that decides the prepared artifact, beside the input files."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    data: InteractionsConfig
    split: SplitConfig | None = None
    """How `data.interactions` are split; absent where the files are split already."""
    filters: FiltersConfig = FiltersConfig()
    queries: EntitiesConfig = EntitiesConfig()
    candidates: CandidatesConfig = CandidatesConfig()
    frequencies: FrequenciesConfig = FrequenciesConfig()
    histories: HistoriesConfig = HistoriesConfig()
    examples: ExamplesConfig = ExamplesConfig()
    shards: Annotated[int, Field(ge=1, le=99_999)] = 8
    """Files of each split; also the parts in which the job holds the interactions in memory."""
    seed: Annotated[int, Field(ge=0, lt=2**63)]
    """Decides the order of rows in a shard."""

    since: Path | None = None
    """Prepared data of the rows before these: they count as training rows, and are not read."""

    @model_validator(mode="after")
    def _since_sees_no_past_rows(self) -> Self:
        if self.since is None:
            return self
        if not self.filters.leaves_all:
            raise ValueError(
                "`since` and `filters` cannot go together: how many rows a query or candidate has "
                "is not known without the rows of the past"
            )
        if self.histories.length:
            raise ValueError(
                "`since` and `histories.length` cannot go together: the interactions of the past "
                "are not read, so histories would begin anew"
            )
        return self

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
    def _durations_need_times(self) -> Self:
        durations = {
            "filters.window_days": self.filters.window_days,
            "histories.session_gap_s": self.histories.session_gap_s,
            "frequencies.half_life_days": self.frequencies.half_life_days,
        }
        for key, duration in durations.items():
            if duration is not None and self.data.timestamp is None:
                raise ValueError(f"`{key}` needs `data.timestamp`, the column of the times")
        return self

    @model_validator(mode="after")
    def _vocabularies_are_distinct(self) -> Self:
        of_queries = {feature.name for feature in _stored_apart(self.queries.features)}
        for feature in _stored_apart(self.candidates.features):
            if feature.name in of_queries:
                raise ValueError(
                    f"feature `{feature.name}` is one of `queries` and of `candidates`: each has "
                    "its own vocabulary or mean, so rename one of the columns"
                )
        return self


def _stored_apart(features: Sequence[Feature]) -> list[Feature]:
    """The features of which a file of that name says how they are encoded."""
    standardised = [each for each in features if isinstance(each, StandardisedFeature)]
    return [*vocabulary_features(features), *standardised]


def input_files(config: PreparationConfig) -> Mapping[str, str]:
    """Every file the preparation reads, under a name that holds no absolute path.

    Raises:
      DataError: A path names no file, or one of a kind that cannot be read.
    """
    return {file.name: file.path for files in find_inputs(config).values() for file in files}


def input_digests(config: PreparationConfig) -> dict[str, str]:
    """`storage.digest` of every input file, by its name in `input_files`.

    Raises:
      DataError: A path names no file, or one of a kind that cannot be read.
    """
    return {name: digest(path) for name, path in input_files(config).items()}


def describe(config: PreparationConfig) -> dict[str, Any]:
    """The configuration as JSON values, its files by name and in order: it holds no path.

    Raises:
      DataError: A path names no file, or one of a kind that cannot be read.
    """
    described = config.model_dump(mode="json", exclude={"since"})
    for section, files in find_inputs(config).items():
        names = [file.name for file in files]
        if section in ("queries", "candidates"):
            described[section]["files"] = names
        else:
            described["data"][section] = names
    return described


def interaction_sections(data: InteractionsConfig) -> tuple[str, ...]:
    """The keys of `[data]` that name interaction files."""
    return SPLITS if data.is_ready_made else ("interactions",)


def find_inputs(config: PreparationConfig) -> dict[str, list[InputFile]]:
    """The input files of each section of the run file.

    Raises:
      DataError: A path names no file, or one of a kind that cannot be read.
    """
    named = {
        section: getattr(config.data, section) for section in interaction_sections(config.data)
    }
    sides = {"queries": config.queries.files, "candidates": config.candidates.files}
    return {section: find_files(section, files) for section, files in {**named, **sides}.items()}


def check_inputs(config: PreparationConfig, found: Mapping[str, Sequence[InputFile]]) -> None:
    """Finds wrong columns from the schemas alone, before anything is read.

    Raises:
      DataError: A column is missing or of a type that cannot be used, or a file is unreadable.
    """
    wanted = {
        section: interaction_columns(config.data) for section in interaction_sections(config.data)
    }
    for section in ("queries", "candidates"):
        wanted[section] = entity_columns(section, getattr(config, section))
    for section, files in found.items():
        csv = config.data.csv
        csv = csv.with_header() if section in ("queries", "candidates") else csv
        for file in files:
            check_columns(file, wanted[section], csv)
