"""Towers: from the integer row of a query or a candidate to its embedding.

    row --+-- id table ----------------------+
          +-- feature table --> rows --> embeddings --> sum --> [unit] --> embedding
          +-- ...

The features of every known row lie in the tower itself as integer tables, so that training and
serving look them up in the same place and a request need only name its query.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
import tf_keras as keras

from models.similarity import Similarity, unit

_INITIAL_RANGE = 0.05


@dataclass(frozen=True, slots=True)
class FeatureTable:
    """One feature of every row of a tower.

    Attributes:
      name: Name of the feature.
      rows: `[entities]` int32 of a single-valued feature, or `[entities, width]` of a list padded
        with 0; or `[entities]` float32 of a number. Entity 0 is the unknown.
      size: Rows of the feature's own embedding table, row 0 (unknown) included; 1 for a number.
    """

    name: str
    rows: np.ndarray
    size: int


class Tower(keras.layers.Layer):
    """Sums the embedding of the id and of each feature; a list counts as the mean of its entries.

        e(r) = E_id[r] + sum_f mean_{x in f(r), x != 0} E_f[x]       (/ |.| for cosine)

    A missing single value has an embedding of its own (row 0); an empty list adds nothing. A number
    adds its multiple of one vector.

    Args:
      entities: Rows of the id table, row 0 (unknown) included.
      features: The features of each entity.
      embedding_dim: Length of the embeddings.
      similarity: `cosine` makes the outputs unit vectors.
      seed: Decides the initial values; each table draws its own.
      name: Name of the layer.
    """

    def __init__(
        self,
        entities: int,
        features: Sequence[FeatureTable],
        *,
        embedding_dim: int,
        similarity: Similarity,
        seed: int,
        name: str,
    ) -> None:
        super().__init__(name=name)
        self._similarity = similarity
        self._ids = self._embeddings("id", entities, embedding_dim, seed)
        self._tables = [
            self.add_weight(
                name=f"{feature.name}_rows",
                shape=feature.rows.shape,
                dtype=feature.rows.dtype,
                initializer=tf.constant_initializer(feature.rows),
                trainable=False,
            )
            for feature in features
        ]
        self._features = [
            self._embeddings(feature.name, feature.size, embedding_dim, seed + 1 + index)
            for index, feature in enumerate(features)
        ]

    def _embeddings(self, name: str, rows: int, dim: int, seed: int) -> tf.Variable:
        # One initialiser a table: an instance shared by two gives both the same values.
        initializer = keras.initializers.RandomUniform(-_INITIAL_RANGE, _INITIAL_RANGE, seed=seed)
        return self.add_weight(
            name=f"{name}_embeddings", shape=(rows, dim), initializer=initializer
        )

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Embeds rows.

        Args:
          inputs: `[batch]` integer rows, 0 for the unknown.

        Returns:
          `[batch, embedding_dim]` float32.
        """
        embedding = tf.gather(self._ids, inputs)
        for table, embeddings in zip(self._tables, self._features, strict=True):
            rows = tf.gather(table, inputs)
            if table.dtype.is_floating:
                embedding += tf.expand_dims(rows, -1) * embeddings[0]
            elif table.shape.rank == 1:
                embedding += tf.gather(embeddings, rows)
            else:
                embedding += _mean_of_known(tf.gather(embeddings, rows), rows)
        return unit(embedding) if self._similarity == "cosine" else embedding


def _mean_of_known(embeddings: tf.Tensor, rows: tf.Tensor) -> tf.Tensor:
    """Mean over the entries that are not padding: `[batch, width, dim]` to `[batch, dim]`."""
    known = tf.expand_dims(tf.cast(tf.not_equal(rows, 0), embeddings.dtype), -1)
    return tf.math.divide_no_nan(
        tf.reduce_sum(embeddings * known, axis=1), tf.reduce_sum(known, axis=1)
    )
