"""Runners: where the Beam job runs, as the arguments after `--` say."""

from __future__ import annotations

import contextlib
import io
import logging
from collections.abc import Sequence
from pathlib import Path

from apache_beam.options.pipeline_options import (
    PipelineOptions,
    SetupOptions,
    StandardOptions,
)
from apache_beam.runners.runner import create_runner

from components.errors import ConfigError

DEFAULT_RUNNER = "FnApiRunner"
"""Runs in this process, and says so: Beam's own default is a runner that chooses another."""

_REFUSED = {
    "directrunner": (
        "it looks for a runner to download before it falls back on another, with other errors and "
        f"other metrics; {DEFAULT_RUNNER} is the one it falls back on"
    ),
    "daskrunner": (
        "it computes only the last output of a job, and reports success over files that are "
        "missing or empty"
    ),
}


def pipeline_options(arguments: Sequence[str]) -> PipelineOptions:
    """Beam's options from command-line arguments.

    The runner is `FnApiRunner` where none is named, and a setup file is made absolute: Beam does
    not find one named without its directory.

    Raises:
      ConfigError: The runner is unknown or one that cannot be relied on, the setup file is missing,
        or an option is unknown or has a value it cannot take. Another runner than the default one
        may know options that Beam does not.
    """
    if arguments and not arguments[0].startswith("-"):
        raise ConfigError(f"{arguments[0]}: not an option of Beam; a value is set with --set.")
    options = PipelineOptions(list(arguments))
    known, given = _parse(options)
    standard = options.view_as(StandardOptions)
    standard.runner = standard.runner or DEFAULT_RUNNER
    _check_runner(standard.runner)
    unknown = sorted(given - known)
    if unknown and standard.runner == DEFAULT_RUNNER:
        # Beam passes over an option it does not know: `--runer=FlinkRunner` would run here.
        raise ConfigError(f"--{unknown[0]}: neither Beam nor {DEFAULT_RUNNER} has this option.")
    setup = options.view_as(SetupOptions)
    if setup.setup_file is not None:
        path = Path(setup.setup_file).resolve()
        if not path.is_file():
            raise ConfigError(f"--setup_file={setup.setup_file}: there is no such file.")
        setup.setup_file = str(path)
    return options


def _parse(options: PipelineOptions) -> tuple[set[str], set[str]]:
    """The names that Beam knows, and the names that were given, known or not."""
    told = io.StringIO()
    logger = logging.getLogger("apache_beam.options.pipeline_options")
    level = logger.level
    # Beam tells of an unknown option by a warning, and of a bad value by its whole usage.
    logger.setLevel(logging.ERROR)
    try:
        with contextlib.redirect_stderr(told):
            known = set(options.get_all_options())
            given = set(options.get_all_options(retain_unknown_options=True))
    except SystemExit:
        (*_, last) = told.getvalue().strip().splitlines()
        raise ConfigError(f"Beam refuses its options: {last.partition('error: ')[2]}.") from None
    finally:
        logger.setLevel(level)
    return known, given


def _check_runner(name: str) -> None:
    reason = _REFUSED.get(name.rpartition(".")[2].lower())
    if reason is not None:
        raise ConfigError(f"--runner={name} is refused: {reason}.")
    try:
        create_runner(name)
    except (ValueError, ImportError, AttributeError) as error:
        raise ConfigError(f"--runner={name}: Beam has no such runner ({error}).") from error
