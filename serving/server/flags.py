"""The server's command line, in TF Serving's syntax: `--flag=value`, `--flag`, `--flag=false`.

A flag is a field of `Flags`: its name, type and default are the field's, its help the metadata's.
An unknown argument is reported and passed over, so that a command line written for TF Serving
starts this server too; a bad value is an error.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from typing import Any, TypeVar

T = TypeVar("T")

_TRUE = {"", "true", "1"}
_FALSE = {"false", "0"}
_TYPE_NAMES = {"int": "int32", "float": "float", "bool": "bool", "str": "string"}
_NAME_WIDTH = 56


class FlagError(ValueError):
    """A flag has a value that it cannot have."""


def flag(default: T, help_text: str) -> T:
    """A field of `Flags` with its default and its line of help."""
    return dataclasses.field(default=default, metadata={"help": help_text})


@dataclasses.dataclass(frozen=True, slots=True)
class Flags:
    """Everything that the command line decides."""

    port: int = flag(8500, "TCP port of gRPC. 0 switches gRPC off.")
    rest_api_port: int = flag(0, "TCP port of REST. 0 switches REST off.")
    rest_api_timeout_in_ms: int = flag(30000, "Longest time a REST request may take.")
    model_name: str = flag("default", "Name under which the model is served.")
    model_base_path: str = flag("", "Directory that holds the model's numbered versions.")
    file_system_poll_wait_seconds: int = flag(
        1, "Time between two looks for versions. 0 looks once, a negative value never."
    )
    grpc_max_threads: int = flag(
        4 * (os.cpu_count() or 1), "Most requests that run in TensorFlow at the same time."
    )
    max_num_load_retries: int = flag(
        5, "How often a failed load is tried again before the version is given up."
    )
    load_retry_interval_micros: int = flag(60_000_000, "Time between two tries of a load.")
    enable_model_warmup: bool = flag(
        True, "Replay assets.extra/tf_serving_warmup_requests before a version is served."
    )
    num_request_iterations_for_warmup: int = flag(
        0, "How often each warm-up request is replayed. 0 means once."
    )
    shutdown_grace_seconds: float = flag(
        30.0, "How long running requests may take to finish after SIGTERM or SIGINT."
    )

    def __post_init__(self) -> None:
        for name in ("port", "rest_api_port"):
            _check(name, getattr(self, name), 0, 65535)
        for name in ("rest_api_timeout_in_ms", "grpc_max_threads"):
            _check(name, getattr(self, name), 1)
        for name in (
            "max_num_load_retries",
            "load_retry_interval_micros",
            "num_request_iterations_for_warmup",
            "shutdown_grace_seconds",
        ):
            _check(name, getattr(self, name), 0)
        if not self.port and not self.rest_api_port:
            raise FlagError("--port and --rest_api_port are both 0: nothing would be served.")
        if not self.model_name:
            raise FlagError("--model_name must not be empty.")
        if not self.model_base_path:
            raise FlagError("--model_base_path is missing: name the directory of the versions.")


def parse(arguments: Sequence[str]) -> tuple[Flags, list[str]]:
    """Reads a command line.

    Args:
      arguments: What follows the command's name.

    Returns:
      The flags, and the arguments that are no flag of this server.

    Raises:
      FlagError: A value is of the wrong type or out of range, or a required flag is missing.
    """
    fields = {field.name: field for field in dataclasses.fields(Flags)}
    values: dict[str, Any] = {}
    unknown = []
    for argument in arguments:
        name, equals, text = argument.removeprefix("--").partition("=")
        if not argument.startswith("--") or name not in fields:
            unknown.append(argument)
        else:
            values[name] = _value(name, str(fields[name].type), text if equals else None)
    return Flags(**values), unknown


def usage(program: str) -> str:
    """The list of all flags, one a line."""
    lines = [f"usage: {program}", "Flags:"]
    for field in dataclasses.fields(Flags):
        shown = f"--{field.name}={_shown(field.default)}"
        type_name = _TYPE_NAMES[str(field.type)]
        lines.append(f"\t{shown:{_NAME_WIDTH}}{type_name:8}{field.metadata['help']}")
    return "\n".join(lines)


def _check(name: str, value: float, lowest: int, highest: int | None = None) -> None:
    if value < lowest:
        raise FlagError(f"--{name} must be at least {lowest}. Received: {value}.")
    if highest is not None and value > highest:
        raise FlagError(f"--{name} must be at most {highest}. Received: {value}.")


def _value(name: str, type_name: str, text: str | None) -> object:
    if type_name == "bool":
        return _truth(name, text)
    if text is None:
        raise FlagError(f"--{name} needs a value: --{name}={_TYPE_NAMES[type_name]}.")
    if type_name == "str":
        return text
    try:
        return int(text) if type_name == "int" else float(text)
    except ValueError as error:
        raise FlagError(
            f"Couldn't interpret value {text} for flag {name}: it must be a number."
        ) from error


def _truth(name: str, text: str | None) -> bool:
    word = (text or "").lower()
    if text is None or word in _TRUE:
        return True
    if word in _FALSE:
        return False
    raise FlagError(f"Couldn't interpret value {text} for flag {name}: it must be true or false.")


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return f'"{value}"' if isinstance(value, str) else str(value)
