"""The artifacts of the small run, opened once for the tests that read them."""

import pytest

from components.artifacts import Checkpoint, Prepared, ServingModel
from pipeline import config, steps


@pytest.fixture(scope="session")
def prepared(small_run):
    return Prepared.open(small_run.work_dir / "prepared")


@pytest.fixture(scope="session")
def checkpoint(small_run):
    return Checkpoint.open(small_run.work_dir / "checkpoint")


@pytest.fixture(scope="session")
def embedded(small_run, prepared, checkpoint):
    return steps.embedded(config.load(small_run.config), prepared, checkpoint)


@pytest.fixture(scope="session")
def exported(small_run):
    return ServingModel.open(small_run.work_dir / "export").saved_model
