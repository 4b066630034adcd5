"""Corrections of the logits for how the columns of a batch were drawn, and which columns count.

The order of operations is fixed: similarity, then temperature, then log Q, then the mask, then the
loss. A column is a candidate that every row of the batch is scored against.
"""

from __future__ import annotations

import tensorflow as tf


def subtract_log_q(logits: tf.Tensor, log_q: tf.Tensor) -> tf.Tensor:
    """Removes from each column the advantage of being drawn often (the classic logQ correction).

        z'_ij = z_ij - log Q_j      for every column, the positive's included

    Q is the probability with which column `j` is drawn, up to a constant factor, which changes
    nothing. It is never clipped: clipping flattens the correction of rare candidates.

    Args:
      logits: `[batch, columns]` scores already divided by the temperature.
      log_q: `[columns]` natural logarithm of each column's sampling probability.

    Returns:
      `[batch, columns]` corrected logits.

    References:
      Bengio and Senecal, Quick Training of Probabilistic Neural Nets by Importance Sampling,
      AISTATS 2003. Yi et al., Sampling-Bias-Corrected Neural Modeling for Large Corpus Item
      Recommendations, RecSys 2019.
    """
    return logits - log_q[tf.newaxis, :]


def accidental_hits(candidates: tf.Tensor, positives: tf.Tensor) -> tf.Tensor:
    """Marks the columns that hold a row's own positive a second time.

    Args:
      candidates: `[columns]` integer candidate of each column.
      positives: `[batch]` column of each row's positive.

    Returns:
      `[batch, columns]` booleans, true where the column is the same candidate as the row's positive
      without being the positive's own column.
    """
    own = tf.gather(candidates, positives)
    same = tf.equal(own[:, tf.newaxis], candidates[tf.newaxis, :])
    columns = tf.range(tf.size(candidates), dtype=positives.dtype)
    return tf.logical_and(same, tf.not_equal(positives[:, tf.newaxis], columns[tf.newaxis, :]))
