"""Precomputed candidates: what the published model answers every query, as Parquet files.

    precomputed/
      candidates/part-00000-of-00008.parquet   query_id, candidate_ids, scores: one row a query
      manifest.json

All rows of a query lie in one shard of the prepared examples, so each shard is asked for alone and
becomes one file. Its queries are asked in batches that depend on the shard alone: so the bytes do,
too. This module imports neither TensorFlow nor Beam.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.artifacts import CANDIDATES, Prepared, file_digest
from components.delimited import CsvConfig
from components.files import InputFile, Piece, read_piece
from components.interactions import CANDIDATE, QUERY
from components.splits import SPLITS, TRAIN
from components.whole_files import whole_file
from models.features import FIRST_KNOWN_ROW, UNKNOWN_ROW
from models.ranking import Sets
from serving.signature import CANDIDATE_IDS, QUERY_ID, SCORES

EXCLUDE = "exclude"
"""Column of the rows of the candidates that a query must not get."""

QUESTIONS = pa.schema([(QUERY, pa.int64()), (EXCLUDE, pa.list_(pa.int64()))])
"""Queries to ask the model for: rows of the prepared tables."""
ANSWERS = pa.schema(
    [
        (QUERY, pa.int64()),
        (QUERY_ID, pa.string()),
        (CANDIDATE_IDS, pa.list_(pa.string())),
        (SCORES, pa.list_(pa.float32())),
    ]
)
"""What the model answers, by the row of the query."""

_BATCH_QUERIES = 256
_BATCH_CELLS = 1 << 20
"""Most candidates that the queries of a batch ask for and exclude, padded to the longest list."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of the model for every query.

    Attributes:
      k: How many candidates a query gets; fewer only where no more are eligible.
      exclude_seen: Whether what a query interacted with, in any split, is left out.
    """

    k: int
    exclude_seen: bool


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


def count_shards(prepared: Prepared) -> int:
    """How many shards the prepared examples have."""
    return len(prepared.examples(SPLITS[TRAIN]))


def questions(prepared: Prepared, shard: int, question: Question) -> Iterator[pa.Table]:
    """Yields the queries of a shard in batches, those that exclude similarly many together.

    Args:
      prepared: The data.
      shard: Number of the shard.
      question: What is asked.

    Yields:
      Tables of `QUESTIONS`; one without rows where the shard has no query.

    Raises:
      DataError: An example file is damaged.
    """
    queries, excluded = _queries(prepared, shard, question)
    for chosen in batches(excluded.sizes, question.k):
        own = excluded.take(chosen)
        lists = pa.ListArray.from_arrays(pa.array(own.offsets, pa.int32()), pa.array(own.values))
        yield pa.table([pa.array(queries[chosen]), lists], schema=QUESTIONS)


def batches(widths: np.ndarray, k: int) -> Iterator[np.ndarray]:
    """Cuts queries into batches, widest first; one without queries where there are none.

    Args:
      widths: `[queries]` how many candidates each excludes.
      k: How many each asks for.

    Yields:
      `[batch]` positions in `widths`.
    """
    order = np.argsort(-widths, kind="stable")
    start = 0
    while start < len(order) or not len(order):
        widest = widths[order[start : start + 1]].max(initial=0)
        fitting = max(1, _BATCH_CELLS // max(1, k + int(widest)))
        batch = order[start : start + min(fitting, _BATCH_QUERIES)]
        yield batch
        if not len(batch):
            return
        start += len(batch)


def write_part(directory: Path, shard: int, shards: int, answers: Iterable[pa.Table]) -> None:
    """Writes the answers of one shard in the order of the table of queries."""
    table = pa.concat_tables(answers).sort_by(QUERY).drop_columns(QUERY)
    path = directory / CANDIDATES / f"part-{shard:05d}-of-{shards:05d}.parquet"
    with whole_file(path) as attempt:
        pq.write_table(table, attempt)


def count(directory: Path) -> dict[str, int]:
    """The counts in the manifest."""
    parts = (directory / CANDIDATES).iterdir()
    return {"queries": sum(pq.read_metadata(part).num_rows for part in parts)}


def _queries(prepared: Prepared, shard: int, question: Question) -> tuple[np.ndarray, Sets]:
    """`[queries]` rows of the known queries of a shard, ascending, and what each excludes."""
    splits = SPLITS if question.exclude_seen else SPLITS[TRAIN : TRAIN + 1]
    rows, candidates = _pairs([prepared.examples(split)[shard] for split in splits])
    known = rows != UNKNOWN_ROW
    queries, positions = np.unique(rows[known], return_inverse=True)
    candidates = candidates[known]
    seen = (candidates != UNKNOWN_ROW) & question.exclude_seen
    return queries, Sets.from_pairs(positions[seen], candidates[seen], len(queries))


def _pairs(shards: Sequence[Path]) -> tuple[np.ndarray, np.ndarray]:
    """All (query, candidate) pairs of some example files."""
    read = [
        batch
        for path in shards
        for _, batch in read_piece(
            Piece(InputFile(path.name, str(path)), 0), [QUERY, CANDIDATE], CsvConfig()
        )
    ]
    schema = pa.schema([(QUERY, pa.int64()), (CANDIDATE, pa.int64())])
    table = pa.Table.from_batches(read, schema)
    return table[QUERY].to_numpy(), table[CANDIDATE].to_numpy()


def ids_by_row(table: Path) -> np.ndarray:
    """`[1 + rows]` ids of a prepared table as an array of objects, in front "" for the unknown."""
    ids = pq.read_table(table, columns=["id"])["id"].to_numpy()
    return np.concatenate([np.full(FIRST_KNOWN_ROW, "", object), ids])
