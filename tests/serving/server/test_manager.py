import asyncio
from pathlib import Path
from typing import Any

import grpc
import pytest

from serving.server.manager import Changes, Manager
from serving.server.model import Model, Retries
from serving.server.protos import ModelSpec, ModelVersionStatus
from serving.server.statuses import StatusError


class FakeModel:
    """Stands for a SavedModel where only its life matters."""

    def __init__(self):
        self.is_closed = False

    def close(self):
        self.is_closed = True


class World:
    """A manager of one model whose versions are empty directories, and loads that may fail."""

    def __init__(self, base_path: Path, retries: Retries):
        self.base_path = base_path
        self.loads: list[int] = []
        self.failing: set[int] = set()
        self.models: dict[int, FakeModel] = {}
        changes = Changes()
        self.model = Model("m", base_path, self.load, retries, changes.announce)
        self.manager = Manager({"m": self.model}, changes)

    def load(self, path: Path) -> Any:
        version = int(path.name)
        self.loads.append(version)
        if version in self.failing:
            raise StatusError(grpc.StatusCode.DATA_LOSS, "broken")
        self.models[version] = FakeModel()
        return self.models[version]

    def publish(self, version: int):
        (self.base_path / str(version)).mkdir()
        (self.base_path / str(version) / "saved_model.pb").touch()

    def withdraw(self, version: int):
        (self.base_path / str(version) / "saved_model.pb").unlink()
        (self.base_path / str(version)).rmdir()

    def states(self):
        return {number: served.state for number, served in self.model.versions.items()}

    async def reach(self, **expected):
        states = {int(name[1:]): getattr(ModelVersionStatus, s) for name, s in expected.items()}
        async with asyncio.timeout(10):
            while self.states() != states:
                await self.manager.changes.wait()

    def status(self, **spec):
        return self.manager.status(ModelSpec(name="m", **spec)).model_version_status


@pytest.fixture
def base_path(tmp_path):
    path = tmp_path / "m"
    path.mkdir()
    return path


NO_RETRIES = Retries(0, 0.0)


def live(scenario, base_path, retries=NO_RETRIES):
    async def run():
        world = World(base_path, retries)
        await scenario(world)
        await world.manager.close()
        assert all(model.is_closed for model in world.models.values())

    asyncio.run(run())


def test_a_new_version_takes_over_and_the_old_one_is_freed(base_path):
    async def scenario(world):
        world.publish(1)
        await world.model.look()
        await world.manager.wait_until_ready()
        assert world.manager.resolve(ModelSpec(name="m")).version == 1
        world.publish(2)
        await world.model.look()
        await world.reach(v1="END", v2="AVAILABLE")
        assert world.manager.resolve(ModelSpec(name="m")).version == 2
        assert world.models[1].is_closed
        assert not world.models[2].is_closed

    live(scenario, base_path)


def test_a_version_in_use_is_freed_only_after_its_last_user(base_path):
    async def scenario(world):
        world.publish(1)
        await world.model.look()
        await world.manager.wait_until_ready()
        with world.manager.resolve(ModelSpec(name="m")).in_use():
            world.publish(2)
            await world.model.look()
            await world.reach(v1="UNLOADING", v2="AVAILABLE")
            assert not world.models[1].is_closed
        await world.reach(v1="END", v2="AVAILABLE")
        assert world.models[1].is_closed

    live(scenario, base_path)


def test_a_withdrawn_version_gives_way_to_the_one_before(base_path):
    async def scenario(world):
        world.publish(1)
        world.publish(2)
        await world.model.look()
        await world.reach(v2="AVAILABLE")
        world.withdraw(2)
        await world.model.look()
        await world.reach(v1="AVAILABLE", v2="END")

    live(scenario, base_path)


def test_a_failed_load_leaves_the_old_version_serving_and_tells_why(base_path):
    async def scenario(world):
        world.publish(1)
        await world.model.look()
        await world.manager.wait_until_ready()
        world.publish(2)
        world.failing = {2}
        await world.model.look()
        await world.reach(v1="AVAILABLE", v2="END")
        failed, old = world.status()
        assert (failed.version, failed.status.error_code) == (2, 15)
        assert failed.status.error_message == "broken"
        assert (old.version, old.status.error_code) == (1, 0)
        await world.model.look()
        assert world.loads == [1, 2, 2, 2]

    live(scenario, base_path, Retries(2, 0.0))


def test_a_failed_version_that_comes_back_is_tried_again(base_path):
    async def scenario(world):
        world.publish(1)
        world.failing = {1}
        await world.model.look()
        await world.reach(v1="END")
        world.withdraw(1)
        await world.model.look()
        world.failing = set()
        world.publish(1)
        await world.model.look()
        await world.reach(v1="AVAILABLE")

    live(scenario, base_path)


def test_a_newer_version_ends_the_retries_of_a_broken_one(base_path):
    async def scenario(world):
        world.publish(1)
        world.failing = {1}
        await world.model.look()
        await world.reach(v1="LOADING")
        world.publish(2)
        await world.model.look()
        await world.reach(v1="END", v2="AVAILABLE")
        assert world.loads == [1, 2]

    live(scenario, base_path, Retries(5, 3600.0))


def test_a_missing_base_path_changes_nothing(base_path, caplog):
    async def scenario(world):
        world.publish(1)
        await world.model.look()
        await world.manager.wait_until_ready()
        base_path.rename(base_path.with_name("away"))
        await world.model.look()
        assert world.manager.is_ready
        assert f"Could not find base path {base_path} for servable m with error" in caplog.text

    live(scenario, base_path)


def test_an_emptied_base_path_unloads_everything(base_path, caplog):
    async def scenario(world):
        world.publish(1)
        await world.model.look()
        await world.manager.wait_until_ready()
        world.withdraw(1)
        await world.model.look()
        await world.reach(v1="END")
        assert not world.manager.is_ready
        assert (
            f"No versions of servable m found under base path {base_path}. Did you forget to name "
            "your leaf directory as a number (eg. '/1/')?" in caplog.text
        )

    live(scenario, base_path)


def test_a_start_that_cannot_succeed_ends(base_path):
    async def scenario(world):
        world.publish(3)
        world.failing = {3}
        await world.model.look()
        with pytest.raises(StatusError) as raised:
            await world.manager.wait_until_ready()
        assert str(raised.value) == (
            "UNKNOWN: 1 servable(s) did not become available: "
            "{{name: m version: 3} due to error: DATA_LOSS: broken}, }"
        )

    live(scenario, base_path)


def test_any_other_error_of_a_load_is_a_failed_load(base_path, caplog):
    async def scenario(world):
        def burst(path):
            raise ZeroDivisionError("in a loader")

        world.model._load = burst
        world.publish(1)
        await world.model.look()
        await world.reach(v1="END")
        assert world.status()[0].status.error_message == "in a loader"

    live(scenario, base_path)


def test_the_watch_outlives_a_look_that_fails(base_path, monkeypatch, caplog):
    async def scenario(world):
        look = world.model.look
        looks = iter([ZeroDivisionError("in a look")])

        async def look_badly_once():
            for error in looks:
                raise error
            await look()

        monkeypatch.setattr(world.model, "look", look_badly_once)
        world.publish(1)
        watch = asyncio.create_task(world.manager.watch(0.01))
        await world.manager.wait_until_ready()
        watch.cancel()
        assert "look failed model=m" in caplog.text

    live(scenario, base_path)


@pytest.mark.parametrize("poll_wait_s", [0, -1])
def test_a_watch_may_look_once_or_never(base_path, poll_wait_s):
    async def scenario(world):
        world.publish(1)
        await world.manager.watch(poll_wait_s)
        assert list(world.model.versions) == ([1] if poll_wait_s == 0 else [])

    live(scenario, base_path)


@pytest.mark.parametrize(
    ("spec", "code", "message"),
    [
        (None, "INVALID_ARGUMENT", "Missing ModelSpec"),
        ({}, "INVALID_ARGUMENT", "ModelSpec has no name specified."),
        ({"name": "NAME"}, "NOT_FOUND", "Servable not found for request: Latest(NAME)"),
        (
            {"name": "NAME", "version": {"value": 7}},
            "NOT_FOUND",
            "Servable not found for request: Specific(NAME, 7)",
        ),
        (
            {"name": "m", "version": {"value": 0}},
            "NOT_FOUND",
            "Servable not found for request: Specific(m, 0)",
        ),
        (
            {"name": "m", "version_label": "LABEL"},
            "INVALID_ARGUMENT",
            "Unrecognized servable version label: LABEL",
        ),
    ],
)
def test_a_model_that_is_not_here_is_named(base_path, spec, code, message):
    async def scenario(world):
        world.publish(1)
        await world.model.look()
        await world.manager.wait_until_ready()
        with pytest.raises(StatusError) as raised:
            world.manager.resolve(None if spec is None else ModelSpec(**spec))
        assert (raised.value.code.name, raised.value.message) == (code, message)

    live(scenario, base_path)


def test_status_tells_all_versions_latest_first_or_the_asked_one(base_path):
    async def scenario(world):
        world.publish(1)
        await world.model.look()
        await world.manager.wait_until_ready()
        world.publish(2)
        await world.model.look()
        await world.reach(v1="END", v2="AVAILABLE")
        assert [(each.version, each.state) for each in world.status()] == [(2, 30), (1, 50)]
        assert [each.version for each in world.status(version_label="any")] == [2, 1]
        assert [each.version for each in world.status(version={"value": 1})] == [1]
        for spec, message in [
            (ModelSpec(name="X"), "Could not find any versions of model X"),
            (ModelSpec(name="m", version={"value": 7}), "Could not find version 7 of model m"),
        ]:
            with pytest.raises(StatusError) as raised:
                world.manager.status(spec)
            assert (raised.value.code.name, raised.value.message) == ("NOT_FOUND", message)

    live(scenario, base_path)
