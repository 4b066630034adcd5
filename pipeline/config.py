"""The run file: one TOML file that holds the config of every component.

    name, seed, work_dir, model_dir
    [data] [split] [queries] [candidates] [frequencies]   what `prepare` makes
    [model] [train]                                       what `train` makes
    [evaluate]                                            what is measured
    [export]                                              what is published

Paths are relative to the directory that the command is run in.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, cast

from pydantic import ConfigDict, Field, ValidationError
from pydantic_core import ErrorDetails

from components.errors import ConfigError
from components.evaluation import EvaluationConfig
from components.export import ExportConfig
from components.model import ModelConfig
from components.preparation import PreparationConfig
from components.training import TrainingConfig


class Run(PreparationConfig):
    """A whole run: the sections of the preparation, and those of the steps after it."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")]
    """What the run is called; names the default `work_dir`, `runs/<name>`."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Decides all that is random: the order of rows, the initial weights, what is sampled."""
    work_dir: Path
    """Where the artifacts lie; `runs/<name>` where the file does not say."""
    model_dir: Path
    """Where versions are published: a server's base path; `<work_dir>/published` by default."""
    model: ModelConfig = ModelConfig()
    train: TrainingConfig = TrainingConfig()
    evaluate: EvaluationConfig = EvaluationConfig()
    export: ExportConfig = ExportConfig()

    @property
    def preparation(self) -> PreparationConfig:
        """The part of the run that decides the prepared artifact."""
        return PreparationConfig.model_construct(
            **{name: getattr(self, name) for name in PreparationConfig.model_fields}
        )


def load(path: Path, overrides: Sequence[str] = ()) -> Run:
    """Reads and checks a run file.

    Args:
      path: The TOML file.
      overrides: `section.key=value`, the value as TOML; what is not TOML is taken as text.

    Raises:
      ConfigError: The file is missing or not TOML, or a value breaks a rule; the sentence names the
        file, the key, the value and the rule.
    """
    values = _read(path)
    for override in overrides:
        _override(values, override)
    work_dir = values.setdefault("work_dir", f"runs/{values.get('name')}")
    values.setdefault("model_dir", f"{work_dir}/published")
    try:
        # As JSON, for its strict types: `true` is no number, and an array may be a tuple.
        return Run.model_validate_json(json.dumps(values, default=str), strict=True)
    except ValidationError as error:
        faults = [fault for fault in error.errors(include_url=False) if not _follows(fault)]
        told = [_sentence(fault, values) for fault in faults]
        raise ConfigError(f"{path}: {'; '.join(told)}") from error


def _read(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such run file.") from None
    except OSError as error:
        raise ConfigError(f"{path}: the run file cannot be read ({error.strerror}).") from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"{path}: the run file is not UTF-8 ({error}).") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}.") from error


def _override(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    *sections, name = key.strip().split(".")
    told = f"--set {_shown(override)}"
    if not equals or not all([*sections, name]):
        raise ConfigError(f"{told}: write it as section.key=value, for example train.epochs=5.")
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise ConfigError(f"{told}: {_quoted(section)} is a value, not a section.")
    values[name] = _toml_value(text)


def _toml_value(text: str) -> object:
    try:
        parsed = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    return parsed["value"] if len(parsed) == 1 else text


def _follows(fault: ErrorDetails) -> bool:
    """Whether a list is too short only because its items are faulty."""
    return fault["type"] == "too_short" and fault.get("ctx", {})["actual_length"] < len(
        fault["input"]
    )


def _sentence(fault: ErrorDetails, values: Mapping[str, Any]) -> str:
    """One fault as `key: rule (got value)`."""
    kind, given = fault["type"], fault["input"]
    key = ".".join(_key(fault["loc"], values, is_unknown=kind == "extra_forbidden"))
    got = f"(got {_shown(repr(given))})"
    if kind == "extra_forbidden":
        return f"{key}: there is no such key {got}"
    if kind == "missing":
        return f"{key}: this key is required"
    if kind == "union_tag_not_found":
        return f"{key}.kind: this key is required"
    if kind == "union_tag_invalid":
        allowed = fault.get("ctx", {})["expected_tags"]
        return f"{key}.kind: Input should be one of {allowed} (got {_shown(repr(given['kind']))})"
    if kind == "too_short":
        return f"{key}: Input should hold at least {fault.get('ctx', {})['min_length']} {got}"
    rule = _RULES.get(kind, fault["msg"].removeprefix("Value error, "))
    if kind == "value_error" and isinstance(given, dict):
        return f"{key}: {rule}" if key else rule
    return f"{key}: {rule} {got}"


def _key(location: Sequence[int | str], values: object, *, is_unknown: bool) -> list[str]:
    """The parts of the dotted key in the file.

    Pydantic puts the tag of a union into the path, which is no key there: it is left out. A key may
    be called like the tag where the tag stands before it, or as the last part that is unknown.
    """
    parts: list[str] = []
    is_tag = False
    for index, part in enumerate(location):
        if isinstance(values, list) and isinstance(part, int):
            parts[-1] += f"[{part}]"
            values = values[part]
            continue
        table = cast("dict[object, object]", values) if isinstance(values, dict) else {}
        is_key = is_tag or (is_unknown and index == len(location) - 1)
        is_tag = not is_key and table.get("kind") == part
        if not is_tag:
            parts.append(_quoted(str(part)))
            values = table.get(part)
    return parts


def _quoted(key: str) -> str:
    """The key as TOML writes it: bare where it can be."""
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else json.dumps(key, ensure_ascii=False)


def _shown(text: str) -> str:
    """The text in one line, cut where it is long."""
    text = " ".join(text.split())
    return text if len(text) <= _LONGEST_SHOWN else f"{text[:_LONGEST_SHOWN]}..."


_LONGEST_SHOWN = 120

_RULES = {
    "model_type": "Input should be a section",
    "model_attributes_type": "Input should be a section",
    "dict_type": "Input should be a section",
    "tuple_type": "Input should be a list",
}
"""Faults that pydantic tells in its own words, by their type."""
