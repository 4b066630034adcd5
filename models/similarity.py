"""How alike a query and a candidate are, and the temperature that turns it into logits.

    dot      s = <u, v>
    cosine   s = <u, v> / (|u| |v|), as the dot product of unit vectors

Towers return unit vectors for cosine, so that everything after them is a dot product: training,
ranking and the index alike.
"""

from __future__ import annotations

import math
from typing import Literal

import tensorflow as tf
import tf_keras as keras

Similarity = Literal["dot", "cosine"]

_LOG_MAX_SCALE = math.log(100.0)
_EPSILON = 1e-12


def unit(vectors: tf.Tensor) -> tf.Tensor:
    """Divides each vector by its length.

        x / max(|x|, eps)

    Args:
      vectors: `[..., dim]`.

    Returns:
      `[..., dim]` vectors of length 1; a zero vector stays zero, and its gradient stays finite.
    """
    squared = tf.reduce_sum(tf.square(vectors), axis=-1, keepdims=True)
    return vectors * tf.math.rsqrt(tf.maximum(squared, _EPSILON))


class Temperature(keras.layers.Layer):
    """Divides scores by a temperature, fixed or learned.

        z = s / tau,   learned through t = log(1 / tau), kept in [0, log 100]

    The bound is applied to the variable after each step, not inside the graph, where it would stop
    the gradient for good once reached.

    Args:
      initial: The fixed temperature, or where learning starts; above 0, and for a learned one
        within [0.01, 1].
      learned: Whether training moves it.

    Raises:
      ValueError: The temperature is out of its range.

    References:
      Radford et al., Learning Transferable Visual Models From Natural Language Supervision,
      ICML 2021.
    """

    def __init__(self, initial: float, *, learned: bool = False, name: str = "temperature") -> None:
        super().__init__(name=name)
        if initial <= 0:
            raise ValueError(f"`temperature` must be positive. Received: {initial}.")
        if learned and not 0.01 <= initial <= 1:
            raise ValueError(
                f"A learned `temperature` must start within [0.01, 1]. Received: {initial}."
            )
        self._log_scale = self.add_weight(
            name="log_scale",
            shape=(),
            initializer=tf.constant_initializer(-math.log(initial)),
            trainable=learned,
            constraint=_within_scale if learned else None,
        )

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """Turns scores of any shape into logits of that shape, in float32."""
        return tf.cast(inputs, tf.float32) * tf.exp(self._log_scale)

    @property
    def value(self) -> tf.Tensor:
        """The temperature itself, a scalar."""
        return tf.exp(-self._log_scale)


def _within_scale(log_scale: tf.Tensor) -> tf.Tensor:
    return tf.clip_by_value(log_scale, 0.0, _LOG_MAX_SCALE)
