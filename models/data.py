"""Training batches from the TFRecords that the Beam job wrote."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

QUERY = "query"
CANDIDATE = "candidate"
TIMESTAMP = "timestamp"

_READ_ROWS = 8192
_BLOCK_ROWS = 16


def training_batches(
    shards: Sequence[Path], rows: int, *, batch_size: int, shuffle_rows: int, seed: int
) -> tf.data.Dataset:
    """One epoch of batches in an order that only the seed decides.

    Each shard holds its rows in random order; reading all shards in turn and shuffling in a window
    makes a batch a draw from the whole, which the logQ correction assumes. Rows are parsed a batch
    at a time: one by one costs ten times as much.

    Args:
      shards: The TFRecord files of the training split.
      rows: How many rows they hold together.
      batch_size: Rows a batch; the last batch of the epoch may be smaller.
      shuffle_rows: Rows of the shuffle window.
      seed: Decides the order; give each epoch its own.

    Returns:
      A dataset of `models.two_tower.Batch`.
    """
    order = np.random.default_rng(seed).permutation(len(shards))
    files = tf.data.Dataset.from_tensor_slices([str(shards[index]) for index in order])
    records = files.interleave(
        tf.data.TFRecordDataset, cycle_length=len(shards), block_length=_BLOCK_ROWS
    )
    batches = records.shuffle(min(rows, shuffle_rows), seed=seed).batch(batch_size)
    parsed = batches.map(lambda batch: _parse(batch, [QUERY, CANDIDATE]))
    steps = -(-rows // batch_size)
    return parsed.apply(tf.data.experimental.assert_cardinality(steps)).prefetch(tf.data.AUTOTUNE)


def read_pairs(shards: Sequence[Path]) -> tuple[np.ndarray, np.ndarray]:
    """All (query, candidate) pairs of some shards, in file order: two int64 arrays `[rows]`."""
    columns = read_columns(shards, [QUERY, CANDIDATE])
    return columns[QUERY], columns[CANDIDATE]


def read_columns(shards: Sequence[Path], names: Sequence[str]) -> dict[str, np.ndarray]:
    """Integer features of all examples of some shards, in file order: int64 arrays `[rows]`."""
    records = tf.data.TFRecordDataset([str(shard) for shard in shards]).batch(_READ_ROWS)
    parsed = records.map(lambda batch: _parse(batch, names))
    batches = list(parsed.as_numpy_iterator())
    empty = np.empty(0, np.int64)
    return {name: np.concatenate([empty, *(batch[name] for batch in batches)]) for name in names}


def _parse(records: tf.Tensor, names: Sequence[str]) -> dict[str, tf.Tensor]:
    features = {name: tf.io.FixedLenFeature([], tf.int64) for name in names}
    parsed = tf.io.parse_example(records, features)
    return {name: tf.ensure_shape(parsed[name], [None]) for name in names}
