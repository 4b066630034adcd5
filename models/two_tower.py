"""The two-tower model: a query tower and a candidate tower trained against an objective."""

from __future__ import annotations

from typing import TypedDict

import numpy as np
import tensorflow as tf
import tensorflow_recommenders as tfrs
import tf_keras as keras

from models.objectives import InBatchSoftmax, in_batch_softmax
from models.similarity import Temperature
from models.towers import Tower


class Batch(TypedDict):
    """Rows of training: which candidate each query interacted with."""

    query: tf.Tensor
    """`[batch]` int64 rows of the query tower."""
    candidate: tf.Tensor
    """`[batch]` int64 rows of the candidate tower."""


class TwoTower(tfrs.Model):
    """Learns `s(q, c) = <query tower(q), candidate tower(c)>` from interactions.

    Args:
      query_tower: Embeds query rows.
      candidate_tower: Embeds candidate rows.
      objective: The loss and its corrections.
      log_q: `[candidates]` log of each candidate's frequency among the training rows, by row.
    """

    def __init__(
        self,
        query_tower: Tower,
        candidate_tower: Tower,
        objective: InBatchSoftmax,
        log_q: np.ndarray,
    ) -> None:
        super().__init__(name="two_tower")
        self.query_tower = query_tower
        self.candidate_tower = candidate_tower
        self.temperature = Temperature(objective.temperature, learned=objective.learn_temperature)
        self.mean_loss = keras.metrics.Mean(name="mean_loss")
        self._objective = objective
        self._log_q = tf.constant(log_q, tf.float32)
        self._candidates = len(log_q)

    @property
    def candidates(self) -> int:
        """Rows of the candidate tower, row 0 (unknown) included."""
        return self._candidates

    def compute_loss(self, inputs: Batch, training: bool = False) -> tf.Tensor:
        """Loss of one batch, a scalar; `mean_loss` averages it over the rows of an epoch."""
        queries = self.query_tower(inputs["query"])
        candidates = self.candidate_tower(inputs["candidate"])
        logits = self.temperature(tf.matmul(queries, candidates, transpose_b=True))
        log_q = tf.gather(self._log_q, inputs["candidate"])
        loss = in_batch_softmax(self._objective, logits, inputs["candidate"], log_q)
        self.mean_loss.update_state(loss, sample_weight=tf.size(inputs["candidate"]))
        return loss
