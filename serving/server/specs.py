"""The model_spec of a request, which a request may lack."""

from __future__ import annotations

from typing import Protocol

from serving.server.protos import ModelSpec


class NamesModel(Protocol):
    """A request that names a model."""

    @property
    def model_spec(self) -> ModelSpec:
        """Which model, and maybe which version and signature."""
        ...

    def HasField(self, field_name: str) -> bool:  # noqa: N802 - protobuf's name
        """Whether a field was sent."""
        ...


def spec_of(request: NamesModel) -> ModelSpec | None:
    """The model_spec, None where the request has none."""
    return request.model_spec if request.HasField("model_spec") else None
