"""Rejects: rows that could not be used, kept with the reason, and the limit on their share.

All of them are counted; of each file, the first `REJECT_SAMPLES` of each reason are kept. So the
memory and the time that rejects take have a bound, however bad a log is.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from components.errors import DataError
from components.validation import REASONS, REJECT_SAMPLES, REJECTS_SCHEMA
from components.whole_files import whole_file

REJECTS = "rejects"
"""Name of the directory they lie in."""

_PARTS = "part-*.jsonl"


def first_rejects(tables: Iterable[pa.Table]) -> pa.Table:
    """The first `REJECT_SAMPLES` rejects of each reason, in the order of the file.

    Args:
      tables: Rejected rows of one input file, in `validation.REJECTS_SCHEMA`, in any order. What
        an earlier call returned may stand for the rows it was given.
    """
    rejects = pa.concat_tables([REJECTS_SCHEMA.empty_table(), *tables]).sort_by("row")
    reasons = rejects["reason"].to_numpy()
    first = [np.flatnonzero(reasons == reason)[:REJECT_SAMPLES] for reason in REASONS]
    return rejects.take(pa.array(np.sort(np.concatenate(first))))


def write_rejects(directory: Path, part: int, name: str, rejects: pa.Table) -> None:
    """Writes the rejected rows of one input file as JSON lines.

    Args:
      directory: Where the parts lie.
      part: Number of the input file.
      name: Its name.
      rejects: Its rejected rows, as `first_rejects` returns them.
    """
    path = directory / _PARTS.replace("*", f"{part:05d}")
    with whole_file(path) as attempt, attempt.open("w", encoding="utf-8") as file:
        for row, reason, values in zip(*rejects.to_pydict().values(), strict=True):
            at = json.dumps({"file": name, "row": row, "reason": reason}, ensure_ascii=False)
            file.write(f'{at[:-1]}, "values": {values}}}\n')


def forget_rejects(directory: Path) -> None:
    """Removes what `keep_rejects` left here, and nothing else."""
    for part in directory.glob(_PARTS):
        part.unlink()
    if directory.is_dir() and not any(directory.iterdir()):
        directory.rmdir()


def keep_rejects(source: Path, target: Path) -> None:
    """Copies rejects out of a directory that is about to be thrown away."""
    target.mkdir(parents=True, exist_ok=True)
    for part in sorted(source.glob(_PARTS)):
        shutil.copyfile(part, target / part.name)


def check_share(counts: Mapping[str, int | float], limit: float, kept_at: Path) -> None:
    """Checks that not too many rows were rejected.

    Args:
      counts: `rows_read`, `rows_rejected`, and `rejected_` with each of `REASONS`.
      limit: The largest share of the rows read that may be rejected.
      kept_at: Where the rejects are kept, for the error to say.

    Raises:
      DataError: More than `limit` of the rows read were.
    """
    rejected, rows = counts["rows_rejected"], counts["rows_read"]
    if rejected <= limit * rows:
        return
    reasons = ", ".join(
        f"{counts[f'rejected_{reason}']} {reason}"
        for reason in REASONS
        if counts[f"rejected_{reason}"]
    )
    all_kept = max(counts[f"rejected_{reason}"] for reason in REASONS) <= REJECT_SAMPLES
    kept = "They" if all_kept else f"The first {REJECT_SAMPLES} of each file and reason"
    raise DataError(
        f"{rejected} of {rows} rows of the interactions cannot be used ({reasons}): "
        f"{rejected / rows:.2%}, where `data.max_reject_share` allows {limit:.2%}. "
        f"{kept} lie in {kept_at}; mend the files, or allow more."
    )
