"""All models by name: finds the version that a request means, and tells how each one does."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

import grpc

from serving.server import statuses
from serving.server.model import Model
from serving.server.protos import GetModelStatusResponse, ModelSpec
from serving.server.served import ServedVersion
from serving.server.statuses import StatusError

logger = logging.getLogger(__name__)


class Changes:
    """Wakes whoever waits for the next change of any version's state."""

    def __init__(self) -> None:
        self._next = asyncio.Event()

    def announce(self) -> None:
        """Wakes all who wait."""
        self._next.set()
        self._next = asyncio.Event()

    async def wait(self) -> None:
        """Returns after the next announcement."""
        await self._next.wait()


class Manager:
    """The models of a server.

    Args:
      models: Each model by its name.
      changes: What the models announce their changes to.
    """

    def __init__(self, models: Mapping[str, Model], changes: Changes) -> None:
        self.models = models
        self.changes = changes

    @property
    def is_ready(self) -> bool:
        """Whether every model has a version that requests may use."""
        return all(model.available for model in self.models.values())

    async def watch(self, poll_wait_s: float) -> None:
        """Follows the base paths.

        Args:
          poll_wait_s: The time between two looks. 0 looks once, a negative value never.
        """
        while poll_wait_s >= 0:
            for model in self.models.values():
                await _look(model)
            if poll_wait_s == 0:
                return
            await asyncio.sleep(poll_wait_s)

    async def wait_until_ready(self) -> None:
        """Waits until every model can answer.

        Raises:
          StatusError: A model has no version that could be loaded.
        """
        while not self.is_ready:
            lost = [model for model in self.models.values() if model.has_given_up]
            if lost:
                raise _start_failure(lost)
            await self.changes.wait()

    async def close(self) -> None:
        """Frees all models."""
        for model in self.models.values():
            await model.close()

    def resolve(self, spec: ModelSpec | None) -> ServedVersion:
        """Finds the version that a request means: the one it names, or the latest available.

        Args:
          spec: The request's model_spec, None where it has none.

        Returns:
          A version that is available at this moment.

        Raises:
          StatusError: The request names no model, or one that is not here.
        """
        name = _named(spec).name
        label = spec and spec.HasField("version_label") and spec.version_label
        if label:
            raise statuses.invalid_argument(f"Unrecognized servable version label: {label}")
        model = self.models.get(name)
        available = model.available if model else set()
        version = spec.version.value if spec and spec.HasField("version") else None
        if version is None:
            if model is None or not available:
                raise statuses.not_found(f"Servable not found for request: Latest({name})")
            return model.versions[max(available)]
        if model is None or version not in available:
            raise statuses.not_found(f"Servable not found for request: Specific({name}, {version})")
        return model.versions[version]

    def status(self, spec: ModelSpec | None) -> GetModelStatusResponse:
        """Tells the state of the version that `spec` names, or of all ever seen, latest first.

        Raises:
          StatusError: No such model or version was ever seen.
        """
        named = _named(spec)
        model = self.models.get(named.name)
        seen = dict(sorted(model.versions.items(), reverse=True)) if model else {}
        if not seen:
            raise statuses.not_found(f"Could not find any versions of model {named.name}")
        if named.HasField("version"):
            version = named.version.value
            if version not in seen:
                raise statuses.not_found(f"Could not find version {version} of model {named.name}")
            seen = {version: seen[version]}
        return GetModelStatusResponse(
            model_version_status=[served.status() for served in seen.values()]
        )


async def _look(model: Model) -> None:
    try:
        await model.look()
    except Exception:
        # A defect must not end the watch: what is loaded stays, and the next look may succeed.
        logger.exception("look failed model=%s", model.name)


def _named(spec: ModelSpec | None) -> ModelSpec:
    if spec is None:
        raise statuses.invalid_argument("Missing ModelSpec")
    if not spec.name:
        raise statuses.invalid_argument("ModelSpec has no name specified.")
    return spec


def _start_failure(lost: list[Model]) -> StatusError:
    # TF Serving's braces do not match; tools that look for its text still find it.
    failures = "".join(
        f"{{name: {model.name} version: {served.version}}} due to error: {served.error}}}, "
        for model in lost
        for served in model.versions.values()
        if served.error is not None
    )
    return StatusError(
        grpc.StatusCode.UNKNOWN, f"{len(lost)} servable(s) did not become available: {{{failures}}}"
    )
