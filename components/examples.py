"""Examples: the rows of one split shard, encoded and written as TFRecords.

An Example holds, as far as the run asks for them,

    query, candidate   int64     rows of the tables of queries and candidates, 0 the unknown's
    timestamp          int64     microseconds since 1970
    label, weight      float32
    history            int64 list, rows of the candidates that came before, oldest first
    history_gaps       int64 list, how long before, as `histories.gaps` says, if rows have times

and `cold/` the held-out rows by their ids whose query or candidate no training row shows: what a
model can know of them comes from their features alone.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict

from components.hashing import hash_ids, mix
from components.histories import (
    HISTORY,
    HISTORY_GAPS,
    HistoriesConfig,
    gaps,
    gather,
    windows,
)
from components.interactions import CANDIDATE, LABEL, QUERY, SPLIT, TIMESTAMP
from components.ordering import key_order
from components.records import Column, encode_examples
from components.shards import ids, numbers
from components.splits import SPLITS, TRAIN
from components.statistics import ShardStatistics, split_statistics
from components.vocabularies import rows_of
from components.weights import WEIGHT, WeightsConfig, weights
from components.whole_files import whole_file
from models.features import UNKNOWN_ROW

COLD_QUERY, COLD_CANDIDATE = "cold_query", "cold_candidate"
"""Columns of `cold/`: whether no training row shows the query, and the candidate."""

_CHUNK_ROWS, _CHUNK_PAST = 16_384, 1 << 21
"""Rows that are encoded at a time, and interactions of their histories: that bounds the memory."""
_GZIP = 31
"""The window and the header by which zlib writes gzip; its header holds no time and no name."""
_GZIP_LEVEL = 1
"""The fastest, within a tenth of the best in size."""


class ExamplesConfig(BaseModel):
    """How the examples are stored."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    compression: Literal["none", "gzip"] = "none"
    """`gzip` makes the files several times smaller, and slower to write and to read."""


@dataclass(frozen=True, slots=True)
class ExamplesWriter:
    """Writes the examples of shards.

    Attributes:
      directory: The artifact's directory.
      shards: How many shards there are.
      seed: Decides the order of the rows in a file.
      config: How examples are stored.
      histories: What they carry of their query's past.
      weights: How a label becomes a weight; None where examples carry none.
      has_times: Whether timestamps are times, and no mere order: there are no gaps without.
    """

    directory: Path
    shards: int
    seed: int
    config: ExamplesConfig
    histories: HistoriesConfig
    weights: WeightsConfig | None
    has_times: bool = True

    def write(
        self, shard: int, rows: pa.Table, queries: pa.Array, candidates: pa.Array, trained: int
    ) -> ShardStatistics:
        """Writes the files of one shard: examples of each split, and cold rows if it has some.

        Args:
          shard: Its number.
          rows: Its rows, arranged and split.
          queries: The known queries, in the order of their rows.
          candidates: The catalogue, in the order of its rows.
          trained: How many candidates have training rows; they come first in the catalogue.
        """
        query = rows_of(ids(rows, QUERY), queries)[numbers(rows, QUERY)]
        candidate = rows_of(ids(rows, CANDIDATE), candidates)[numbers(rows, CANDIDATE)]
        times, splits = rows[TIMESTAMP].to_numpy(), rows[SPLIT].to_numpy()
        columns = {QUERY: query, CANDIDATE: candidate, TIMESTAMP: times}
        if LABEL in rows.column_names:
            columns[LABEL] = rows[LABEL].to_numpy()
        if self.weights is not None:
            columns[WEIGHT] = weights(columns[LABEL], self.weights)
        past = windows(numbers(rows, QUERY), times, splits, self.histories)
        pooled_candidates, pooled_times = candidate[past.pool].astype(np.int32), times[past.pool]

        def encoded(chosen: np.ndarray) -> np.ndarray:
            chunk: dict[str, Column] = {name: values[chosen] for name, values in columns.items()}
            if self.histories.length:
                chunk[HISTORY] = gather(past, chosen, pooled_candidates)
                if self.has_times:
                    chunk[HISTORY_GAPS] = gaps(past, chosen, times, pooled_times)
            return encode_examples(chunk)

        order = shuffled(rows, self.seed)
        lengths = past.ends - past.starts
        for index, split in enumerate(SPLITS):
            of_split = order[splits[order] == index]
            chunks = [of_split[start:end] for start, end in chunk_bounds(lengths[of_split])]
            self._write_records(self._path(split, shard), chunks, encoded)
        cold_query = (query == UNKNOWN_ROW) & (splits != TRAIN)
        cold_candidate = ((candidate == UNKNOWN_ROW) | (candidate > trained)) & (splits != TRAIN)
        self._write_cold(shard, rows, cold_query, cold_candidate)
        return split_statistics(
            numbers(rows, QUERY),
            times,
            splits,
            lengths,
            {
                "unknown_query": query == UNKNOWN_ROW,
                "unknown_candidate": candidate == UNKNOWN_ROW,
                COLD_QUERY: cold_query,
                COLD_CANDIDATE: cold_candidate,
            },
        )

    def _path(self, split: str, shard: int) -> Path:
        suffix = ".gz" if self.config.compression == "gzip" else ""
        return (
            self.directory
            / "examples"
            / f"{split}-{shard:05d}-of-{self.shards:05d}.tfrecord{suffix}"
        )

    def _write_records(
        self,
        path: Path,
        chunks: Iterable[np.ndarray],
        encoded: Callable[[np.ndarray], np.ndarray],
    ) -> None:
        compressor = None
        if self.config.compression == "gzip":
            compressor = zlib.compressobj(_GZIP_LEVEL, wbits=_GZIP)
        with whole_file(path) as attempt, attempt.open("wb") as file:
            for chunk in chunks:
                records = encoded(chunk).data
                file.write(compressor.compress(records) if compressor else records)
            if compressor:
                file.write(compressor.flush())

    def _write_cold(
        self, shard: int, rows: pa.Table, cold_query: np.ndarray, cold_candidate: np.ndarray
    ) -> None:
        cold = cold_query | cold_candidate
        if not cold.any():
            return
        held_out = rows.filter(pa.array(cold))
        columns = {
            QUERY: held_out[QUERY].cast(pa.string()),
            CANDIDATE: held_out[CANDIDATE].cast(pa.string()),
            TIMESTAMP: held_out[TIMESTAMP],
            SPLIT: pa.array(np.array(SPLITS)[held_out[SPLIT].to_numpy()]),
            COLD_QUERY: cold_query[cold],
            COLD_CANDIDATE: cold_candidate[cold],
        }
        path = self.directory / "cold" / f"part-{shard:05d}-of-{self.shards:05d}.parquet"
        with whole_file(path) as attempt:
            pq.write_table(pa.table(columns), attempt)


def chunk_bounds(
    lengths: np.ndarray, most_rows: int = _CHUNK_ROWS, most_past: int = _CHUNK_PAST
) -> Iterator[tuple[int, int]]:
    """Begins and ends of stretches of rows that are encoded together.

    Args:
      lengths: `[rows]` interactions in the history of each row.
      most_rows: Most rows of a stretch.
      most_past: Most interactions of a stretch; a row that has more stands alone.
    """
    ends = np.cumsum(lengths)
    start = past = 0
    while start < len(lengths):
        fits = int(np.searchsorted(ends, past + most_past, side="right"))
        end = min(max(fits, start + 1), start + most_rows)
        yield start, end
        start, past = end, int(ends[end - 1])


def shuffled(shard: pa.Table, seed: int) -> np.ndarray:
    """An order of arranged rows that looks random and depends on their content and `seed` alone."""
    key = mix(np.full(shard.num_rows, seed, np.uint64))
    for column in (QUERY, CANDIDATE):
        key = mix(key ^ hash_ids(ids(shard, column))[numbers(shard, column)])
    key = mix(key ^ shard[TIMESTAMP].to_numpy().view(np.uint64))
    return key_order(key)
