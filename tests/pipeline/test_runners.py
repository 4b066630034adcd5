from pathlib import Path

import pytest
from apache_beam.options.pipeline_options import DirectOptions, SetupOptions, StandardOptions

from components.errors import ConfigError
from pipeline.runners import DEFAULT_RUNNER, pipeline_options


def runner(*arguments):
    return pipeline_options(arguments).view_as(StandardOptions).runner


def test_a_job_runs_in_this_process_unless_another_runner_is_named():
    assert runner() == DEFAULT_RUNNER
    assert runner("--runner=FlinkRunner") == "FlinkRunner"


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("DirectRunner", "looks for a runner to download"),
        ("directrunner", "looks for a runner to download"),
        ("apache_beam.runners.dask.dask_runner.DaskRunner", "files that are missing or empty"),
        ("DaskRunner", "files that are missing or empty"),
    ],
)
def test_an_unreliable_runner_is_refused_with_the_reason(name, reason):
    with pytest.raises(ConfigError, match=rf"--runner={name} is refused: .*{reason}"):
        runner(f"--runner={name}")


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
    assert runner("--runner=PortableRunner", "--some_option=1") == "PortableRunner"


def test_options_that_beam_knows_are_taken():
    options = pipeline_options(["--direct_num_workers=2", "--no_pipeline_type_check"])
    assert options.view_as(DirectOptions).direct_num_workers == 2
