import numpy as np
import pytest
import tensorflow as tf
from pydantic import ValidationError

from models.objectives import InBatchSoftmax, in_batch_softmax
from tests.gradients import gradient

SCORES = np.array([[0.9, 0.3, -0.2], [0.1, 0.8, 0.0], [0.2, 0.2, 0.5]])
Q = np.array([0.5, 0.3, 0.2])


def reference(objective, scores, ids):
    """The mean loss, one row at a time."""
    rows = []
    for row in range(len(ids)):
        own, terms = 0.0, []
        for column in range(len(ids)):
            if objective.mask_accidental_hits and column != row and ids[column] == ids[row]:
                continue
            logit = scores[row, column] / objective.temperature
            if objective.log_q == "classic":
                logit -= np.log(Q[column])
            terms.append(logit)
            if column == row:
                own = logit
        rows.append(np.log(np.sum(np.exp(terms))) - own)
    return np.mean(rows)


@pytest.mark.parametrize("temperature", [1.0, 0.2])
@pytest.mark.parametrize("log_q", ["classic", "none"])
@pytest.mark.parametrize("mask", [True, False])
def test_every_option_changes_the_loss_as_the_formula_says(temperature, log_q, mask):
    objective = InBatchSoftmax(temperature=temperature, log_q=log_q, mask_accidental_hits=mask)
    ids = [4, 9, 4]
    got = in_batch_softmax(
        objective,
        tf.constant(SCORES / temperature, tf.float32),
        tf.constant(ids),
        tf.constant(np.log(Q), tf.float32),
    )
    np.testing.assert_allclose(got, reference(objective, SCORES, ids), atol=1e-6)


def test_gradients_flow_into_the_candidates_of_other_rows():
    query = tf.constant([[1.0, 0.5, 0.1]])

    def loss(candidates):
        logits = tf.tile(tf.matmul(query, candidates, transpose_b=True), [3, 1])
        return in_batch_softmax(InBatchSoftmax(), logits, tf.constant([1, 2, 3]), tf.zeros(3))

    assert (np.abs(gradient(loss, np.eye(3))).sum(axis=1) > 0).all()


@pytest.mark.parametrize(
    "values",
    [
        {"temperature": 0},
        {"temperature": -1},
        {"temperature": 2.0, "learn_temperature": True},
        {"log_q": "refined"},
        {"tau": 0.1},
    ],
)
def test_a_value_out_of_its_range_is_refused(values):
    with pytest.raises(ValidationError):
        InBatchSoftmax.model_validate(values)


def test_the_config_survives_a_round_trip():
    objective = InBatchSoftmax(temperature=0.07, learn_temperature=True, log_q="none")
    assert InBatchSoftmax.model_validate_json(objective.model_dump_json()) == objective
