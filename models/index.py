"""The ScaNN index inside the model: approximate nearest candidates by dot product.

The searcher's state is held in variables, and the searcher itself is made inside the traced
function: made outside, it would be a resource that a SavedModel cannot carry. How many candidates
to return and how many to rescore exactly are inputs of the op, decided by each request.

ScaNN draws the first centres of its partitions anew at every build and takes no seed: two
partitioned indexes of the same candidates find slightly different neighbours.
"""

from __future__ import annotations

import math
from typing import Annotated, Any

import numpy as np
import tensorflow as tf
from pydantic import BaseModel, ConfigDict, Field
from scann.scann_ops.py import scann_ops

_AH_DIMENSIONS_PER_BLOCK = 2
_ANISOTROPIC_THRESHOLD = 0.2
_TRAINING_SAMPLE = 250_000


class IndexConfig(BaseModel):
    """How the candidates are indexed."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    brute_force_below: Annotated[int, Field(ge=16)] = 20_000
    """Catalogues smaller than this are searched exactly: as fast, and nothing is missed. Hashing
    needs 16 candidates to learn from."""
    leaves: Annotated[int, Field(ge=2)] | None = None
    """Partitions of the candidates. None takes the square root of the catalogue's size."""
    leaves_to_search: Annotated[int, Field(ge=1)] | None = None
    """Partitions searched for a query. None takes 8 % of them."""
    reorder: Annotated[int, Field(ge=1)] = 600
    """Least number of candidates that are rescored exactly: it caps recall."""


class ScannIndex(tf.Module):
    """Nearest candidates of a query embedding.

    Args:
      embeddings: `[candidates, dim]` float32, one or more.
      config: Partitioning and effort of the search.
    """

    def __init__(self, embeddings: np.ndarray, config: IndexConfig) -> None:
        super().__init__(name="scann_index")
        self.size = len(embeddings)
        self.exact = self.size < config.brute_force_below
        self._leaves_to_search = 1
        self._reorder = min(config.reorder, self.size)
        builder: Any = scann_ops.builder(embeddings, 1, "dot_product")
        if self.exact:
            builder = builder.score_brute_force()
        else:
            leaves = min(config.leaves or math.isqrt(self.size), self.size)
            self._leaves_to_search = config.leaves_to_search or math.ceil(0.08 * leaves)
            builder = (
                builder.tree(
                    num_leaves=leaves,
                    num_leaves_to_search=self._leaves_to_search,
                    training_sample_size=min(self.size, _TRAINING_SAMPLE),
                )
                .score_ah(
                    _AH_DIMENSIONS_PER_BLOCK,
                    anisotropic_quantization_threshold=_ANISOTROPIC_THRESHOLD,
                )
                .reorder(self._reorder)
            )
        self._state = builder.build().serialize_to_module()

    def search(self, queries: tf.Tensor, count: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        """Finds the nearest candidates. Call it inside a traced function only.

        Args:
          queries: `[batch, dim]` float32.
          count: Scalar int32 in [1, candidates]: how many to return.

        Returns:
          `[batch, count]` int32 positions in the order of `embeddings`, and `[batch, count]` dot
          products, descending. Where the searched leaves held too few, the dot product is NaN and
          the position means nothing.
        """
        searcher = scann_ops.searcher_from_module(self._state)
        batch = tf.shape(queries)[0]
        # ScaNN fails on an empty batch, or answers it with no columns: it never sees one.
        added = tf.maximum(1 - batch, 0)
        filled = tf.concat([queries, tf.zeros([added, tf.shape(queries)[1]])], axis=0)
        positions, scores = searcher.search_batched(
            filled,
            final_num_neighbors=count,
            pre_reorder_num_neighbors=tf.maximum(count, self._reorder),
            leaves_to_search=self._leaves_to_search,
        )
        return positions[:batch], scores[:batch]
