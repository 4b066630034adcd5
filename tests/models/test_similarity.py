import math

import numpy as np
import pytest
import tensorflow as tf
import tf_keras as keras
from hypothesis import given
from hypothesis import strategies as st

from models.similarity import Temperature, unit
from tests.gradients import gradient


@given(st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=5), st.floats(0.01, 100))
def test_a_unit_vector_keeps_its_direction_whatever_its_length(values, scale):
    vector = np.array(values, np.float32)
    if np.linalg.norm(vector) < 1e-2:
        return
    got = unit(tf.constant(vector * np.float32(scale))).numpy()
    np.testing.assert_allclose(got, vector / np.linalg.norm(vector), atol=1e-5)


def test_the_zero_vector_stays_zero_with_a_finite_gradient():
    assert unit(tf.zeros([1, 3])).numpy().tolist() == [[0, 0, 0]]
    assert np.isfinite(gradient(unit, np.zeros([1, 3]))).all()


def test_scores_are_divided_by_the_temperature():
    np.testing.assert_allclose(Temperature(0.2)(tf.constant([1.0, -3.0])), [5, -15], rtol=1e-6)


def test_a_fixed_temperature_has_nothing_to_train():
    assert Temperature(0.2).trainable_variables == []


def test_a_learned_temperature_stays_within_its_bounds_after_a_step():
    layer = Temperature(0.02, learned=True)
    optimizer = keras.optimizers.legacy.SGD(100.0)
    for sign, bound in ((-1, 1 / 100), (1, 1.0)):
        with tf.GradientTape() as tape:
            loss = sign * layer(tf.constant(1.0))
        (scale,) = layer.trainable_variables
        optimizer.apply_gradients([(tape.gradient(loss, scale), scale)])
        np.testing.assert_allclose(layer.value, bound, rtol=1e-5)


def test_learning_starts_at_the_given_temperature():
    layer = Temperature(0.07, learned=True)
    np.testing.assert_allclose(layer.trainable_variables[0], math.log(1 / 0.07), rtol=1e-6)


@pytest.mark.parametrize(("initial", "learned"), [(0, False), (-0.1, False), (2.0, True)])
def test_a_temperature_out_of_range_is_refused_with_its_value(initial, learned):
    with pytest.raises(ValueError, match=f"Received: {initial}"):
        Temperature(initial, learned=learned)
