import json
import signal
import subprocess
import sys
import time

import numpy as np
import pytest
import tensorflow as tf

from components.artifacts import Checkpoint, Prepared
from components.training import TrainingConfig
from pipeline import config, steps

ONE_EPOCH = {"train.epochs": 1, "train.refit": "false"}


def weights_of(checkpoint):
    reader = tf.train.load_checkpoint(str(checkpoint.weights))
    return {
        name: reader.get_tensor(name)
        for name in reader.get_variable_to_shape_map()
        if "OBJECT_GRAPH" not in name
    }


def lines_of(checkpoint):
    return [json.loads(line) for line in checkpoint.log.read_text().splitlines()]


def test_the_best_epoch_is_the_one_with_the_highest_validation_recall(checkpoint):
    recalls = [line["recall@5"] for line in lines_of(checkpoint) if line["phase"] == "select"]
    assert checkpoint.manifest.counts["epochs"] == 1 + int(np.argmax(recalls))
    assert checkpoint.manifest.counts["recall@5"] == max(recalls)


def test_training_lowers_the_loss(checkpoint):
    losses = [line["loss"] for line in lines_of(checkpoint) if line["phase"] == "select"]
    assert losses[-1] < losses[0]


def test_the_refit_takes_as_many_epochs_as_were_best(checkpoint):
    refit = [line["epoch"] for line in lines_of(checkpoint) if line["phase"] == "refit"]
    assert refit == list(range(1, checkpoint.manifest.counts["epochs"] + 1))


def test_tensorboard_has_the_scalars_of_both_phases(checkpoint):
    for phase, names in (("select", {"loss", "recall@5", "temperature"}), ("refit", {"loss"})):
        (events,) = (checkpoint.path / "tensorboard" / phase).iterdir()
        tags = {
            value.tag
            for record in tf.data.TFRecordDataset(str(events)).as_numpy_iterator()
            for value in tf.compat.v1.Event.FromString(record).summary.value
        }
        assert names <= tags


def train_again(small_run, directory, **overrides):
    run = config.load(
        small_run.config, [f"{key}={value}" for key, value in overrides.items()]
    ).model_copy(update={"work_dir": directory})
    return steps.train(run, Prepared.open(small_run.work_dir / "prepared"))


def test_the_same_seed_gives_the_same_weights_and_another_seed_others(
    small_run, checkpoint, tmp_path
):
    expected = weights_of(checkpoint)
    again = weights_of(train_again(small_run, tmp_path / "again"))
    other = weights_of(train_again(small_run, tmp_path / "other", seed=4))
    for name, values in expected.items():
        np.testing.assert_array_equal(again[name], values)
    assert not np.array_equal(
        other["query_tower/id_embeddings/.ATTRIBUTES/VARIABLE_VALUE"],
        expected["query_tower/id_embeddings/.ATTRIBUTES/VARIABLE_VALUE"],
    )


def test_without_refit_the_best_epoch_of_the_selection_is_kept(small_run, tmp_path):
    kept = train_again(small_run, tmp_path, **{"train.refit": "false"})
    best = tf.train.load_checkpoint(str(kept.path / "select" / "best" / "weights"))
    for name, values in weights_of(kept).items():
        np.testing.assert_array_equal(best.get_tensor(name), values)
    assert {line["phase"] for line in lines_of(kept)} == {"select"}


def test_patience_stops_the_selection(small_run, tmp_path):
    stopped = train_again(small_run, tmp_path, **{"train.patience": 1, "train.epochs": 50})
    select = [line["epoch"] for line in lines_of(stopped) if line["phase"] == "select"]
    assert len(select) == stopped.manifest.counts["epochs"] + 1


@pytest.fixture(scope="module")
def one_epoch(small_run, tmp_path_factory):
    return train_again(small_run, tmp_path_factory.mktemp("one_epoch"), **ONE_EPOCH)


@pytest.mark.parametrize("option", ["optimizer=adam", "learning_rate=0.1", "batch_size=8"])
def test_each_option_of_the_optimisation_changes_the_weights(
    small_run, one_epoch, tmp_path, option
):
    name, value = option.split("=")
    changed = train_again(small_run, tmp_path, **{**ONE_EPOCH, f"train.{name}": value})
    table = "candidate_tower/id_embeddings/.ATTRIBUTES/VARIABLE_VALUE"
    assert not np.array_equal(weights_of(changed)[table], weights_of(one_epoch)[table])


@pytest.mark.parametrize("phase", ["select", "refit"])
def test_a_killed_run_resumes_and_ends_with_the_same_weights(
    small_run, checkpoint, tmp_path, phase
):
    work_dir = tmp_path / "work"
    work_dir.mkdir()
    (work_dir / "prepared").symlink_to(small_run.work_dir / "prepared")
    arguments = ["train", str(small_run.config), "--set", f"work_dir={work_dir}"]
    command = [sys.executable, "-m", "pipeline", *arguments]
    process = subprocess.Popen(command, stderr=subprocess.DEVNULL)
    log = work_dir / "checkpoint.partial" / "metrics.jsonl"
    deadline = time.monotonic() + 120
    while not (log.exists() and log.read_text().count(f'"{phase}"') >= 2):
        assert process.poll() is None, "the run ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.005)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert not (work_dir / "checkpoint").exists()
    resumed = subprocess.run(command, capture_output=True, text=True, check=True)
    assert f"resumed phase={phase}" in resumed.stderr
    survivor = Checkpoint.open(work_dir / "checkpoint")
    for name, values in weights_of(checkpoint).items():
        np.testing.assert_array_equal(weights_of(survivor)[name], values)
    assert lines_of(survivor) == lines_of(checkpoint)


def test_the_config_survives_a_round_trip():
    config = TrainingConfig(batch_size=7, refit=False)
    assert TrainingConfig.model_validate_json(config.model_dump_json()) == config
