"""Questions: what a published model is asked for every query of the prepared data, in batches.

All rows of a query lie in one shard of the examples, so what it has seen is read there. The batches
depend on the shard alone. This module imports neither TensorFlow nor Beam.
"""

# pyright: reportAttributeAccessIssue=false
# (pyarrow.compute makes its functions when it is imported)

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.artifacts import Prepared
from components.delimited import CsvConfig
from components.entities import ID
from components.files import InputFile, Piece, read_piece
from components.interactions import CANDIDATE, QUERY
from components.splits import SPLITS, TRAIN
from models.features import FIRST_KNOWN_ROW, UNKNOWN_ROW
from models.ranking import Sets
from serving.signature import EXCLUDE, QUERY_ID

ROW = "row"
"""Column of the row of the query, by which the files are ordered."""

QUESTIONS = pa.schema(
    [(ROW, pa.int64()), (QUERY_ID, pa.string()), (EXCLUDE, pa.list_(pa.string()))]
)
"""What is asked of the model."""

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
    rows, candidates = _pairs([prepared.examples(split)[shard] for split in SPLITS])
    known = rows != UNKNOWN_ROW
    queries, positions = np.unique(rows[known], return_inverse=True)
    if not len(queries):
        yield QUESTIONS.empty_table()
    query_ids = _ids(prepared.queries).take(pa.array(queries - FIRST_KNOWN_ROW))
    excluded = _Excluded.none(len(queries))
    if question.exclude_seen:
        excluded = _seen(prepared, shard, query_ids, positions, candidates[known])
    for chosen in batches(excluded.rows.sizes, question.k):
        ids = query_ids.take(pa.array(chosen))
        yield pa.table([pa.array(queries[chosen]), ids, excluded.lists(chosen)], schema=QUESTIONS)


def batches(widths: np.ndarray, k: int) -> Iterator[np.ndarray]:
    """Cuts queries into batches, widest first.

    Args:
      widths: `[queries]` how many candidates each excludes.
      k: How many each asks for.

    Yields:
      `[batch]` positions in `widths`.
    """
    order = np.argsort(-widths, kind="stable")
    start = 0
    while start < len(order):
        fitting = max(1, _BATCH_CELLS // (k + int(widths[order[start]])))
        batch = order[start : start + min(fitting, _BATCH_QUERIES)]
        yield batch
        start += len(batch)


@dataclass(frozen=True, slots=True)
class _Excluded:
    """What each query of a shard must not get.

    Attributes:
      rows: One set a query, of rows of `ids`.
      ids: The ids of candidates.
    """

    rows: Sets
    ids: pa.Array

    @classmethod
    def none(cls, queries: int) -> Self:
        """Nothing, for so many queries."""
        empty = np.empty(0, np.int64)
        return cls(Sets.from_pairs(empty, empty, queries), pa.array([], pa.string()))

    def lists(self, queries: np.ndarray) -> pa.ListArray:
        """The ids that some of the queries must not get."""
        own = self.rows.take(queries)
        offsets = pa.array(own.offsets, pa.int32())
        return pa.ListArray.from_arrays(offsets, self.ids.take(pa.array(own.values)))


def _seen(
    prepared: Prepared,
    shard: int,
    query_ids: pa.Array,
    positions: np.ndarray,
    candidates: np.ndarray,
) -> _Excluded:
    """What the queries of a shard interacted with in any split.

    A held-out row may show a candidate that the catalogue lacks, and the published model may know
    it all the same, where it was trained on other data: so cold rows count as well, by their ids.

    Args:
      prepared: The data.
      shard: Number of the shard.
      query_ids: Its queries.
      positions: `[rows]` position in `query_ids` of each row's query.
      candidates: `[rows]` row of each row's candidate, 0 the unknown's.
    """
    catalogue = _ids(prepared.candidates)
    cold_queries, cold_candidates = _cold(prepared, shard)
    at = pc.index_in(cold_queries, query_ids)
    cold = pc.and_(pc.is_valid(at), pc.invert(pc.is_in(cold_candidates, catalogue)))
    at, cold_candidates = at.filter(cold), cold_candidates.filter(cold)
    known = candidates != UNKNOWN_ROW
    rows = Sets.from_pairs(
        np.concatenate([positions[known], at.to_numpy()]),
        np.concatenate([candidates[known] - FIRST_KNOWN_ROW, len(catalogue) + np.arange(len(at))]),
        len(query_ids),
    )
    return _Excluded(rows, pa.concat_arrays([catalogue, cold_candidates]))


def _cold(prepared: Prepared, shard: int) -> tuple[pa.Array, pa.Array]:
    """The queries and candidates of the cold rows of a shard, by id; each pair once."""
    parts = list(prepared.cold.glob(f"part-{shard:05d}-of-*.parquet"))
    if not parts:
        return pa.array([], pa.string()), pa.array([], pa.string())
    (part,) = parts
    pairs = pq.read_table(part, columns=[QUERY, CANDIDATE])
    table = pairs.group_by([QUERY, CANDIDATE], use_threads=False).aggregate([])
    return table[QUERY].combine_chunks(), table[CANDIDATE].combine_chunks()


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


def _ids(table: Path) -> pa.Array:
    """The ids of a prepared table, in the order of its rows."""
    return pq.read_table(table, columns=[ID])[ID].combine_chunks()
