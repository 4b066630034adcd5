"""One model: watches its base path, and loads and unloads versions without a gap."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path

import grpc

from serving.server import versions
from serving.server.protos import ModelVersionStatus
from serving.server.saved_model import SavedModel
from serving.server.served import ServedVersion
from serving.server.statuses import StatusError

logger = logging.getLogger(__name__)

LOADING = ModelVersionStatus.LOADING
UNLOADING = ModelVersionStatus.UNLOADING


@dataclass(frozen=True, slots=True)
class Retries:
    """How a failed load is tried again.

    Args:
      most: The number of tries after the first.
      interval_s: The time between two tries.
    """

    most: int
    interval_s: float


class Model:
    """The versions of one model, kept as the base path has them.

    Everything happens on one event loop; only loading and freeing go to threads.

    Args:
      name: The model's name.
      base_path: The directory of its versions.
      load: Makes a SavedModel from a version's directory, ready to answer.
      retries: How a failed load is tried again.
      changed: Called after every change of a version's state.
    """

    def __init__(
        self,
        name: str,
        base_path: Path,
        load: Callable[[Path], SavedModel],
        retries: Retries,
        changed: Callable[[], None],
    ) -> None:
        self.name = name
        self.base_path = base_path
        self.versions: dict[int, ServedVersion] = {}
        self._load = load
        self._retries = retries
        self._changed = changed
        self._found: dict[int, Path] = {}
        self._wanted: set[int] = set()
        self._failed: set[int] = set()
        self._is_loading = False
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def available(self) -> set[int]:
        """The versions that requests may use."""
        return {number for number, served in self.versions.items() if served.is_available}

    @property
    def has_given_up(self) -> bool:
        """Whether there is no version to serve, and every wanted one has failed for good."""
        return bool(self._wanted) and self._wanted <= self._failed and not self.available

    async def look(self) -> None:
        """Reads the base path once, and starts what follows from it."""
        try:
            found = await asyncio.to_thread(versions.found_versions, self.base_path)
        except OSError as error:
            logger.warning(
                "Could not find base path %s for servable %s with error %s",
                self.base_path,
                self.name,
                error,
            )
            return
        if not found:
            logger.warning(
                "No versions of servable %s found under base path %s. Did you forget to name "
                "your leaf directory as a number (eg. '/1/')?",
                self.name,
                self.base_path,
            )
        self._found = found
        self._wanted = versions.latest(found)
        self._failed &= self._wanted
        for number, served in self.versions.items():
            if number not in self._wanted:
                served.unwanted.set()
        self._advance()

    async def close(self) -> None:
        """Stops loading and frees every version."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for served in self.versions.values():
            await served.close()
        self._changed()

    def _advance(self) -> None:
        while True:
            step = versions.next_step(self._wanted, self.available, self._failed)
            if step.unload is not None:
                served = self.versions[step.unload]
                served.state = UNLOADING
                self._start(self._retire(served))
            elif step.load is not None and not self._is_loading:
                served = ServedVersion(self.name, step.load, self._found[step.load])
                self.versions[step.load] = served
                self._is_loading = True
                self._start(self._bring_up(served))
                return
            else:
                return

    def _start(self, work: Coroutine[None, None, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _bring_up(self, served: ServedVersion) -> None:
        served.state = LOADING
        self._changed()
        started = time.monotonic()
        try:
            served.open(await self._loaded(served))
            logger.info(
                "loaded model=%s version=%d seconds=%.2f",
                self.name,
                served.version,
                time.monotonic() - started,
            )
        except StatusError as error:
            served.fail(error)
            self._failed.add(served.version)
            logger.error(
                "gave up model=%s version=%d error=%s", self.name, served.version, served.error
            )
        finally:
            self._is_loading = False
        self._advance()
        self._changed()

    async def _loaded(self, served: ServedVersion) -> SavedModel:
        retry = 0
        while True:
            try:
                return await asyncio.to_thread(self._load, served.path)
            except StatusError as error:
                failure = error
            except Exception as error:
                logger.exception("load failed model=%s version=%d", self.name, served.version)
                failure = StatusError(grpc.StatusCode.INTERNAL, str(error))
            if retry == self._retries.most or served.unwanted.is_set():
                raise failure
            retry += 1
            logger.warning(
                "retrying model=%s version=%d retry=%d of=%d after_s=%g error=%s",
                self.name,
                served.version,
                retry,
                self._retries.most,
                self._retries.interval_s,
                failure,
            )
            try:
                await asyncio.wait_for(served.unwanted.wait(), self._retries.interval_s)
            except TimeoutError:
                continue
            raise failure

    async def _retire(self, served: ServedVersion) -> None:
        self._changed()
        await served.free()
        logger.info("unloaded model=%s version=%d", self.name, served.version)
        self._changed()
