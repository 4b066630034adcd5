import re
from typing import Any

import pytest
import tensorflow as tf
import tf_keras as keras

from components.progress import EpochProgress


def fit():
    model = keras.Sequential([keras.layers.Dense(1)])
    mean_loss = keras.metrics.MeanSquaredError(name="mean_loss")
    model.compile(optimizer=keras.optimizers.legacy.SGD(0.1), loss="mse", metrics=[mean_loss])
    rows = tf.data.Dataset.from_tensors((tf.ones([4, 2]), tf.ones([4, 1]))).repeat(3)
    train: Any = model.fit  # the stub of Keras has other types
    train(rows, verbose=0, callbacks=[EpochProgress(rows=12, batch_size=4)])


def test_nothing_is_drawn_where_there_is_no_terminal(capsys):
    fit()
    assert capsys.readouterr().err == ""


def test_a_terminal_sees_batches_rate_and_loss(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "120")
    fit()
    drawn = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", capsys.readouterr().err)
    assert "epoch 1" in drawn
    assert "3/3" in drawn
    assert re.search(r"rows/s +loss \d", drawn)


@pytest.mark.parametrize(("rows", "batches"), [(12, 3), (13, 4), (1, 1)])
def test_the_last_batch_counts_though_it_is_smaller(rows, batches):
    assert EpochProgress(rows, batch_size=4)._batches == batches
