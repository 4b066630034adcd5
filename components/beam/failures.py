"""Failures: what a worker raised that the user can act on, as the driver sees it."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator

from components.errors import ArtifactError, DataError

_KINDS = (DataError, ArtifactError)
_STEP = re.compile(r" \[while running '.*'\]$")


@contextlib.contextmanager
def worker_errors_told() -> Iterator[None]:
    """Raises the error of a worker as itself, with its sentence alone.

    A runner in this process hands on the error, others its traceback as text, whose last line it
    is; both add the step that was running.

    Raises:
      DataError: A worker found an input file that cannot be used.
      ArtifactError: A worker found an artifact that cannot be used.
    """
    try:
        yield
    except Exception as error:
        for kind in _KINDS:
            sentence = _sentence(error, kind)
            if sentence is not None:
                raise kind(sentence) from error
        raise


def _sentence(error: Exception, kind: type[Exception]) -> str | None:
    if isinstance(error, kind):
        return _STEP.sub("", str(error))
    raised = re.search(
        rf"{re.escape(kind.__module__)}\.{kind.__name__}: (.*)$", str(error), re.MULTILINE
    )
    return raised and _STEP.sub("", raised[1])
