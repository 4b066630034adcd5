"""Examples: the rows of one shard, put in order, split, encoded and written as TFRecords."""

# pyright: reportAttributeAccessIssue=false
# (pyarrow.compute makes its functions when it is imported)

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pyarrow as pa

from components.files import BATCH_ROWS
from components.hashing import hash_ids, mix
from components.interactions import CANDIDATE, LABEL, QUERY, SPLIT, TIMESTAMP
from components.records import encode_examples
from components.splits import SPLITS
from components.vocabularies import rows_of, short_order


def sort_interactions(interactions: pa.Table) -> tuple[pa.Table, np.ndarray]:
    """Sorts by query, time, candidate and label: rows that tie in all of them are the same.

    Returns:
      The sorted table, and `[rows]` a number for each query.
    """
    queries = _ordinals(interactions[QUERY])
    candidates = _ordinals(interactions[CANDIDATE])
    keys = [candidates, interactions[TIMESTAMP].to_numpy(), queries]
    if LABEL in interactions.column_names:
        keys.insert(0, interactions[LABEL].to_numpy())
    if SPLIT in interactions.column_names:
        keys.insert(0, interactions[SPLIT].to_numpy())
    order = np.lexsort(keys)
    return interactions.take(pa.array(order)).combine_chunks(), queries[order]


def shuffled(interactions: pa.Table, seed: int) -> np.ndarray:
    """An order of sorted rows that looks random and depends on their content and `seed` alone."""
    key = mix(np.full(interactions.num_rows, seed, np.uint64))
    for column in (QUERY, CANDIDATE):
        key = mix(key ^ hash_ids(interactions[column].combine_chunks()))
    key = mix(key ^ interactions[TIMESTAMP].to_numpy().view(np.uint64))
    return np.argsort(key, kind="stable")


def encode_rows(
    interactions: pa.Table, queries: pa.Array, candidates: pa.Array
) -> dict[str, np.ndarray]:
    """The features of the examples: ids as rows of their tables, and what stays as it is."""
    columns = {
        QUERY: rows_of(interactions[QUERY].combine_chunks(), queries),
        CANDIDATE: rows_of(interactions[CANDIDATE].combine_chunks(), candidates),
        TIMESTAMP: interactions[TIMESTAMP].to_numpy(),
    }
    if LABEL in interactions.column_names:
        columns[LABEL] = interactions[LABEL].to_numpy()
    return columns


def shard_path(directory: Path, split: str, shard: int, shards: int) -> Path:
    """Path of one file of examples."""
    return directory / "examples" / f"{split}-{shard:05d}-of-{shards:05d}.tfrecord"


def write_records(path: Path, columns: dict[str, np.ndarray], order: np.ndarray) -> None:
    """Writes rows in `order`; the file appears whole, so that a worker may try again."""
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    with partial.open("wb") as file:
        for start in range(0, len(order), BATCH_ROWS):
            rows = order[start : start + BATCH_ROWS]
            file.write(
                encode_examples({name: values[rows] for name, values in columns.items()}).data
            )
    partial.replace(path)


def write_shard(
    directory: Path,
    shard: int,
    shards: int,
    interactions: pa.Table,
    queries: pa.Array,
    candidates: pa.Array,
    seed: int,
) -> dict[str, int]:
    """Writes the examples of one shard, one file a split.

    Returns:
      How many rows each split holds, and how many rows that are not trained on show a query or a
      candidate unknown to training.
    """
    columns = encode_rows(interactions, queries, candidates)
    order = shuffled(interactions, seed)
    splits = interactions[SPLIT].to_numpy()[order]
    counts: dict[str, int] = {}
    for index, split in enumerate(SPLITS):
        rows = order[splits == index]
        write_records(shard_path(directory, split, shard, shards), columns, rows)
        counts[f"rows_{split}"] = len(rows)
        if split != SPLITS[0]:
            for side in (QUERY, CANDIDATE):
                unknown = np.count_nonzero(columns[side][rows] == 0)
                counts[f"rows_{split}_unknown_{side}"] = int(unknown)
    return counts


def _ordinals(column: pa.ChunkedArray) -> np.ndarray:
    """`[rows]` rank of each id among the distinct ids of the column, in short order."""
    encoded = column.combine_chunks().dictionary_encode()
    order = short_order(encoded.dictionary).to_numpy()
    ranks = np.empty(len(order), np.int64)
    ranks[order] = np.arange(len(order))
    return ranks[encoded.indices.to_numpy()]
