import numpy as np
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from models import losses, negatives

# Candidates 10, 20, 10, 30 in one batch, with frequencies .5, .3, .5, .2.
IDS = [10, 20, 10, 30]
LOG_Q = tf.math.log([0.5, 0.3, 0.5, 0.2])
LOGITS = [[2, 1, 2, 0.5], [0.3, 1.5, 0.3, 0.2], [1, -0.5, 1, 0.7], [0.1, 0.4, 0.1, 0.9]]


def loss(logits, *, corrected, masked):
    logits, positives = tf.constant(logits, tf.float32), tf.range(4)
    if corrected:
        logits = negatives.subtract_log_q(logits, LOG_Q)
    hits = negatives.accidental_hits(tf.constant(IDS), positives) if masked else None
    return losses.softmax(logits, positives, masked=hits).numpy()


def test_the_four_ways_to_correct_and_mask_give_the_worked_values():
    worked = {
        (False, False): [0.9520476072, 0.6285661075, 1.0865222919, 0.9183640163],
        (False, True): [0.4643687841, 0.6285661075, 0.6749569269, 0.9183640163],
        (True, False): [1.1540336881, 0.5711099018, 1.4407657735, 0.5674801792],
        (True, True): [0.7751684537, 0.5711099018, 1.1706008492, 0.5674801792],
    }
    for (corrected, masked), expected in worked.items():
        np.testing.assert_allclose(
            loss(LOGITS, corrected=corrected, masked=masked), expected, atol=1e-6
        )


def test_a_frequent_column_loses_more():
    corrected = negatives.subtract_log_q(tf.zeros([1, 2]), tf.math.log([0.9, 0.1]))
    assert corrected[0, 0] < corrected[0, 1]


def test_a_rare_column_is_corrected_in_full():
    # A clip of Q at 1e-6 would stop the correction of this candidate 4.6 nats short.
    corrected = negatives.subtract_log_q(tf.zeros([1, 1]), tf.math.log([1e-8]))
    np.testing.assert_allclose(corrected, [[8 * np.log(10)]], rtol=1e-6)


@given(st.floats(-20, 20))
def test_a_constant_factor_of_q_changes_no_loss(log_factor):
    logits = tf.constant(LOGITS, tf.float32)
    expected = losses.softmax(negatives.subtract_log_q(logits, LOG_Q), tf.range(4))
    shifted = losses.softmax(negatives.subtract_log_q(logits, LOG_Q + log_factor), tf.range(4))
    np.testing.assert_allclose(shifted, expected, atol=2e-5)


def test_hits_are_the_other_columns_with_the_rows_own_candidate():
    hits = negatives.accidental_hits(tf.constant(IDS), tf.range(4))
    assert np.argwhere(hits.numpy()).tolist() == [[0, 2], [2, 0]]


def test_hits_are_found_where_the_positive_stands_elsewhere():
    hits = negatives.accidental_hits(tf.constant([7, 8, 7, 8]), tf.constant([2, 3]))
    assert np.argwhere(hits.numpy()).tolist() == [[0, 0], [1, 1]]
