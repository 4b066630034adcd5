import pytest
from hypothesis import given
from hypothesis import strategies as st

from serving.server.versions import Step, found_versions, latest, next_step


def make(base_path, *names):
    for name in names:
        (base_path / name).mkdir()
        (base_path / name / "saved_model.pb").touch()


def test_only_numbers_are_versions(tmp_path):
    make(tmp_path, "1", "00000123", "0.1", "v1", "tmp.123", "-4", "²", "9" * 30)
    (tmp_path / "7").mkdir()
    (tmp_path / "8").touch()
    assert found_versions(tmp_path) == {1: tmp_path / "1", 123: tmp_path / "00000123"}


def test_two_names_of_one_version_are_reported(tmp_path, caplog):
    make(tmp_path, "1", "01")
    assert found_versions(tmp_path) == {1: tmp_path / "1"}
    assert f"{tmp_path / '01'} and {tmp_path / '1'} are the same version" in caplog.text


def test_a_missing_base_path_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        found_versions(tmp_path / "none")


def test_the_largest_version_is_wanted():
    assert latest({1, 12, 3}) == {12}
    assert latest({}) == set()


@pytest.mark.parametrize(
    ("wanted", "available", "failed", "step"),
    [
        ({1}, set(), set(), Step(load=1)),
        ({2}, {1}, set(), Step(load=2)),
        ({2}, {1, 2}, set(), Step(unload=1)),
        ({2}, {1}, {2}, Step()),
        ({3}, {1, 2}, {3}, Step(unload=1)),
        (set(), {1, 2}, set(), Step(unload=1)),
        ({1}, {1}, set(), Step()),
        ({1}, {2}, set(), Step(load=1)),
        ({1, 4}, set(), set(), Step(load=4)),
    ],
)
def test_the_next_step_keeps_a_version_to_answer_with(wanted, available, failed, step):
    assert next_step(wanted, available, failed) == step


versions = st.sets(st.integers(1, 5))


@given(versions, versions, versions)
def test_steps_end_without_ever_leaving_nothing_to_answer_with(wanted, available, failed):
    available = set(available)
    for _ in range(20):
        step = next_step(wanted, available, failed)
        if step == Step():
            break
        if step.load is not None:
            available.add(step.load)
        else:
            available.remove(step.unload)
            assert available or not wanted
    assert next_step(wanted, available, failed) == Step()
    assert wanted - failed <= available
