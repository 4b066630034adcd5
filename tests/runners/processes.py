"""The processes of a job that runs elsewhere: job server, worker pool and driver."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import grpc

ROOT = Path(__file__).resolve().parents[2]
DEADLINE_S = 120
ENVIRONMENT = {
    **os.environ,
    # A worker pool starts `python`, and its workers import our packages.
    "PATH": os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]),
    "PYTHONPATH": str(ROOT),
}


def free_port() -> int:
    """A port that nothing listens on."""
    with socket.socket() as bound:
        bound.bind(("localhost", 0))
        return bound.getsockname()[1]


@contextlib.contextmanager
def server(command: Sequence[str], port: int, log: Path) -> Iterator[subprocess.Popen]:
    """A process that serves gRPC on `port` while the block runs; its children end with it."""
    with log.open("wb") as file:
        process = subprocess.Popen(
            command,
            cwd=ROOT,
            env=ENVIRONMENT,
            stdout=file,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            with grpc.insecure_channel(f"localhost:{port}") as channel:
                grpc.channel_ready_future(channel).result(DEADLINE_S)
            yield process
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(DEADLINE_S)


def driver(command: Sequence[str]) -> subprocess.Popen[str]:
    """A command that drives a job, begun; `communicate` waits for it."""
    return subprocess.Popen(
        command,
        cwd=ROOT,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def children(process: subprocess.Popen) -> list[int]:
    """The ids of the processes that any thread of a process started."""
    tasks = Path(f"/proc/{process.pid}/task").glob("*/children")
    return [int(child) for task in tasks for child in task.read_text().split()]
