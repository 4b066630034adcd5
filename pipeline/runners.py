"""Runners: where the Beam job runs, as the arguments after `--` say."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from apache_beam.options.pipeline_options import (
    PipelineOptions,
    SetupOptions,
    StandardOptions,
)

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
        f"missing or empty; {DEFAULT_RUNNER}, FlinkRunner, SparkRunner and DataflowRunner compute "
        "them all"
    ),
}


def pipeline_options(arguments: Sequence[str]) -> PipelineOptions:
    """Beam's options from command-line arguments.

    The runner is `FnApiRunner` where none is named, and a setup file is made absolute: Beam does
    not find one named without its directory.

    Raises:
      ConfigError: The runner is one that cannot be relied on, the setup file is missing, or an
        option is unknown. Another runner than the default one may know options that Beam does not.
    """
    options = PipelineOptions(list(arguments))
    standard = options.view_as(StandardOptions)
    standard.runner = standard.runner or DEFAULT_RUNNER
    reason = _REFUSED.get(standard.runner.rpartition(".")[2].lower())
    if reason is not None:
        raise ConfigError(f"--runner={standard.runner} is refused: {reason}.")
    if standard.runner == DEFAULT_RUNNER:
        _check_known(options)
    setup = options.view_as(SetupOptions)
    if setup.setup_file is not None:
        path = Path(setup.setup_file).resolve()
        if not path.is_file():
            raise ConfigError(f"--setup_file={setup.setup_file}: there is no such file.")
        setup.setup_file = str(path)
    return options


def _check_known(options: PipelineOptions) -> None:
    """Beam passes over an option it does not know: `--runer=FlinkRunner` would run here."""
    given = options.get_all_options(retain_unknown_options=True)
    unknown = sorted(set(given) - set(options.get_all_options()))
    if unknown:
        raise ConfigError(f"--{unknown[0]}: neither Beam nor {DEFAULT_RUNNER} has this option.")
