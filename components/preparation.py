"""Preparation: interaction logs and side tables become what training, evaluation and export read.

The Beam job lies in `transforms`, imported when it runs; this module holds its configuration.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

from components.artifacts import Counts
from components.entities import CandidatesConfig, EntitiesConfig
from components.frequencies import FrequenciesConfig
from components.interactions import InteractionsConfig
from components.splits import SplitConfig
from models.features import vocabulary_features

if TYPE_CHECKING:
    from apache_beam.options.pipeline_options import PipelineOptions


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
    raise NotImplementedError


def input_digests(config: PreparationConfig) -> dict[str, str]:
    """SHA-256 of every input file, by its name in `input_files`.

    Raises:
      DataError: A path names no file, or one of a kind that cannot be read.
    """
    raise NotImplementedError


def prepare(config: PreparationConfig, directory: Path, options: PipelineOptions) -> Counts:
    """Fills `directory` with the layout of `artifacts.Prepared` and returns the counts.

    Raises:
      DataError: The input files cannot be used, or leave a split without rows.
    """
    raise NotImplementedError
