"""Precomputed candidates: what the published model answers every query, as Parquet files.

    precomputed/
      candidates/part-00000-of-00008.parquet   query_id, candidate_ids, scores: one row a query
      manifest.json

Each shard of the prepared examples becomes one file. This module imports neither TensorFlow nor
Beam.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from components.artifacts import CANDIDATES, Prepared, file_digest
from components.questions import ROW, Question
from components.whole_files import whole_file
from serving.signature import CANDIDATE_IDS, QUERY_ID, SCORES

ANSWERS = pa.schema(
    [
        (ROW, pa.int64()),
        (QUERY_ID, pa.string()),
        (CANDIDATE_IDS, pa.list_(pa.string())),
        (SCORES, pa.list_(pa.float32())),
    ]
)
"""What it answers."""


def describe(question: Question) -> dict[str, int | bool]:
    """The configuration in the manifest."""
    return {"k": question.k, "exclude_seen": question.exclude_seen}


def input_digests(prepared: Prepared, version: Path) -> Mapping[str, str]:
    """What the answers depend on: the prepared data, and every byte of the published version."""
    files = sorted(path for path in version.rglob("*") if path.is_file())
    digests = "".join(
        f"{file_digest(path)} {path.relative_to(version).as_posix()}\n" for path in files
    )
    return {
        "prepared": prepared.manifest.fingerprint,
        "model": hashlib.sha256(digests.encode()).hexdigest(),
    }


def write_part(directory: Path, shard: int, shards: int, answers: Iterable[pa.Table]) -> None:
    """Writes the answers of one shard in the order of the table of queries."""
    table = pa.concat_tables(answers).sort_by(ROW).drop_columns(ROW)
    path = directory / CANDIDATES / f"part-{shard:05d}-of-{shards:05d}.parquet"
    with whole_file(path) as attempt:
        pq.write_table(table, attempt)


def count(directory: Path) -> dict[str, int]:
    """The counts in the manifest."""
    parts = (directory / CANDIDATES).iterdir()
    return {"queries": sum(pq.read_metadata(part).num_rows for part in parts)}
