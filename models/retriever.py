"""The retriever: what is exported, and answers a request.

    query_id --table--> row --tower--> embedding --index--> k + |exclude| nearest
                                                     |
    exclude --table--> positions --------------------+--> drop --> enough? --> top k
                                                                     | no
                                                                     +--> exact pass over all

An excluded candidate never comes back, no candidate comes twice, and every row holds as many
candidates as it asked for, as long as so many are eligible.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from models.features import FIRST_KNOWN_ROW
from models.ids import ABSENT, IdTable
from models.index import IndexConfig, ScannIndex
from models.towers import Tower


class Retriever(tf.Module):
    """Candidates for queries, by their ids.

    Args:
      query_tower: Embeds query rows; row 0 is the unknown query.
      query_ids: Id of each query row from 1 on, distinct and not empty.
      candidate_embeddings: `[candidates, dim]` float32, without the unknown's row.
      candidate_ids: Id of each candidate, distinct and not empty.
      index: How the candidates are indexed.

    Raises:
      ValueError: No query or candidate, an empty id, or an id that comes twice.
    """

    def __init__(
        self,
        query_tower: Tower,
        query_ids: Sequence[str],
        candidate_embeddings: np.ndarray,
        candidate_ids: Sequence[str],
        index: IndexConfig,
    ) -> None:
        super().__init__(name="retriever")
        self._query_tower = query_tower
        self._queries = IdTable("query", query_ids)
        self._candidates = IdTable("candidate", candidate_ids)
        self._embeddings = tf.Variable(tf.constant(candidate_embeddings), trainable=False)
        self._size = len(candidate_ids)
        self._index = ScannIndex(candidate_embeddings, index)

    @property
    def exact(self) -> bool:
        """Whether every answer is the exact top k."""
        return self._index.exact

    def embed(self, query_id: tf.Tensor) -> tf.Tensor:
        """Embeds queries: string `[batch]` to float32 `[batch, dim]`."""
        # An unknown query is at position -1: its row is 0.
        return self._query_tower(self._queries.positions(query_id) + FIRST_KNOWN_ROW)

    def retrieve(
        self, query_id: tf.Tensor, k: tf.Tensor, exclude: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor, tf.Tensor]:
        """Answers a batch of requests. Call it inside a traced function only.

        Args:
          query_id: String `[batch]`; an unknown one is embedded as the unknown query.
          k: Int32 `[batch]`, how many candidates each row asks for; a negative one counts as 0.
          exclude: String `[batch, any]`; unknown ids and "" exclude nothing.

        Returns:
          String `[batch, width]` ids, best first, "" beyond the row's count, where `width` is the
          largest k but at most the catalogue; float32 scores, -inf beyond the count; int32
          `[batch]` counts, `min(k, eligible candidates)`; and bool `[batch]`, whether the row is
          the exact top k.
        """
        queries = self.embed(query_id)
        k = tf.maximum(k, 0)
        width = tf.minimum(tf.reduce_max(tf.concat([k, [0]], axis=0)), self._size)
        excluded = self._excluded(exclude)
        count = tf.minimum(k, self._size - _distinct(excluded))
        positions, scores = self._nearest(queries, excluded, width)
        short = tf.math.count_nonzero(scores > -np.inf, axis=1, dtype=tf.int32) < count
        positions, scores = tf.cond(
            tf.reduce_any(short),
            lambda: self._replace_short(queries, excluded, short, positions, scores),
            lambda: (positions, scores),
        )
        within = tf.range(width)[tf.newaxis, :] < count[:, tf.newaxis]
        ids = tf.gather(self._candidates.strings, tf.where(within, positions, 0))
        return (
            tf.where(within, ids, ""),
            tf.where(within, scores, -np.inf),
            count,
            tf.logical_or(short, self.exact),
        )

    def _excluded(self, exclude: tf.Tensor) -> tf.Tensor:
        """Excluded positions, ascending, `ABSENT` first: `[batch, 1 + any]` int32."""
        positions = self._candidates.positions(exclude)
        return tf.sort(tf.pad(positions, [[0, 0], [1, 0]], constant_values=ABSENT), axis=1)

    def _nearest(
        self, queries: tf.Tensor, excluded: tf.Tensor, width: tf.Tensor
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """What the index finds that is not excluded: `[batch, width]`, padded with -inf scores."""
        most_excluded = tf.reduce_max(tf.concat([_distinct(excluded), [0]], axis=0))
        fetched = tf.clip_by_value(width + most_excluded, 1, self._size)
        positions, scores = self._index.search(queries, fetched)
        dropped = tf.logical_or(tf.math.is_nan(scores), _contains(excluded, positions))
        return _best(tf.where(dropped, -np.inf, scores), positions, width)

    def _replace_short(
        self,
        queries: tf.Tensor,
        excluded: tf.Tensor,
        short: tf.Tensor,
        positions: tf.Tensor,
        scores: tf.Tensor,
    ) -> tuple[tf.Tensor, tf.Tensor]:
        """Answers the short rows exactly, by scoring every candidate."""
        rows = tf.where(short)
        grid = tf.matmul(tf.gather_nd(queries, rows), self._embeddings, transpose_b=True)
        barred = tf.gather_nd(excluded, rows)
        # Column 0 takes the absent ones, and is cut off again.
        where = tf.where(tf.ones_like(barred, tf.bool))
        cells = tf.stack(
            [where[:, 0], tf.cast(tf.reshape(barred, [-1]), tf.int64) - ABSENT], axis=1
        )
        grid = tf.tensor_scatter_nd_update(
            tf.pad(grid, [[0, 0], [1, 0]]), cells, tf.fill([tf.shape(cells)[0]], -np.inf)
        )[:, 1:]
        every = tf.broadcast_to(tf.range(self._size)[tf.newaxis, :], tf.shape(grid))
        exact_positions, exact_scores = _best(grid, every, tf.shape(positions)[1])
        return (
            tf.tensor_scatter_nd_update(positions, rows, exact_positions),
            tf.tensor_scatter_nd_update(scores, rows, exact_scores),
        )


def _distinct(excluded: tf.Tensor) -> tf.Tensor:
    """How many different positions each ascending row excludes: `[batch]` int32."""
    rises = tf.not_equal(excluded[:, 1:], excluded[:, :-1])
    return tf.math.count_nonzero(rises, axis=1, dtype=tf.int32)


def _contains(ascending: tf.Tensor, values: tf.Tensor) -> tf.Tensor:
    """Whether each row of `ascending` `[batch, n]` holds its values `[batch, m]`."""
    places = tf.searchsorted(ascending, values, side="right") - 1
    return tf.equal(tf.gather(ascending, tf.maximum(places, 0), batch_dims=1), values)


def _best(scores: tf.Tensor, positions: tf.Tensor, width: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The `width` best columns of each row, padded with position 0 and score -inf."""
    columns = tf.minimum(width, tf.shape(scores)[1])
    best, places = tf.math.top_k(scores, columns)
    padding = [[0, 0], [0, width - columns]]
    return (
        tf.pad(tf.gather(positions, places, batch_dims=1), padding),
        tf.pad(best, padding, constant_values=-np.inf),
    )
