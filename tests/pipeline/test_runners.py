import sys
from pathlib import Path

import pytest
from apache_beam.options.pipeline_options import DirectOptions, SetupOptions, StandardOptions

from components.errors import ConfigError, DataError, RunnerError
from pipeline.runners import DEFAULT_RUNNER, failures_told, pipeline_options

JAVA = f"--job_server_java_launcher={sys.executable}"
"""Some program: nothing is started."""


def runner(*arguments):
    return pipeline_options(arguments).view_as(StandardOptions).runner


def test_a_job_runs_in_this_process_unless_another_runner_is_named():
    assert runner() == DEFAULT_RUNNER
    assert runner("--runner=FlinkRunner", JAVA) == "FlinkRunner"


@pytest.mark.parametrize(
    "name", ["fnapirunner", "apache_beam.runners.portability.fn_api_runner.FnApiRunner"]
)
def test_a_runner_has_one_name_however_it_is_written(name):
    assert runner(f"--runner={name}") == DEFAULT_RUNNER
    with pytest.raises(ConfigError, match="--some_option: neither Beam nor FnApiRunner"):
        runner(f"--runner={name}", "--some_option=1")


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("DirectRunner", "looks for a runner to download"),
        ("directrunner", "looks for a runner to download"),
        ("apache_beam.runners.dask.dask_runner.DaskRunner", "files that are missing or empty"),
        ("DASKRUNNER", "files that are missing or empty"),
        ("apache_beam.runners.direct.direct_runner.SwitchingDirectRunner", "runner to download"),
        ("DataflowRunner", "share no disk with this machine"),
    ],
)
def test_an_unreliable_runner_is_refused_with_the_reason(name, reason):
    with pytest.raises(ConfigError, match=rf"--runner={name} is refused: .*{reason}"):
        runner(f"--runner={name}")


@pytest.mark.parametrize("name", ["NoRunner", "mine.FlinkRunner", "BundleBasedDirectRunner", "x."])
def test_another_runner_is_refused_with_those_that_do(name):
    with pytest.raises(ConfigError, match=rf"--runner={name}: .* FnApiRunner, PrismRunner, "):
        runner(f"--runner={name}")


def test_a_portable_runner_needs_the_endpoint_of_a_job_server():
    with pytest.raises(ConfigError, match="--runner=PortableRunner needs --job_endpoint=HOST:PORT"):
        runner("--runner=PortableRunner")


@pytest.mark.parametrize(
    ("name", "option"),
    [
        ("FlinkRunner", "--flink_job_server_jar"),
        ("SparkRunner", "--spark_job_server_jar"),
        ("PrismRunner", "--prism_location"),
    ],
)
def test_a_missing_job_server_is_an_error(name, option):
    with pytest.raises(ConfigError, match=rf"{option}=none: there is no such file"):
        runner(f"--runner={name}", f"{option}=none", JAVA)
    assert runner(f"--runner={name}", f"{option}=https://host/file", JAVA) == name


@pytest.mark.parametrize("name", ["FlinkRunner", "SparkRunner"])
def test_a_job_server_of_java_needs_java_unless_it_runs_already(name):
    absent = "--job_server_java_launcher=no-java"
    with pytest.raises(ConfigError, match=r"server needs Java, and there is no program 'no-java'"):
        runner(f"--runner={name}", absent)
    assert runner(f"--runner={name}", absent, "--job_endpoint=localhost:8099") == name
    uber = f"--{name.removesuffix('Runner').lower()}_submit_uber_jar"
    assert runner(f"--runner={name}", absent, uber) == name


def test_a_setup_file_is_made_absolute(tmp_path, monkeypatch):
    (tmp_path / "setup.py").touch()
    monkeypatch.chdir(tmp_path)
    options = pipeline_options(["--setup_file", "setup.py"])
    assert Path(options.view_as(SetupOptions).setup_file) == tmp_path / "setup.py"


def test_a_missing_setup_file_is_an_error():
    with pytest.raises(ConfigError, match=r"--setup_file=none\.py: there is no such file"):
        pipeline_options(["--setup_file=none.py"])


def test_an_option_that_beam_would_pass_over_is_refused():
    with pytest.raises(ConfigError, match=r"--runer: neither Beam nor FnApiRunner has this option"):
        pipeline_options(["--runer=FlinkRunner"])


def test_another_runner_may_have_options_of_its_own():
    assert runner("--runner=FlinkRunner", "--some_option=1", JAVA) == "FlinkRunner"


def test_options_that_beam_knows_are_taken():
    options = pipeline_options(["--direct_num_workers=2", "--no_pipeline_type_check"])
    assert options.view_as(DirectOptions).direct_num_workers == 2


def failing(error, *arguments):
    with failures_told(pipeline_options(arguments)):
        raise error


def test_what_a_runner_elsewhere_says_of_a_failed_job_is_told():
    with pytest.raises(RunnerError, match=r"^--runner=PrismRunner: the job was not done \(gone\);"):
        failing(RuntimeError("gone."), "--runner=PrismRunner")


@pytest.mark.parametrize(
    ("error", "name"),
    [
        (RuntimeError("Traceback (most recent call last):\nKeyError: 1"), "PrismRunner"),
        (RuntimeError("gone"), DEFAULT_RUNNER),
        (KeyError("gone"), "PrismRunner"),
        (DataError("no rows"), "PrismRunner"),
    ],
)
def test_a_defect_and_an_error_of_the_data_pass_unchanged(error, name):
    with pytest.raises(type(error)) as raised:
        failing(error, f"--runner={name}")
    assert raised.value is error
