import json
import shutil

import numpy as np
import pyarrow.parquet as pq
import pytest

from components.artifacts import Prepared
from components.questions import Question
from pipeline import config, steps
from pipeline.runners import pipeline_options
from tests.conftest import write_run
from tests.world import write_world


@pytest.fixture
def unrun(tmp_path):
    return write_run(tmp_path, write_world(tmp_path / "world"))


@pytest.fixture
def built(monkeypatch):
    """The steps that were built rather than reused, in order; each builds an empty artifact."""
    names: list[str] = []

    def building(name):
        def build(*_, **__):
            names.append(name)
            return {}

        return build

    monkeypatch.setattr(steps.job, "prepare", building("prepare"))
    monkeypatch.setattr(steps.training, "train", building("train"))
    monkeypatch.setattr(steps.evaluation, "evaluate", building("evaluate"))
    monkeypatch.setattr(steps.exporting, "export", building("export"))
    monkeypatch.setattr(steps, "embedded", lambda *_: None)
    monkeypatch.setattr(steps, "_trained", lambda *_: None)
    return names


def do_all(small, *overrides):
    run = config.load(small.config, overrides)
    prepared = steps.prepare(run, pipeline_options([]))
    checkpoint = steps.train(run, prepared)
    steps.evaluate(run, prepared, checkpoint)
    steps.export(run, prepared, checkpoint)


ALL = ["prepare", "train", "evaluate", "export"]


@pytest.mark.parametrize(
    ("override", "stale"),
    [
        ("data.max_reject_share=0.5", ALL),
        ("split.test=0.3", ALL),
        ("queries.features=[]", ALL),
        ("frequencies.smoothing=1", ALL),
        ("shards=2", ALL),
        ("seed=4", ALL),
        ("train.epochs=3", ALL[1:]),
        ("model.embedding_dim=4", ALL[1:]),
        ("model.objective.log_q=none", ALL[1:]),
        ("evaluate.cutoffs=[5]", ["evaluate"]),
        ("export.k=5", ["export"]),
        ("model_dir=elsewhere", []),
        ("name=other", ["export"]),
    ],
)
def test_a_change_makes_stale_what_depends_on_it_and_nothing_else(built, unrun, override, stale):
    do_all(unrun)
    assert built == ALL
    built.clear()
    do_all(unrun, override)
    assert built == stale
    built.clear()
    do_all(unrun, override)
    assert built == []


@pytest.fixture
def precompute(built, unrun, monkeypatch):
    """Precomputes with a version of two files that is made up; tells whether that was built."""
    do_all(unrun)
    version = unrun.work_dir / "published" / "1"
    (version / "variables").mkdir(parents=True)
    (version / "saved_model.pb").write_text("graph")
    (version / "variables" / "data").write_text("weights")
    monkeypatch.setattr(steps.asking, "precompute", lambda *_: {"queries": 40})

    def precompute(*overrides, k=10, exclude_seen=True):
        run = config.load(unrun.config, overrides)
        options = pipeline_options([])
        prepared, question = steps.prepare(run, options), Question(k, exclude_seen)
        version = steps.published(run)
        precomputed, rate = steps.precompute(run, prepared, version, question, options)
        assert precomputed.manifest.counts == {"queries": 40}
        return rate is not None

    assert precompute()
    return precompute


@pytest.mark.parametrize(
    ("change", "is_stale"),
    [({}, False), ({"k": 11}, True), ({"exclude_seen": False}, True)],
)
def test_another_question_is_asked_again(precompute, change, is_stale):
    assert precompute(**change) is is_stale
    assert not precompute(**change)


@pytest.mark.parametrize(
    ("override", "is_stale"), [("train.epochs=3", False), ("split.test=0.3", True)]
)
def test_other_prepared_data_is_asked_for_again(precompute, override, is_stale):
    assert precompute(override) is is_stale


def test_a_newer_version_is_asked_and_the_same_bytes_are_not(precompute, unrun):
    published = unrun.work_dir / "published"
    shutil.copytree(published / "1", published / "2")
    assert not precompute()
    (published / "2" / "variables" / "data").write_text("others!")
    assert precompute()


def test_going_back_to_an_older_config_builds_again(built, unrun):
    do_all(unrun, "train.epochs=3")
    do_all(unrun, "train.epochs=4")
    built.clear()
    do_all(unrun, "train.epochs=3")
    assert built == ALL[1:]


def test_other_rows_make_everything_stale(built, unrun):
    do_all(unrun)
    built.clear()
    table = pq.read_table(unrun.world.interactions)
    pq.write_table(table.slice(1), unrun.world.interactions)
    do_all(unrun)
    assert built == ALL


def test_the_same_bytes_with_another_time_or_place_make_nothing_stale(built, unrun, tmp_path):
    do_all(unrun)
    built.clear()
    unrun.world.interactions.touch()
    do_all(unrun)
    moved = tmp_path / "moved"
    moved.mkdir()
    unrun.world.interactions.rename(moved / unrun.world.interactions.name)
    do_all(unrun, f"data.interactions=['{moved}']")
    assert built == []


def dies_once(monkeypatch, module, name, left_behind):
    """Makes a builder die after its first file; later it tells whether the file is still there."""

    def build(directory):
        path = directory / "half"
        left_behind.append(path.exists())
        path.touch()
        if len(left_behind) == 1:
            raise KeyboardInterrupt
        return {}

    position = {"prepare": 1, "train": 3}[name]
    monkeypatch.setattr(module, name, lambda *arguments: build(arguments[position]))


def test_training_goes_on_from_what_was_left(built, unrun, monkeypatch):
    left_behind: list[bool] = []
    dies_once(monkeypatch, steps.training, "train", left_behind)
    with pytest.raises(KeyboardInterrupt):
        do_all(unrun)
    assert not (unrun.work_dir / "checkpoint").exists()
    do_all(unrun)
    assert left_behind == [False, True]
    assert built == ALL[:1] + ALL[2:]


def test_training_of_another_config_starts_anew(built, unrun, monkeypatch):
    left_behind: list[bool] = []
    dies_once(monkeypatch, steps.training, "train", left_behind)
    with pytest.raises(KeyboardInterrupt):
        do_all(unrun)
    do_all(unrun, "train.epochs=3")
    assert left_behind == [False, False]


def test_a_preparation_starts_anew(built, unrun, monkeypatch):
    left_behind: list[bool] = []
    dies_once(monkeypatch, steps.job, "prepare", left_behind)
    with pytest.raises(KeyboardInterrupt):
        do_all(unrun)
    assert not (unrun.work_dir / "prepared").exists()
    do_all(unrun)
    assert left_behind == [False, False]


def test_every_artifact_tells_what_it_was_made_from(small_run):
    manifests = {
        name: json.loads((small_run.work_dir / name / "manifest.json").read_text())
        for name in ("prepared", "checkpoint", "metrics", "export")
    }
    fingerprints = {name: manifest["fingerprint"] for name, manifest in manifests.items()}
    own = {name: fingerprints[name] for name in ("prepared", "checkpoint")}
    assert manifests["checkpoint"]["inputs"] == {"prepared": own["prepared"]}
    assert manifests["metrics"]["inputs"] == own
    assert manifests["export"]["inputs"] == own
    assert all(str(small_run.work_dir) not in json.dumps(each) for each in manifests.values())


def test_what_is_published_is_what_was_exported(small_run):
    exported, published = (
        {
            path.relative_to(directory).as_posix(): path.read_bytes()
            for path in directory.rglob("*")
            if path.is_file()
        }
        for directory in (small_run.work_dir / "export/model", small_run.work_dir / "published/1")
    )
    assert exported == published


def test_the_embeddings_are_those_of_the_trained_model(small_run):
    run = config.load(small_run.config)
    prepared = Prepared.open(small_run.work_dir / "prepared")
    checkpoint = steps.Checkpoint.open(small_run.work_dir / "checkpoint")
    once, again = (steps.embedded(run, prepared, checkpoint) for _ in range(2))
    assert np.array_equal(once.queries, again.queries)
    untrained = steps._model(run, prepared, ["train"])
    assert not np.allclose(untrained.query_tower(np.arange(5)).numpy(), once.queries[:5])
    assert np.linalg.norm(once.candidates, axis=1) == pytest.approx(1, abs=1e-5)
