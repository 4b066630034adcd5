"""Runners: where the Beam job runs, as the arguments after `--` say.

`docs/runners.md` tells what each needs, and which were tried.
"""

from __future__ import annotations

import contextlib
import io
import logging
import shutil
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import grpc
from apache_beam.options.pipeline_options import (
    FlinkRunnerOptions,
    JobServerOptions,
    PipelineOptions,
    PortableOptions,
    PrismRunnerOptions,
    SetupOptions,
    SparkRunnerOptions,
    StandardOptions,
)

from components.errors import ConfigError, RunnerError

DEFAULT_RUNNER = "FnApiRunner"
"""Runs in this process, and says so: Beam's own default is a runner that chooses another."""
RUNNERS = (DEFAULT_RUNNER, "PrismRunner", "FlinkRunner", "SparkRunner", "PortableRunner")
"""Runners that the job can be given to. The last reaches any that has a job server."""

_CHOOSES_ANOTHER = (
    "it looks for a runner to download before it falls back on another, with other errors and "
    f"other metrics; {DEFAULT_RUNNER} is the one it falls back on"
)
_REFUSED = {
    "directrunner": _CHOOSES_ANOTHER,
    "switchingdirectrunner": _CHOOSES_ANOTHER,
    "daskrunner": (
        "it computes only the last output of a job, and reports success over files that are "
        "missing or empty"
    ),
    "dataflowrunner": (
        "the job writes its files to `work_dir`, and Dataflow's workers share no disk with this "
        "machine"
    ),
}
_BEAM_RUNNERS = "apache_beam.runners."
_MESSAGE_THREAD = "wait_until_finish_read"
_LAST_MESSAGES_S = 10
_TRACEBACK = "Traceback (most recent call last)"


def pipeline_options(arguments: Sequence[str]) -> PipelineOptions:
    """Beam's options from command-line arguments.

    The runner is `FnApiRunner` where none is named, and a setup file is made absolute: Beam does
    not find one named without its directory.

    Raises:
      ConfigError: The runner is unknown or one that cannot be relied on, or lacks what it is
        started with; the setup file is missing; or an option is unknown or has a value it cannot
        take. Another runner than the default one may know options that Beam does not.
    """
    if arguments and not arguments[0].startswith("-"):
        raise ConfigError(f"{arguments[0]}: not an option of Beam; a value is set with --set.")
    options = PipelineOptions(list(arguments))
    known, given = _parse(options)
    standard = options.view_as(StandardOptions)
    standard.runner = _runner(standard.runner or DEFAULT_RUNNER)
    unknown = sorted(given - known)
    if unknown and standard.runner == DEFAULT_RUNNER:
        # Beam passes over an option it does not know: `--runer=FlinkRunner` would run here.
        raise ConfigError(f"--{unknown[0]}: neither Beam nor {DEFAULT_RUNNER} has this option.")
    _check_job_server(options)
    setup = options.view_as(SetupOptions)
    if setup.setup_file is not None:
        _check_file("--setup_file", setup.setup_file)
        setup.setup_file = str(Path(setup.setup_file).resolve())
    return options


@contextlib.contextmanager
def failures_told(options: PipelineOptions) -> Iterator[None]:
    """Tells in one sentence that a runner elsewhere could not be reached, or gave the job up.

    What carries the traceback of a worker passes unchanged: it is a defect of ours.

    Raises:
      RunnerError: The job was not done, for a reason that lies with the runner.
    """
    # Taken before: a portable runner removes its name from the options.
    runner = options.view_as(StandardOptions).runner
    endpoint = options.view_as(PortableOptions).job_endpoint
    try:
        with _lost_connection_raised_once():
            yield
    except grpc.FutureTimeoutError as error:
        timeout_s = options.view_as(PortableOptions).job_server_timeout
        raise RunnerError(
            f"--job_endpoint={endpoint}: no job server answered there in {timeout_s} s; start it, "
            "or name the endpoint of one that runs."
        ) from error
    except grpc.RpcError as error:
        told = error.details() if isinstance(error, grpc.Call) else error
        raise RunnerError(
            f"--runner={runner}: the connection to the job server at {endpoint or 'localhost'} "
            f"broke ({told}); see what its log says, and run the command again."
        ) from error
    except RuntimeError as error:
        if runner == DEFAULT_RUNNER or _TRACEBACK in str(error):
            raise
        raise RunnerError(
            f"--runner={runner}: the job was not done ({str(error).rstrip('.')}); mend what this "
            "names, and run the command again."
        ) from error


@contextlib.contextmanager
def _lost_connection_raised_once() -> Iterator[None]:
    """Keeps Beam's thread that reads messages from printing what its main thread raises too."""
    print_error = threading.excepthook

    def print_other_error(ended: threading.ExceptHookArgs) -> None:
        if not isinstance(ended.exc_value, grpc.RpcError):
            print_error(ended)

    threading.excepthook = print_other_error
    try:
        yield
    finally:
        for thread in threading.enumerate():
            if thread.name == _MESSAGE_THREAD:
                thread.join(_LAST_MESSAGES_S)
        threading.excepthook = print_error


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


def _runner(name: str) -> str:
    """The runner of `RUNNERS` that a name stands for, in any case, with or without its module."""
    module, _, last = name.strip().rpartition(".")
    reason = _REFUSED.get(last.lower())
    if reason is not None:
        raise ConfigError(f"--runner={name} is refused: {reason}.")
    known = {runner.lower(): runner for runner in RUNNERS}
    if last.lower() not in known or not f"{module}.".startswith((".", _BEAM_RUNNERS)):
        others = ", ".join(RUNNERS[:-1])
        raise ConfigError(
            f"--runner={name}: the job can be given to {others} or {RUNNERS[-1]}, not to this."
        )
    return known[last.lower()]


def _check_job_server(options: PipelineOptions) -> None:
    """Checks that the runner names a job server, or can start its own."""
    runner = options.view_as(StandardOptions).runner
    if runner == DEFAULT_RUNNER or options.view_as(PortableOptions).job_endpoint:
        return
    if runner == "PortableRunner":
        raise ConfigError(
            "--runner=PortableRunner needs --job_endpoint=HOST:PORT, where a job server listens."
        )
    if runner == "PrismRunner":
        _check_file("--prism_location", options.view_as(PrismRunnerOptions).prism_location)
        return
    flink, spark = options.view_as(FlinkRunnerOptions), options.view_as(SparkRunnerOptions)
    if runner == "FlinkRunner":
        _check_file("--flink_job_server_jar", flink.flink_job_server_jar)
        needs_java = not flink.flink_submit_uber_jar
    else:
        _check_file("--spark_job_server_jar", spark.spark_job_server_jar)
        needs_java = not spark.spark_submit_uber_jar
    java = options.view_as(JobServerOptions).job_server_java_launcher
    if needs_java and shutil.which(java) is None:
        raise ConfigError(
            f"--runner={runner}: its job server needs Java, and there is no program {java!r}; "
            "install a Java runtime, or name one with --job_server_java_launcher."
        )


def _check_file(option: str, value: str | None) -> None:
    """Checks that a file is there, unless the option is absent or names a URL."""
    if value is not None and "://" not in value and not Path(value).is_file():
        raise ConfigError(f"{option}={value}: there is no such file.")
