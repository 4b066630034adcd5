"""The paths of the REST API -> what they ask for."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal
from urllib.parse import unquote

from serving.server.protos import ModelSpec
from serving.server.statuses import invalid_argument

LARGEST_VERSION = 2**63 - 1

_WHICH = r"(?:/versions/(?P<version>\d+)|/labels/(?P<label>[^/:]+))?"
_ANY = re.compile(r"/v1/.*", re.IGNORECASE | re.DOTALL)
_PREDICT = re.compile(rf"/v1/models/(?P<name>[^/:]+){_WHICH}:predict", re.IGNORECASE | re.ASCII)
_STATUS = re.compile(
    rf"/v1/models(?:/(?P<name>[^/:]+))?{_WHICH}(?P<metadata>/metadata)?",
    re.IGNORECASE | re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Route:
    """What a request is for: an action, and the model it is about."""

    action: Literal["predict", "status", "metadata"]
    spec: ModelSpec


def is_api(path: str) -> bool:
    """Whether a path belongs to the API at all."""
    return _ANY.fullmatch(path) is not None


def route(method: str, path: str) -> Route:
    """Reads a request line.

    Args:
      method: GET or POST; nothing else is served.
      path: The path as it was sent, with its percent signs.

    Returns:
      The action and the model.

    Raises:
      StatusError: There is no such path, or no such version number.
    """
    found = {"POST": _PREDICT, "GET": _STATUS}.get(method)
    match = found.fullmatch(path) if found else None
    if match is None:
        raise invalid_argument(f"Malformed request: {method} {path}")
    groups = match.groupdict()
    spec = _spec(groups["name"], groups["version"], groups["label"])
    if method == "POST":
        return Route("predict", spec)
    if not spec.name:
        raise invalid_argument("Missing model name in request.")
    return Route("metadata" if groups["metadata"] else "status", spec)


def _spec(name: str | None, version: str | None, label: str | None) -> ModelSpec:
    spec = ModelSpec(name=unquote(name or ""))
    if version is not None:
        if int(version) > LARGEST_VERSION:
            raise invalid_argument(f"Failed to convert version: {version} to numeric.")
        spec.version.value = int(version)
    if label is not None:
        spec.version_label = unquote(label)
    return spec
