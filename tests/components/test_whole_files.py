import contextlib
import multiprocessing
import os
import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from components.whole_files import job_directory, remove_tree, whole_file

BYTES = b"the same bytes of every attempt" * 10_000


def write(path: Path) -> None:
    with whole_file(path) as attempt, attempt.open("wb") as file:
        for start in range(0, len(BYTES), 1_000):
            file.write(BYTES[start : start + 1_000])


def die_half_way(path: Path) -> None:
    with whole_file(path) as attempt, attempt.open("wb") as file:
        file.write(BYTES[:1_000])
        file.flush()
        os.kill(os.getpid(), signal.SIGKILL)


def fail_half_way(path: Path) -> None:
    with whole_file(path) as attempt:
        attempt.write_text("half")
        raise RuntimeError


def fail_after_a_file(directory: Path) -> None:
    with job_directory(directory) as own:
        write(own / "examples" / "a")
        raise RuntimeError


def write_until_refused(path: Path) -> None:
    with contextlib.suppress(FileNotFoundError):
        while True:
            write(path)


def killed_while_writing(path: Path) -> None:
    worker = multiprocessing.get_context("spawn").Process(target=die_half_way, args=(path,))
    worker.start()
    worker.join(60)
    assert worker.exitcode == -signal.SIGKILL


def names(directory: Path) -> list[str]:
    return sorted(path.relative_to(directory).as_posix() for path in directory.rglob("*"))


def test_a_file_that_fails_half_way_is_not_there(tmp_path):
    with pytest.raises(RuntimeError):
        fail_half_way(tmp_path / "a" / "b")
    assert names(tmp_path) == ["a"]


def test_a_file_has_no_name_before_it_is_whole(tmp_path):
    path = tmp_path / "file"
    path.write_text("old")
    with whole_file(path) as attempt:
        attempt.write_text("new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"


def test_attempts_at_once_leave_one_whole_file(tmp_path):
    path = tmp_path / "examples" / "file"
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(write, [path] * 64))
    assert names(tmp_path) == ["examples", "examples/file"]
    assert path.read_bytes() == BYTES


def test_an_attempt_inside_another_does_not_touch_it(tmp_path):
    path = tmp_path / "file"
    with whole_file(path) as first:
        first.write_bytes(BYTES[:10])
        write(path)
        assert first.read_bytes() == BYTES[:10]
        first.write_bytes(BYTES)
    assert path.read_bytes() == BYTES


def test_what_a_killed_worker_left_unfinished_is_not_kept(tmp_path):
    with job_directory(tmp_path) as own:
        killed_while_writing(own / "examples" / "a")
        (unfinished,) = names(own / "examples")
        assert unfinished.startswith(".a.")
        write(own / "examples" / "a")
    assert names(tmp_path) == ["examples", "examples/a"]
    assert (tmp_path / "examples" / "a").read_bytes() == BYTES


def test_an_attempt_that_outlives_its_job_fails_and_changes_nothing(tmp_path):
    with contextlib.ExitStack() as late:
        with job_directory(tmp_path) as own:
            attempt = late.enter_context(whole_file(own / "examples" / "a"))
            attempt.write_text("late")
            write(own / "examples" / "a")
        with pytest.raises(FileNotFoundError):
            late.close()
    assert names(tmp_path) == ["examples", "examples/a"]
    assert (tmp_path / "examples" / "a").read_bytes() == BYTES


def test_a_job_that_fails_leaves_nothing(tmp_path):
    with pytest.raises(RuntimeError):
        fail_after_a_file(tmp_path)
    assert names(tmp_path) == []


def test_a_directory_goes_though_workers_are_writing_to_it(tmp_path):
    path = tmp_path / "job" / "examples" / "a"
    path.parent.mkdir(parents=True)
    with ThreadPoolExecutor(4) as threads:
        writers = [threads.submit(write_until_refused, path) for _ in range(4)]
        while not path.exists():
            assert not any(writer.done() for writer in writers)
        remove_tree(tmp_path / "job")
        assert [writer.result(timeout=60) for writer in writers] == [None] * 4
    assert names(tmp_path) == []


def test_a_worker_of_a_job_that_is_gone_cannot_write(tmp_path):
    with job_directory(tmp_path) as gone:
        write(gone / "examples" / "a")
    with job_directory(tmp_path) as own:
        with pytest.raises(FileNotFoundError):
            write(gone / "examples" / "a")
        assert names(own) == []
    assert names(tmp_path) == ["examples", "examples/a"]
