"""Whole files: what Beam's workers write, safe from attempts that fail, repeat or come too late.

A distributed runner gives the work of a killed worker to another, may run two attempts at once, and
may go on with a job whose driver is gone. All attempts of one job write the same bytes, so it is
enough that none is seen half done, and that none reaches the artifact of another job:

    prepared.partial/
      job-<id>/                              one job's workers write here, and nowhere else
        examples/train-00000-of-00008.tfrecord         whole
        examples/.train-00001-of-00008.tfrecord.<id>   one attempt, unfinished
"""

from __future__ import annotations

import contextlib
import shutil
import uuid
from collections.abc import Iterator
from pathlib import Path

_UNFINISHED = "."


@contextlib.contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Gives an attempt a path of its own to write to; what it wrote then becomes `path`.

    The directory is made, but not the one above it: where that is gone, so is the job.
    """
    path.parent.mkdir(exist_ok=True)
    attempt = path.with_name(f"{_UNFINISHED}{path.name}.{uuid.uuid4().hex}")
    try:
        yield attempt
        attempt.replace(path)
    finally:
        attempt.unlink(missing_ok=True)


@contextlib.contextmanager
def job_directory(directory: Path) -> Iterator[Path]:
    """Gives one job a directory of its own; the whole files in it then go to `directory`.

    Afterwards the job's directory is gone, and with it what its workers left unfinished or are
    still about to write.
    """
    own = directory / f"job-{uuid.uuid4().hex}"
    own.mkdir()
    try:
        yield own
        for path in sorted(own.rglob("*")):
            if path.is_file() and not path.name.startswith(_UNFINISHED):
                target = directory / path.relative_to(own)
                target.parent.mkdir(parents=True, exist_ok=True)
                path.replace(target)
    finally:
        remove_tree(own)


def remove_tree(directory: Path) -> None:
    """Removes a directory, though a worker may be writing to it: from then on it cannot."""
    gone = directory.with_name(f"{directory.name}.gone")
    shutil.rmtree(gone, ignore_errors=True)
    shutil.rmtree(directory.rename(gone))
