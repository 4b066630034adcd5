import json

import pytest

from components.artifacts import ServingModel
from components.errors import ArtifactError
from components.publish import newest_version, publish, versions


@pytest.fixture
def models(tmp_path):
    def build(name):
        def fill(partial):
            extra = partial / "model" / "assets.extra"
            extra.mkdir(parents=True)
            (extra / "manifest.json").write_text(json.dumps({"made from": name}))
            (partial / "model" / "saved_model.pb").write_text(name)
            return {}

        return ServingModel.make(tmp_path / name, {"name": name}, {}, fill)

    return [build("first"), build("second")]


def test_versions_count_up_from_one(models, tmp_path):
    base = tmp_path / "published"
    assert [publish(model, base).name for model in models] == ["1", "2"]
    assert [(base / version / "saved_model.pb").read_text() for version in "12"] == [
        "first",
        "second",
    ]


def test_the_newest_version_is_not_published_twice(models, tmp_path):
    base = tmp_path / "published"
    assert publish(models[0], base) == publish(models[0], base)
    assert versions(base) == [1]


def test_an_older_model_is_published_again_as_a_new_version(models, tmp_path):
    base = tmp_path / "published"
    for model in (*models, models[0]):
        publish(model, base)
    assert versions(base) == [1, 2, 3]
    assert (base / "3" / "saved_model.pb").read_text() == "first"


def test_numbers_are_compared_as_numbers_and_other_names_passed_over(models, tmp_path):
    base = tmp_path / "published"
    for name in ("9", "10", "v12", ".publishing-1", "11.5"):
        (base / name).mkdir(parents=True)
    (base / "99").write_text("a file is no version")
    assert publish(models[0], base).name == "11"


def test_a_copy_that_is_cut_off_is_no_version(models, tmp_path, monkeypatch):
    base = tmp_path / "published"

    def dies(source, target):
        target.mkdir()
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("components.publish.shutil.copytree", dies)
        with pytest.raises(KeyboardInterrupt):
            publish(models[0], base)
    assert list(base.iterdir()) == []
    assert publish(models[0], base).name == "1"


def test_a_version_that_another_publisher_took_meanwhile_is_not_touched(
    models, tmp_path, monkeypatch
):
    base = tmp_path / "published"
    seen = []

    def slow_versions(directory):
        found = versions(directory)
        if len(seen) == 1:  # after this look, before the rename
            (base / "1").mkdir()
            (base / "1" / "saved_model.pb").write_text("the other's")
        seen.append(found)
        return found

    monkeypatch.setattr("components.publish.versions", slow_versions)
    assert publish(models[0], base).name == "2"
    assert (base / "1" / "saved_model.pb").read_text() == "the other's"
    assert sorted(path.name for path in base.iterdir()) == ["1", "2"]


def test_the_newest_version_is_the_largest_number(models, tmp_path):
    base = tmp_path / "published"
    publish(models[0], base).rename(base / "9")
    assert newest_version(base) == base / "9"
    assert publish(models[1], base) == newest_version(base) == base / "10"


@pytest.mark.parametrize("there", [False, True])
def test_where_nothing_is_published_there_is_no_newest_version(tmp_path, there):
    base = tmp_path / "published"
    if there:
        (base / ".publishing-7").mkdir(parents=True)
        (base / "1").touch()
    with pytest.raises(ArtifactError) as told:
        newest_version(base)
    assert str(told.value) == (
        f"{base}: no version is published here; publish one with `python -m pipeline run`."
    )
