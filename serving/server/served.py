"""One version of one model, from the first look at it to its end."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from serving.server.protos import ModelVersionStatus
from serving.server.saved_model import SavedModel
from serving.server.statuses import StatusError


class ServedVersion:
    """A version and its state; once available, also its SavedModel.

    The state changes on the event loop only. Users may come and go in any thread.

    Args:
      name: The model's name.
      version: The version's number.
      path: The version's directory.
    """

    def __init__(self, name: str, version: int, path: Path) -> None:
        self.name = name
        self.version = version
        self.path = path
        self.state = ModelVersionStatus.START
        self.error: StatusError | None = None
        self.unwanted = asyncio.Event()
        self._model: SavedModel | None = None
        self._users = 0
        self._lock = threading.Lock()
        self._left = asyncio.Event()
        self._loop = asyncio.get_running_loop()

    @property
    def is_available(self) -> bool:
        """Whether requests may use this version."""
        return self.state == ModelVersionStatus.AVAILABLE

    @property
    def model(self) -> SavedModel:
        """The SavedModel; only users may ask for it."""
        if self._model is None:
            raise RuntimeError(f"{self.name} {self.version} is not loaded.")
        return self._model

    def open(self, model: SavedModel) -> None:
        """Makes the version available."""
        self._model = model
        self.state = ModelVersionStatus.AVAILABLE

    def fail(self, error: StatusError) -> None:
        """Ends the version before it was available."""
        self.error = error
        self.state = ModelVersionStatus.END

    def acquire(self) -> None:
        """Keeps the SavedModel in memory until `release`."""
        with self._lock:
            self._users += 1

    def release(self) -> None:
        """Gives up what `acquire` got."""
        with self._lock:
            self._users -= 1
            is_last = self._users == 0
        if is_last:
            self._loop.call_soon_threadsafe(self._left.set)

    @contextmanager
    def in_use(self) -> Iterator[SavedModel]:
        """The SavedModel, kept in memory meanwhile."""
        self.acquire()
        try:
            yield self.model
        finally:
            self.release()

    async def free(self) -> None:
        """Waits for the last user, then frees the memory."""
        while self._users:
            self._left.clear()
            await self._left.wait()
        await self.close()

    async def close(self) -> None:
        """Frees the memory, whoever still uses it: runs that go on are cancelled."""
        model, self._model = self._model, None
        if model is not None:
            await asyncio.to_thread(model.close)
        self.state = ModelVersionStatus.END

    def status(self) -> ModelVersionStatus:
        """The version's state as GetModelStatus tells it."""
        status = ModelVersionStatus(version=self.version, state=self.state)
        status.status.SetInParent()
        if self.error is not None:
            status.status.error_code = self.error.number
            status.status.error_message = self.error.message
        return status
