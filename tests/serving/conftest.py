from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import grpc
import pytest
import tensorflow as tf

from serving.server.saved_model import SavedModel
from tests.serving.harness import ServerProcess, export_retriever, publish

# The loader that does not validate shapes is deprecated, and says so once per process.
tf.get_logger().setLevel("ERROR")


@pytest.fixture(scope="session")
def version_1(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exported model: scores 9, 8, ... 0 for `c9` down to `c0`."""
    return export_retriever(tmp_path_factory.mktemp("exported") / "1")


@pytest.fixture(scope="session")
def version_2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same model with 100 added to each score."""
    return export_retriever(tmp_path_factory.mktemp("exported") / "2", offset=100.0)


@pytest.fixture(scope="session")
def saved_model(version_1: Path) -> Iterator[SavedModel]:
    """Version 1, loaded in this process."""
    model = SavedModel(version_1)
    yield model
    model.close()


@pytest.fixture
def start_server(tmp_path: Path) -> Iterator[Callable[..., ServerProcess]]:
    """Starts server processes that end with the test."""
    servers: list[ServerProcess] = []

    def start(base_path: Path, flags: Sequence[str] = ()) -> ServerProcess:
        server = ServerProcess(base_path, tmp_path / f"server-{len(servers)}.log", flags)
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.stop()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, version_1: Path) -> Iterator[ServerProcess]:
    """A server process that answers with version 1, for tests that leave it as it is."""
    directory = tmp_path_factory.mktemp("server")
    publish(version_1, directory / "candidates", 1)
    process = ServerProcess(directory / "candidates", directory / "log")
    try:
        process.wait_for_log("serving grpc=")
        yield process
    finally:
        process.stop()


@pytest.fixture(scope="session")
def channel(server: ServerProcess) -> Iterator[grpc.Channel]:
    with grpc.insecure_channel(server.target) as opened:
        yield opened
