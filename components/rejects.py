"""Rejects: the rows that could not be used, kept with the reason, and the limit on their share."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path

import pyarrow as pa

from components.errors import DataError
from components.interactions import REASONS, REJECTS_SCHEMA

REJECTS = "rejects"
"""Name of the directory they lie in."""

_PARTS = "part-*.jsonl"


def write_rejects(directory: Path, part: int, name: str, tables: Iterable[pa.Table]) -> None:
    """Writes the rejected rows of one input file, in its order, as JSON lines.

    Args:
      directory: Where the parts lie.
      part: Number of the input file.
      name: Its name.
      tables: Its rejected rows, in `interactions.REJECTS_SCHEMA`, in any order.
    """
    rejects = pa.concat_tables([REJECTS_SCHEMA.empty_table(), *tables]).sort_by("row")
    directory.mkdir(parents=True, exist_ok=True)
    path = directory / _PARTS.replace("*", f"{part:05d}")
    with path.open("w", encoding="utf-8") as file:
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
    raise DataError(
        f"{rejected} of {rows} rows of the interactions cannot be used ({reasons}): "
        f"{rejected / rows:.2%}, where `data.max_reject_share` allows {limit:.2%}. "
        f"They lie in {kept_at}; mend the files, or allow more."
    )
