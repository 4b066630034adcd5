"""The progress of an epoch on a terminal: batches done, rate, time left and loss."""

from __future__ import annotations

from collections.abc import Mapping

import tf_keras as keras
from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)


class EpochProgress(keras.callbacks.Callback):
    """Draws one bar an epoch on standard error; draws nothing where that is no terminal.

    Args:
      rows: Rows of an epoch.
      batch_size: Rows of a batch.
    """

    def __init__(self, rows: int, batch_size: int) -> None:
        super().__init__()
        console = Console(stderr=True)
        self._batches = -(-rows // batch_size)
        self._batch_size = batch_size
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]:,.0f} rows/s  loss {task.fields[loss]:.4f}"),
            TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
            transient=True,
        )

    def on_epoch_begin(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Starts the bar."""
        self._task = self._progress.add_task(
            f"epoch {epoch + 1}", total=self._batches, rate=0.0, loss=float("nan")
        )
        self._progress.start()

    def on_train_batch_end(self, batch: int, logs: Mapping[str, float] | None = None) -> None:
        """Moves the bar to the batches done."""
        task = self._progress.tasks[self._task]
        self._progress.update(
            self._task,
            completed=batch + 1,
            rate=(task.speed or 0.0) * self._batch_size,
            loss=(logs or {}).get("mean_loss", float("nan")),
        )

    def on_epoch_end(self, epoch: int, logs: Mapping[str, float] | None = None) -> None:
        """Takes the bar away; what the epoch gave is logged."""
        self._progress.stop()
        self._progress.remove_task(self._task)
