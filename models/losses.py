"""Losses: pure functions of logits, one value a row.

Example of the toy batch of three queries and three candidates, dot product, temperature 1:

    >>> import tensorflow as tf
    >>> queries = tf.constant([[1.0, 0.5], [-0.3, 0.8], [0.6, -1.2]])
    >>> candidates = tf.constant([[0.9, 0.1], [0.2, 1.1], [0.4, -0.7]])
    >>> logits = tf.matmul(queries, candidates, transpose_b=True)
    >>> print(softmax(logits, tf.range(3)).numpy().round(4))
    [0.7999 0.4621 0.4819]
"""

from __future__ import annotations

import tensorflow as tf


def softmax(
    logits: tf.Tensor, positives: tf.Tensor, *, masked: tf.Tensor | None = None
) -> tf.Tensor:
    """Cross-entropy of each row's positive column against all of its columns.

        l_i = log sum_j exp(z_ij) - z_i,pos(i)

    With the batch's own candidates as columns this is the in-batch softmax: gradients reach the
    candidates of every row.

    Args:
      logits: `[batch, columns]` logits, after temperature and correction.
      positives: `[batch]` column of each row's positive.
      masked: `[batch, columns]` booleans, true for a column that does not count for the row. None
        counts all. A row's positive must not be masked; then a row whose other columns are all
        masked has loss 0 and gradient 0.

    Returns:
      `[batch]` losses in float32, unreduced.

    References:
      van den Oord et al., Representation Learning with Contrastive Predictive Coding, 2018.
    """
    logits = tf.cast(logits, tf.float32)
    own = tf.gather(logits, positives, batch_dims=1)
    # -inf is safe under logsumexp; a one-hot cross-entropy would multiply it by 0 and give NaN.
    counted = logits if masked is None else tf.where(masked, -float("inf"), logits)
    return tf.reduce_logsumexp(counted, axis=1) - own


def mean(losses: tf.Tensor) -> tf.Tensor:
    """Averages over the rows of a batch, so that the learning rate does not depend on its size.

    The mean of no rows is 0.

    Args:
      losses: `[batch]` losses.

    Returns:
      Scalar.
    """
    return tf.math.divide_no_nan(tf.reduce_sum(losses), tf.cast(tf.size(losses), losses.dtype))
