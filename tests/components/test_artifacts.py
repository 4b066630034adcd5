import json

import pytest

from components.artifacts import Artifact, Manifest, Metrics, Prepared
from components.errors import ArtifactError


def build_counting(calls):
    def build(directory):
        calls.append(sorted(path.name for path in directory.iterdir()))
        (directory / "rows.txt").write_text("one\ntwo\n")
        return {"rows": 2}

    return build


def test_an_artifact_is_built_once_for_one_recipe(tmp_path):
    calls = []
    Prepared.make(tmp_path / "prepared", {"k": 1}, {"a": "x"}, build_counting(calls))
    made = Prepared.make(tmp_path / "prepared", {"k": 1}, {"a": "x"}, build_counting(calls))
    assert len(calls) == 1
    assert made.manifest.counts == {"rows": 2}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["prepared"]


@pytest.mark.parametrize(("config", "inputs"), [({"k": 2}, {"a": "x"}), ({"k": 1}, {"a": "y"})])
def test_a_changed_config_or_input_builds_again(tmp_path, config, inputs):
    calls = []
    Prepared.make(tmp_path / "prepared", {"k": 1}, {"a": "x"}, build_counting(calls))
    Prepared.make(tmp_path / "prepared", config, inputs, build_counting(calls))
    assert len(calls) == 2


def test_a_build_that_dies_leaves_nothing_that_looks_whole(tmp_path):
    def dies(directory):
        (directory / "half").write_text("half")
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        Prepared.make(tmp_path / "prepared", {}, {}, dies)
    with pytest.raises(ArtifactError, match="no complete artifact here"):
        Prepared.open(tmp_path / "prepared")


@pytest.mark.parametrize(
    ("resumable", "found"), [(True, ["fingerprint", "half"]), (False, ["fingerprint"])]
)
def test_only_a_resumable_build_finds_what_its_forerunner_left(tmp_path, resumable, found):
    def dies(directory):
        (directory / "half").write_text("half")
        raise RuntimeError("killed")

    calls = []
    with pytest.raises(RuntimeError):
        Prepared.make(tmp_path / "p", {}, {}, dies, resumable=resumable)
    Prepared.make(tmp_path / "p", {}, {}, build_counting(calls), resumable=resumable)
    assert calls == [found]


def test_a_resumable_build_of_another_recipe_starts_empty(tmp_path):
    def dies(directory):
        (directory / "half").write_text("half")
        raise RuntimeError("killed")

    calls = []
    with pytest.raises(RuntimeError):
        Prepared.make(tmp_path / "p", {}, {}, dies, resumable=True)
    Prepared.make(tmp_path / "p", {"other": 1}, {}, build_counting(calls), resumable=True)
    assert calls == [["fingerprint"]]


def test_a_failed_rebuild_keeps_the_old_artifact(tmp_path):
    Prepared.make(tmp_path / "p", {}, {}, build_counting([]))

    def dies(directory):
        raise RuntimeError("killed")

    with pytest.raises(RuntimeError):
        Prepared.make(tmp_path / "p", {"other": 1}, {}, dies)
    assert Prepared.open(tmp_path / "p").manifest.recipe.config == {}


def test_the_manifest_is_the_same_bytes_for_the_same_recipe(tmp_path):
    for name in ("a", "b"):
        Prepared.make(tmp_path / name, {"k": 1}, {"i": "x"}, build_counting([]))
    assert (tmp_path / "a/manifest.json").read_bytes() == (
        tmp_path / "b/manifest.json"
    ).read_bytes()


def test_another_kind_is_refused_by_name(tmp_path):
    Prepared.make(tmp_path / "p", {}, {}, build_counting([]))
    with pytest.raises(ArtifactError, match="'prepared' artifact where a 'metrics' is needed"):
        Metrics.open(tmp_path / "p")


@pytest.mark.parametrize("text", ["", "{", "[]", json.dumps({"kind": "prepared"})])
def test_a_damaged_manifest_is_one_clear_error(tmp_path, text):
    (tmp_path / "manifest.json").write_text(text)
    with pytest.raises(ArtifactError, match="not a readable manifest"):
        Manifest.read(tmp_path)


def test_every_artifact_names_its_kind():
    kinds = [kind.kind for kind in Artifact.__subclasses__()]
    assert len(kinds) == len(set(kinds)) == 7


def test_another_version_of_the_software_builds_again(tmp_path, monkeypatch):
    calls = []
    Prepared.make(tmp_path / "p", {}, {}, build_counting(calls))
    monkeypatch.setattr("components.artifacts._software", lambda: {"tensorflow": "3.0"})
    Prepared.make(tmp_path / "p", {}, {}, build_counting(calls))
    assert len(calls) == 2


def test_a_build_that_dies_before_its_rename_is_continued(tmp_path, monkeypatch):
    calls = []
    with monkeypatch.context() as patch:
        patch.setattr("components.artifacts._replace", lambda *_: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            Prepared.make(tmp_path / "p", {}, {}, build_counting(calls), resumable=True)
    Prepared.make(tmp_path / "p", {}, {}, build_counting(calls), resumable=True)
    assert calls[1] == ["fingerprint", "manifest.json", "rows.txt"]


def test_two_runs_cannot_build_in_one_directory(tmp_path):
    def meanwhile(directory):
        # A lock belongs to an open file: a second one in this process is as good as a process.
        with pytest.raises(ArtifactError, match="another run is at work there"):
            Metrics.make(tmp_path / "m", {}, {}, build_counting([]))
        return {}

    Prepared.make(tmp_path / "p", {}, {}, meanwhile)
    Metrics.make(tmp_path / "m", {}, {}, build_counting([]))
