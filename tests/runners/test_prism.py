"""The preparation on Prism, started by the commands that `docs/runners.md` shows."""

import contextlib
import os
import re
import shlex
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from tests.preparing import digests
from tests.runners.processes import DEADLINE_S, ROOT, children, driver, free_port, server

pytestmark = pytest.mark.runners

PAGE = (ROOT / "docs" / "runners.md").read_text(encoding="utf-8")
CONFIG = "configs/ml100k.toml"
SHARDS = 256


def commands(heading: str) -> list[list[str]]:
    """The commands of the first shell block under a heading, each as its words."""
    section = PAGE.partition(f"\n## {heading}\n")[2]
    (block, *_) = re.findall(r"^```sh\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    lines = block.replace("\\\n", "").splitlines()
    return [shlex.split(line.removesuffix("&").replace("python", sys.executable)) for line in lines]


def prepare(command: list[str], work_dir: Path, *overrides: str) -> list[str]:
    """A shown command, with a work directory of its own."""
    end = command.index("--")
    values = [f"work_dir='{work_dir}'", *overrides]
    return [
        *command[:end],
        *(word for value in values for word in ("--set", value)),
        *command[end:],
    ]


def done(command: list[str]) -> str:
    """What a command that succeeds writes to standard error."""
    with driver(command) as process:
        _, told = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0, told
    return told


def failed(process: subprocess.Popen[str]) -> str:
    """The only line of a command that fails."""
    out, told = process.communicate(timeout=DEADLINE_S)
    assert (process.returncode, out, len(told.splitlines())) == (2, "", 1), told
    return told.removeprefix("error: ").rstrip("\n")


@dataclass(frozen=True)
class Prism:
    """Prism and a worker pool, each a process, and the command that gives them a job."""

    job_server: subprocess.Popen
    pool: subprocess.Popen
    command: list[str]


@pytest.fixture
def prism(tmp_path):
    """What stands under "Prism" in the page, on free ports."""
    ports = {"8073": str(free_port()), "50000": str(free_port())}
    job_server, pool, command = (
        [re.sub("|".join(ports), lambda found: ports[found[0]], word) for word in words]
        for words in commands("Prism")
    )
    job_port, pool_port = map(int, ports.values())
    with (
        server(job_server, job_port, tmp_path / "prism.log") as prism,
        server(pool, pool_port, tmp_path / "pool.log") as workers,
    ):
        yield Prism(prism, workers, command)


def here(work_dir: Path, *overrides: str) -> dict[str, str]:
    """What the default runner makes, file by file."""
    done(prepare([sys.executable, "-m", "pipeline", "prepare", CONFIG, "--"], work_dir, *overrides))
    return digests(work_dir / "prepared")


@pytest.fixture(scope="module")
def expected(tmp_path_factory):
    made = here(tmp_path_factory.mktemp("here"))
    assert len([name for name in made if name.startswith("examples/")]) == 24
    return made


def test_a_worker_of_its_own_gives_the_bytes_of_the_default_runner(prism, expected, tmp_path):
    done(prepare(prism.command, tmp_path / "work"))
    assert digests(tmp_path / "work" / "prepared") == expected


def test_rejects_and_cuts_in_time_come_out_the_same(prism, tmp_path):
    path = tmp_path / "log.csv"
    table = pq.read_table(ROOT / "data" / "ml-100k" / "interactions.parquet")
    pyarrow.csv.write_csv(table.slice(0, 20_000), path)
    header, *rows = path.read_text().splitlines(keepends=True)
    rows[5] = "too,few\n"
    rows[9] = ",1,5,880000000\n"
    rows[14] = "1,2,5,soon\n"
    path.write_text(header + "".join(rows))
    split = "split={kind='global_time', validation=0.1, test=0.2}"
    overrides = (f"data.interactions=['{path}']", split)
    done(prepare(prism.command, tmp_path / "there", *overrides))
    made = digests(tmp_path / "there" / "prepared")
    assert "rejects/part-00000.jsonl" in made
    assert made == here(tmp_path / "here", *overrides)


@pytest.mark.parametrize("heading", ["Prism, started by the command", "FnApiRunner"])
def test_workers_that_the_command_starts_give_the_same_bytes(heading, expected, tmp_path):
    (command,) = commands(heading)
    done(prepare(command, tmp_path / "work"))
    assert digests(tmp_path / "work" / "prepared") == expected


def test_what_a_worker_finds_wrong_is_one_line(prism, tmp_path):
    path = tmp_path / "queries.csv"
    path.write_text("query_id\n7\n8\n7\n")
    side = f"queries={{files=['{path}'], id='query_id'}}"
    with driver(prepare(prism.command, tmp_path / "work", side)) as process:
        assert failed(process) == (
            f"{path}: id '7' stands in 2 rows; `queries.id` must name a column that holds each id "
            "once."
        )
    assert list((tmp_path / "work").iterdir()) == []


def stop_worker_while_it_writes(prism: Prism, process: subprocess.Popen, work_dir: Path) -> int:
    """Stops the worker once it has written a file; without it the job cannot end."""
    deadline = time.monotonic() + DEADLINE_S
    while not any(work_dir.glob("prepared.partial/job-*/examples/train-*")):
        assert time.monotonic() < deadline
        with contextlib.suppress(subprocess.TimeoutExpired):
            pytest.fail(f"the job ended with code {process.wait(0.01)}")
    (worker,) = children(prism.pool)
    os.kill(worker, signal.SIGSTOP)
    assert process.poll() is None
    assert len(list(work_dir.glob("prepared.partial/job-*/examples/train-*"))) < SHARDS
    assert not (work_dir / "prepared").exists()
    return worker


def test_a_killed_worker_ends_the_job_and_leaves_nothing(prism, tmp_path):
    work_dir, shards = tmp_path / "work", f"shards={SHARDS}"
    with driver(prepare(prism.command, work_dir, shards)) as process:
        worker = stop_worker_while_it_writes(prism, process, work_dir)
        os.kill(worker, signal.SIGKILL)
        told = failed(process)
    assert told.startswith("--runner=PortableRunner: the job was not done (Pipeline job-001 failed")
    assert "SDK worker disconnected" in told
    assert list(work_dir.iterdir()) == []
    assert here(work_dir, shards) == here(tmp_path / "again", shards)


def test_a_killed_job_server_ends_the_job_while_its_worker_goes_on(prism, tmp_path):
    work_dir, shards = tmp_path / "work", f"shards={SHARDS}"
    with driver(prepare(prism.command, work_dir, shards)) as process:
        worker = stop_worker_while_it_writes(prism, process, work_dir)
        prism.job_server.kill()
        os.kill(worker, signal.SIGCONT)
        told = failed(process)
    assert told.startswith("--runner=PortableRunner: the connection to the job server at localhost")
    assert list(work_dir.iterdir()) == []
    assert here(work_dir, shards) == here(tmp_path / "again", shards)
