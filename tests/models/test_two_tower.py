from typing import Any

import numpy as np
import tensorflow as tf
import tf_keras as keras

from models.objectives import InBatchSoftmax, in_batch_softmax
from models.towers import Tower
from models.two_tower import TwoTower

LOG_Q = np.log([0.1, 0.2, 0.3, 0.4]).astype(np.float32)


def make(objective):
    towers = [
        Tower(4, [], embedding_dim=8, similarity="cosine", seed=seed, name=f"tower{seed}")
        for seed in (1, 2)
    ]
    return TwoTower(*towers, objective, LOG_Q)


def test_the_loss_corrects_each_column_by_its_own_candidate():
    objective = InBatchSoftmax(temperature=0.5)
    model = make(objective)
    queries, candidates = tf.constant([1, 2, 3]), tf.constant([3, 1, 3])
    scores = tf.matmul(
        model.query_tower(queries), model.candidate_tower(candidates), transpose_b=True
    )
    expected = in_batch_softmax(objective, scores / 0.5, candidates, tf.gather(LOG_Q, candidates))
    compute_loss: Any = model.compute_loss  # the stub of Keras gives it other arguments
    loss = compute_loss({"query": queries, "candidate": candidates})
    np.testing.assert_allclose(loss, expected, rtol=1e-5)


def test_training_brings_queries_to_their_candidates():
    model = make(InBatchSoftmax(temperature=0.2))
    model.compile(optimizer=keras.optimizers.legacy.Adagrad(0.5))
    pairs = tf.data.Dataset.from_tensors({"query": [1, 2, 3], "candidate": [2, 3, 1]}).repeat(100)
    model.fit(pairs, verbose=0)
    scores = model.query_tower(tf.range(4)) @ tf.transpose(model.candidate_tower(tf.range(4)))
    assert np.argmax(scores[1:, 1:], axis=1).tolist() == [1, 2, 0]


def test_a_learned_temperature_is_trained_with_the_towers():
    model = make(InBatchSoftmax(temperature=0.5, learn_temperature=True))
    model.compile(optimizer=keras.optimizers.legacy.Adagrad(0.1))
    before = float(model.temperature.value)
    model.fit(tf.data.Dataset.from_tensors({"query": [1, 2], "candidate": [1, 2]}), verbose=0)
    assert float(model.temperature.value) != before
