"""The gradient of a loss, as an array."""

from collections.abc import Callable
from typing import Any

import numpy as np
import tensorflow as tf


def gradient(loss: Callable[[Any], tf.Tensor], at: Any) -> np.ndarray:
    """Derivative of the sum of `loss` at the value `at`, in the shape of that value."""
    variable = tf.Variable(tf.convert_to_tensor(at, tf.float32))
    with tf.GradientTape() as tape:
        result = loss(variable)
    return tf.convert_to_tensor(tape.gradient(result, variable)).numpy()
