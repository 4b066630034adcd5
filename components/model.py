"""The model of a run: towers as wide and as long as the prepared tables say."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf
from pydantic import BaseModel, ConfigDict, Field

from components.artifacts import Checkpoint, Prepared
from components.errors import ArtifactError
from components.frequencies import frequencies
from components.occurrences import weigh
from components.splits import SPLITS
from models.features import (
    FIRST_KNOWN_ROW,
    UNKNOWN_ROW,
    Feature,
    ListFeature,
    NumericFeature,
    StandardisedFeature,
    TextFeature,
    bucket_rows,
)
from models.objectives import InBatchSoftmax
from models.similarity import Similarity
from models.towers import FeatureTable, Tower
from models.two_tower import TwoTower


class ModelConfig(BaseModel):
    """The two towers and what they are trained for."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    embedding_dim: Annotated[int, Field(ge=1, le=4096)] = 64
    """Length of the embeddings of queries and candidates."""
    similarity: Similarity = "cosine"
    """`cosine` compares directions; `dot` lets long vectors win."""
    objective: InBatchSoftmax = InBatchSoftmax()


def build_model(
    config: ModelConfig,
    prepared: Prepared,
    *,
    query_features: Sequence[Feature],
    candidate_features: Sequence[Feature],
    splits: Sequence[str],
    seed: int,
) -> TwoTower:
    """An untrained model for prepared data; the same seed gives the same initial weights.

    Args:
      config: The shape of the model.
      prepared: The tables of queries and candidates.
      query_features: What the query tower learns from beside the id.
      candidate_features: What the candidate tower learns from beside the id.
      splits: The splits it will be trained on: their candidates' frequencies correct the loss.
      seed: Decides the initial weights.
    """

    def tower(name: str, table: pa.Table, features: Sequence[Feature], seed: int) -> Tower:
        return Tower(
            FIRST_KNOWN_ROW + table.num_rows,
            [_feature_table(prepared, table, feature) for feature in features],
            embedding_dim=config.embedding_dim,
            similarity=config.similarity,
            seed=seed,
            name=name,
        )

    queries, candidates = pq.read_table(prepared.queries), pq.read_table(prepared.candidates)
    model: TwoTower = TwoTower(  # pyright: ignore[reportAssignmentType]  # Keras' `__new__`
        tower("query_tower", queries, query_features, 2_000 * seed),
        tower("candidate_tower", candidates, candidate_features, 2_000 * seed + 1_000),
        config.objective,
        _log_q(prepared, splits),
    )
    return model


def weights(model: TwoTower) -> tf.train.Checkpoint:
    """The trained variables of a model, without its optimizer's, to write or to read."""
    return tf.train.Checkpoint(
        query_tower=model.query_tower,
        candidate_tower=model.candidate_tower,
        temperature=model.temperature,
    )


def restore(model: TwoTower, checkpoint: Checkpoint) -> None:
    """Loads the trained weights into a model of the same shape.

    Raises:
      ArtifactError: The checkpoint does not fit the model.
    """
    try:
        weights(model).read(str(checkpoint.weights)).assert_consumed()
    except (AssertionError, ValueError, tf.errors.OpError) as error:
        raise ArtifactError(
            f"{checkpoint.path}: the weights do not fit the model; train again ({error})."
        ) from error


def _log_q(prepared: Prepared, splits: Sequence[str]) -> np.ndarray:
    """`[candidates]` float32 log frequency by row in the rows of `splits`, row 0 the unknown's."""
    totals = json.loads(prepared.frequency_totals.read_text(encoding="utf-8"))
    weighted = weigh(
        pq.read_table(prepared.occurrences("candidates")),
        pq.read_table(prepared.candidates, columns=["id"])["id"].combine_chunks(),
        [SPLITS.index(split) for split in splits],
        totals["half_life_days"],
        totals["newest"],
    )
    known = frequencies(weighted.weights, totals["smoothing"])
    return np.concatenate([[known.log_q_unknown], known.log_q]).astype(np.float32)


def _feature_table(prepared: Prepared, table: pa.Table, feature: Feature) -> FeatureTable:
    """One feature of every row, with the unknown's in front."""
    encoded = table[feature.name].combine_chunks()
    match feature:
        case ListFeature() | TextFeature():
            rows = _padded(encoded)
        case StandardisedFeature():
            rows = np.concatenate([[0.0], encoded.to_numpy()]).astype(np.float32)
        case _:
            rows = np.concatenate([[UNKNOWN_ROW], encoded.to_numpy()]).astype(np.int32)
    return FeatureTable(feature.name, rows, _size(prepared, feature))


def _size(prepared: Prepared, feature: Feature) -> int:
    match feature:
        case NumericFeature():
            return bucket_rows(feature)
        case StandardisedFeature():
            return 1
        case TextFeature():
            return FIRST_KNOWN_ROW + feature.buckets
    known = pq.read_metadata(prepared.vocabulary(feature.name)).num_rows
    return FIRST_KNOWN_ROW + known + feature.oov_buckets


def _padded(lists: pa.ListArray) -> np.ndarray:
    """`[1 + lists, longest]` int32: the unknown's empty list, then each list, filled up with 0."""
    lengths = lists.value_lengths().fill_null(0).to_numpy()
    padded = np.full((1 + len(lists), max(1, lengths.max(initial=0))), UNKNOWN_ROW, np.int32)
    entry, column = np.nonzero(np.arange(padded.shape[1]) < lengths[:, np.newaxis])
    padded[entry + 1, column] = lists.flatten().to_numpy()
    return padded
