"""The run file: one TOML file that holds the config of every component.

    name, seed, work_dir, model_dir
    [data] [split] [queries] [candidates] [frequencies]   what `prepare` makes
    [model] [train]                                       what `train` makes
    [evaluate]                                            what is measured
    [export]                                              what is published

Paths are relative to the directory that the command is run in.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, cast

from pydantic import ConfigDict, Field, ValidationError, model_validator
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
    work_dir: Path = Path()
    """Where the artifacts lie."""
    model_dir: Path = Path()
    """Where versions are published: the base path of the model server."""
    model: ModelConfig = ModelConfig()
    train: TrainingConfig = TrainingConfig()
    evaluate: EvaluationConfig = EvaluationConfig()
    export: ExportConfig = ExportConfig()

    @model_validator(mode="before")
    @classmethod
    def _default_directories(cls, values: Any) -> Any:  # noqa: ANN401 -- whatever the file holds
        if isinstance(values, dict) and "name" in values:
            values = {"work_dir": f"runs/{values['name']}", **values}
            values = {"model_dir": f"{values['work_dir']}/published", **values}
        return values

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
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"{path}: there is no such run file.") from None
    except (OSError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path}: the run file cannot be read ({error}).") from error
    except tomllib.TOMLDecodeError as error:
        raise ConfigError(f"{path}: not valid TOML: {error}.") from error
    for override in overrides:
        _override(values, override)
    try:
        return Run.model_validate(values)
    except ValidationError as error:
        faults = [_sentence(fault, values) for fault in error.errors(include_url=False)]
        raise ConfigError(f"{path}: {'; '.join(faults)}") from error


def _override(values: dict[str, Any], override: str) -> None:
    key, equals, text = override.partition("=")
    *sections, name = key.strip().split(".")
    if not equals or not all([*sections, name]):
        raise ConfigError(
            f"--set {override}: write it as section.key=value, for example train.epochs=5."
        )
    for section in sections:
        values = values.setdefault(section, {})
        if not isinstance(values, dict):
            raise ConfigError(f"--set {override}: {section} is a value, not a section.")
    try:
        values[name] = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        values[name] = text


def _sentence(fault: ErrorDetails, values: Mapping[str, Any]) -> str:
    """One fault as `key: rule (got value)`."""
    key = _key(fault["loc"], values)
    rule = fault["msg"].removeprefix("Value error, ")
    if fault["type"] == "extra_forbidden":
        return f"{key}: there is no such key (got {fault['input']!r})"
    if fault["type"] == "missing":
        return f"{key}: this key is required"
    if fault["type"] == "value_error" and isinstance(fault["input"], dict):
        return f"{key}: {rule}" if key else rule
    return f"{key}: {rule} (got {fault['input']!r})"


def _key(location: Sequence[int | str], values: object) -> str:
    """The dotted key in the file; the tag of a union, which is no key there, is left out."""
    parts: list[str] = []
    for index, part in enumerate(location):
        last = index == len(location) - 1
        if isinstance(values, dict):
            table = cast("dict[object, object]", values)
            if part in table or last:
                parts.append(str(part))
                values = table.get(part)
        elif isinstance(values, list) and isinstance(part, int):
            parts[-1] += f"[{part}]"
            values = values[part] if part < len(values) else None
        elif last and not isinstance(part, int):
            parts.append(str(part))
    return ".".join(parts)
