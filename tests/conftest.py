"""What every test stands on.

Legacy Keras before TensorFlow, quiet logs, a deterministic hypothesis profile, and one small run
that is made once and read by many.
"""

import os

os.environ["TF_USE_LEGACY_KERAS"] = "1"
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings

from tests.world import World, write_world

settings.register_profile("shortlist", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("shortlist")

RUN = """
name = "world"
seed = 3
work_dir = "{work_dir}"

[data]
interactions = ["{world.interactions}"]
query = "query_id"
candidate = "candidate_id"
timestamp = "timestamp"

[split]
kind = "per_query_time"

[queries]
files = ["{world.queries}"]
id = "query_id"
features = [
  {{ kind = "categorical", name = "gender" }},
  {{ kind = "numeric", name = "age", boundaries = [30, 50] }},
]

[candidates]
files = ["{world.candidates}"]
id = "candidate_id"
title = "title"
features = [{{ kind = "list", name = "genres" }}]

[model]
embedding_dim = 8

[train]
batch_size = 32
epochs = 12
patience = 12
validation_k = 5
learning_rate = 0.2

[evaluate]
cutoffs = [5, 10]
resamples = 200

[export]
k = 10
golden_requests = 8
"""


@dataclass(frozen=True)
class SmallRun:
    """A run file, with where its world and its artifacts lie."""

    config: Path
    work_dir: Path
    world: World


def write_run(directory: Path, world: World) -> SmallRun:
    """Writes a run file for a world; nothing is run."""
    run = SmallRun(directory / "world.toml", directory / "work", world)
    run.config.write_text(RUN.format(world=world, work_dir=run.work_dir))
    return run


@pytest.fixture(scope="session")
def small_run(tmp_path_factory) -> SmallRun:
    """The 40 x 30 world, prepared, trained, evaluated, exported and published; read it only."""
    from pipeline import config, steps
    from pipeline.runners import pipeline_options

    directory = tmp_path_factory.mktemp("small_run")
    small = write_run(directory, write_world(directory / "world"))
    run = config.load(small.config)
    prepared = steps.prepare(run, pipeline_options([]))
    checkpoint = steps.train(run, prepared)
    steps.evaluate(run, prepared, checkpoint)
    steps.publish(run, steps.export(run, prepared, checkpoint))
    return small
