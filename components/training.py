"""Training: choose the number of epochs on the validation rows, then fit on those rows too.

    select   trains on the training rows until the validation recall stops rising
    refit    trains anew on training and validation rows together, for as many epochs as were best

    checkpoint/
      weights/         the weights of the last phase: what is evaluated and exported
      select/ refit/   what an interrupted run continues from: weights, optimizer, epoch, best
      metrics.jsonl    one line an epoch
      tensorboard/     the same as scalars

Every epoch shuffles by a seed of its own, so a run that was killed and resumed ends with the
weights of one that was not.
"""

from __future__ import annotations

import json
import logging
import math
import shutil
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import tensorflow as tf
import tf_keras as keras
from pydantic import BaseModel, ConfigDict, Field

from components.artifacts import Counts, Prepared
from components.embedded import embed
from components.errors import TrainingError
from components.holdout import Holdout, read_holdout
from components.model import weights
from components.progress import EpochProgress
from models import metrics
from models.data import Split, training_batches
from models.ranking import top_k
from models.two_tower import TwoTower

Phase = Literal["select", "refit"]

_SPLITS: dict[Phase, Sequence[str]] = {"select": ["train"], "refit": ["train", "validation"]}

_log = logging.getLogger(__name__)


class TrainingConfig(BaseModel):
    """How the model is trained."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    batch_size: Annotated[int, Field(ge=2)] = 1024
    """Rows a step; each row's candidate is a negative of every other row."""
    epochs: Annotated[int, Field(ge=1)] = 100
    """Most passes over the training rows."""
    patience: Annotated[int, Field(ge=1)] = 10
    """Epochs without a better validation recall before training stops."""
    validation_k: Annotated[int, Field(ge=1)] = 20
    """Cut-off of the validation recall."""
    refit: bool = True
    """Whether the validation rows, the newest that training may see, are trained on at last."""
    optimizer: Literal["adagrad", "adam"] = "adagrad"
    """`adagrad` updates only the rows of a batch; `adam` costs more a step."""
    learning_rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.1
    shuffle_rows: Annotated[int, Field(ge=1)] = 100_000
    """Rows of the window that shuffles what is read from all shards in turn."""
    steps_per_execution: Annotated[int, Field(ge=1)] = 10
    """Steps run in one call of TensorFlow."""


def train(
    config: TrainingConfig,
    build: Callable[[Sequence[str]], TwoTower],
    prepared: Prepared,
    directory: Path,
    seed: int,
) -> Counts:
    """Trains a model and leaves its weights in `directory / "weights"`.

    Continues where an earlier call on the same directory was cut off.

    Args:
      config: How to train.
      build: Makes the untrained model for the splits it will be trained on.
      prepared: The training data.
      directory: Where the weights, the states and the logs go.
      seed: Decides the order of the rows.

    Returns:
      The best number of epochs, and its validation recall.

    Raises:
      DataError: The validation split holds nothing to find.
      TrainingError: The loss is not a finite number.
    """
    tf.config.experimental.enable_op_determinism()
    keras.utils.set_random_seed(seed)
    holdout = read_holdout(prepared, "validation")
    select = _Fit("select", config, build(_SPLITS["select"]), prepared, directory, seed)
    while select.epoch < min(config.epochs, select.best_epoch + config.patience):
        loss = select.run_epoch()
        recall = validation_recall(select.model, holdout, config.validation_k)
        if recall > select.best_recall:
            select.keep_best(recall)
        select.finish_epoch({"loss": loss, f"recall@{config.validation_k}": recall})
    if config.refit:
        refit = _Fit("refit", config, build(_SPLITS["refit"]), prepared, directory, seed)
        while refit.epoch < select.best_epoch:
            refit.finish_epoch({"loss": refit.run_epoch()})
        refit.write_weights(directory / "weights")
    else:
        shutil.copytree(select.best_weights, directory / "weights", dirs_exist_ok=True)
    return {"epochs": select.best_epoch, f"recall@{config.validation_k}": select.best_recall}


def validation_recall(model: TwoTower, holdout: Holdout, k: int) -> float:
    """Mean Recall@k over the whole catalogue, seen candidates left out."""
    queries = embed(model.query_tower, holdout.queries)
    candidates = embed(model.candidate_tower, np.arange(model.candidates))
    ranked, _ = top_k(queries, candidates, k, excluded=holdout.seen)
    hit = metrics.hits(ranked, holdout.relevant)
    return float(metrics.recall(hit, holdout.relevant_sizes, k).mean())


class _Fit:
    """One phase of training: a model, its optimizer, and the state that survives a kill."""

    def __init__(
        self,
        phase: Phase,
        config: TrainingConfig,
        model: TwoTower,
        prepared: Prepared,
        directory: Path,
        seed: int,
    ) -> None:
        self.model = model
        self._phase: Phase = phase
        self._config = config
        self._seed = seed
        self._splits = [
            Split(prepared.examples(split), int(prepared.manifest.counts[f"rows_{split}"]))
            for split in _SPLITS[phase]
        ]
        self._rows = sum(split.rows for split in self._splits)
        self._directory = directory / phase
        self._log = _EpochLog(directory, phase)
        model.compile(
            optimizer=_OPTIMIZERS[config.optimizer](config.learning_rate),
            steps_per_execution=config.steps_per_execution,
        )
        self._epoch = tf.Variable(tf.constant(0, tf.int64))
        self._best_epoch = tf.Variable(tf.constant(0, tf.int64))
        self._best_recall = tf.Variable(tf.constant(-1.0, tf.float64))
        self._state = tf.train.CheckpointManager(
            tf.train.Checkpoint(
                model=model,
                optimizer=model.optimizer,
                epoch=self._epoch,
                best_epoch=self._best_epoch,
                best_recall=self._best_recall,
            ),
            str(self._directory / "state"),
            max_to_keep=1,
        )
        if self._state.restore_or_initialize():
            _log.info("resumed phase=%s epoch=%d", phase, self.epoch)
        self._log.keep(self.epoch)

    @property
    def epoch(self) -> int:
        """Epochs done."""
        return int(self._epoch.numpy())

    @property
    def best_epoch(self) -> int:
        """The epoch with the best validation recall, from 1; 0 before the first."""
        return int(self._best_epoch.numpy())

    @property
    def best_recall(self) -> float:
        """The best validation recall so far; below 0 before the first."""
        return float(self._best_recall.numpy())

    @property
    def best_weights(self) -> Path:
        """Where the weights of the best epoch are kept."""
        return self._directory / "best"

    def run_epoch(self) -> float:
        """Trains one pass over the rows and returns the mean loss of its rows.

        Raises:
          TrainingError: The loss is not a finite number.
        """
        batches = training_batches(
            self._splits,
            batch_size=self._config.batch_size,
            shuffle_rows=self._config.shuffle_rows,
            seed=int(
                np.random.SeedSequence(
                    [self._seed, *self._phase.encode(), self.epoch]
                ).generate_state(1)[0]
            ),
        )
        started = time.monotonic()
        callbacks = [EpochProgress(self._rows, self._config.batch_size)]
        fitted = self.model.fit(
            batches,
            initial_epoch=self.epoch,
            epochs=self.epoch + 1,
            verbose=0,  # pyright: ignore[reportArgumentType]  # the stub has only its texts
            callbacks=callbacks,  # pyright: ignore[reportArgumentType]  # the stub's own Keras
        )
        self._epoch.assign_add(1)
        self._rate = self._rows / (time.monotonic() - started)
        loss = float(fitted.history["mean_loss"][-1])
        if not math.isfinite(loss):
            raise TrainingError(
                f"training diverged: the loss of epoch {self.epoch} is {loss}; lower "
                "`train.learning_rate` or raise `model.objective.temperature`."
            )
        return loss

    def keep_best(self, recall: float) -> None:
        """Keeps the weights as they are now as the best."""
        self._best_epoch.assign(self.epoch)
        self._best_recall.assign(recall)
        self.write_weights(self.best_weights)

    def write_weights(self, directory: Path) -> None:
        """Writes the weights alone, without the optimizer's."""
        weights(self.model).write(str(directory / "weights"))

    def finish_epoch(self, values: dict[str, float]) -> None:
        """Logs what the epoch gave, then saves the state that the next epoch starts from."""
        values = {**values, "temperature": float(self.model.temperature.value)}
        self._log.write(self.epoch, values)
        _log.info(
            "trained phase=%s epoch=%d %s rows_per_s=%.0f",
            self._phase,
            self.epoch,
            " ".join(f"{name}={value:.4f}" for name, value in values.items()),
            self._rate,
        )
        self._state.save(self.epoch)


_OPTIMIZERS: dict[str, Callable[[float], keras.optimizers.legacy.Optimizer]] = {
    "adagrad": keras.optimizers.legacy.Adagrad,
    "adam": keras.optimizers.legacy.Adam,
}


class _EpochLog:
    """Writes what each epoch gave to `metrics.jsonl` and to TensorBoard."""

    def __init__(self, directory: Path, phase: Phase) -> None:
        self._phase = phase
        self._path = directory / "metrics.jsonl"
        self._scalars = tf.summary.create_file_writer(str(directory / "tensorboard" / phase))

    def keep(self, epoch: int) -> None:
        """Drops the lines of this phase that a killed run wrote after its last saved state."""
        if not self._path.exists():
            return
        lines = self._path.read_text(encoding="utf-8").splitlines(keepends=True)
        rewritten = self._path.with_name(self._path.name + ".partial")
        rewritten.write_text("".join(filter(partial(self._stays, epoch), lines)), encoding="utf-8")
        rewritten.replace(self._path)

    def _stays(self, epoch: int, line: str) -> bool:
        try:
            entry = json.loads(line)
        except json.JSONDecodeError:  # a kill cut the line off
            return False
        return entry["phase"] != self._phase or entry["epoch"] <= epoch

    def write(self, epoch: int, values: dict[str, float]) -> None:
        """Adds one epoch."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"phase": self._phase, "epoch": epoch, **values}) + "\n")
        with self._scalars.as_default(step=epoch):
            for name, value in values.items():
                tf.summary.scalar(name, value)
        self._scalars.flush()
