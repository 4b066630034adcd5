import doctest
import math

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from models import losses
from tests.gradients import gradient

# The toy batch: three queries, three candidates, dot product.
SCORES = [[0.95, 0.75, 0.05], [-0.19, 0.82, -0.68], [0.42, -1.2, 1.08]]


def log_sum_exp(values):
    return math.log(sum(math.exp(value) for value in values))


def test_the_softmax_of_the_toy_batch_is_worked_by_hand():
    expected = [log_sum_exp(row) - row[index] for index, row in enumerate(SCORES)]
    got = losses.softmax(tf.constant(SCORES), tf.range(3))
    np.testing.assert_allclose(got, expected, atol=1e-6)
    np.testing.assert_allclose(got, [0.7998919235, 0.4620654172, 0.4818923903], atol=1e-6)


def test_the_gradient_of_the_toy_batch_is_softmax_minus_one_hot():
    got = gradient(lambda logits: losses.softmax(logits, tf.range(3)), SCORES)
    expected = [
        [-0.5506224714, 0.3679192024, 0.1827032689],
        [0.2294510832, -0.370018873, 0.1405677898],
        [0.3192143717, 0.0631721089, -0.3823864806],
    ]
    np.testing.assert_allclose(got, expected, atol=1e-6)


@given(st.integers(2, 6), st.integers(0, 5), st.integers(0, 2**31 - 1))
def test_softmax_agrees_with_a_slow_reference(rows, extra, seed):
    rng = np.random.default_rng(seed)
    logits = rng.normal(scale=3, size=(rows, rows + extra)).astype(np.float32)
    positives = rng.integers(0, rows + extra, rows)
    masked = rng.random(logits.shape) < 0.4
    masked[np.arange(rows), positives] = False
    expected = [
        log_sum_exp([value for value, out in zip(row, hidden, strict=True) if not out]) - row[own]
        for row, hidden, own in zip(logits.tolist(), masked, positives, strict=True)
    ]
    got = losses.softmax(tf.constant(logits), tf.constant(positives), masked=tf.constant(masked))
    np.testing.assert_allclose(got, expected, atol=1e-4)


@given(st.floats(-50, 50))
def test_adding_a_constant_to_a_row_changes_nothing(shift):
    got = losses.softmax(tf.constant(SCORES) + shift, tf.range(3))
    np.testing.assert_allclose(got, losses.softmax(tf.constant(SCORES), tf.range(3)), atol=1e-4)


def test_uniform_logits_cost_the_logarithm_of_the_columns():
    np.testing.assert_allclose(losses.softmax(tf.zeros([2, 7]), tf.range(2)), [math.log(7)] * 2)


def test_a_masked_column_counts_as_absent():
    masked = tf.constant([[False, True, False], [False, False, False], [True, False, False]])
    got = losses.softmax(tf.constant(SCORES), tf.range(3), masked=masked)
    expected = [
        log_sum_exp([0.95, 0.05]) - 0.95,
        log_sum_exp(SCORES[1]) - 0.82,
        log_sum_exp([-1.2, 1.08]) - 1.08,
    ]
    np.testing.assert_allclose(got, expected, atol=1e-6)


def test_a_row_without_negatives_has_loss_and_gradient_zero():
    masked = tf.constant([[False, True, True], [False] * 3, [False] * 3])

    def alone(logits):
        return losses.softmax(logits, tf.range(3), masked=masked)[0]

    assert alone(tf.constant(SCORES)).numpy() == 0
    assert gradient(alone, SCORES).tolist() == [[0, 0, 0]] * 3


@pytest.mark.parametrize("size", [1e4, -1e4])
def test_extreme_logits_stay_finite(size):
    logits = np.array(SCORES) * size
    assert np.isfinite(losses.softmax(tf.constant(logits, tf.float32), tf.range(3))).all()
    assert np.isfinite(gradient(lambda each: losses.softmax(each, tf.range(3)), logits)).all()


def test_half_precision_logits_are_summed_in_float32():
    got = losses.softmax(tf.constant(SCORES, tf.float16), tf.range(3))
    assert got.dtype == tf.float32
    np.testing.assert_allclose(got, losses.softmax(tf.constant(SCORES), tf.range(3)), atol=2e-3)


def test_the_mean_divides_by_the_rows():
    assert losses.mean(tf.constant([1.0, 2.0, 6.0])).numpy() == (1 + 2 + 6) / 3


def test_the_mean_of_no_rows_is_zero():
    assert losses.mean(tf.zeros([0])).numpy() == 0


def test_the_examples_in_the_docstrings_hold():
    assert doctest.testmod(losses).failed == 0
