"""Training batches from the TFRecords that the Beam job wrote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import tensorflow as tf

from models.features import UNKNOWN_ROW

QUERY = "query"
CANDIDATE = "candidate"
TIMESTAMP = "timestamp"

_READ_ROWS = 8192
_BLOCK_ROWS = 16


@dataclass(frozen=True, slots=True)
class Split:
    """The examples of one split.

    Attributes:
      shards: Its TFRecord files, each with its rows in random order.
      rows: How many rows they hold together.
    """

    shards: Sequence[Path]
    rows: int


def training_batches(
    splits: Sequence[Split], *, batch_size: int, shuffle_rows: int, seed: int
) -> tf.data.Dataset:
    """One epoch of batches in an order that only the seed decides.

    Rows are drawn from the splits in proportion to their sizes, from the shards of a split in turn,
    and shuffled in a window: so a batch is a draw from the whole, which the logQ correction
    assumes. A row whose candidate the catalogue lacks is left out of its batch. Rows are parsed a
    batch at a time: one by one costs ten times as much.

    Args:
      splits: What to train on.
      batch_size: Rows a batch; the last batch of the epoch may be smaller.
      shuffle_rows: Rows of the shuffle window.
      seed: Decides the order; give each epoch its own.

    Returns:
      A dataset of `models.two_tower.Batch`.
    """
    rows = sum(split.rows for split in splits)
    # Blocks are drawn, not rows: a draw costs more than all else that a row costs.
    blocks = tf.data.Dataset.sample_from_datasets(
        [_records(split, seed).batch(_BLOCK_ROWS) for split in splits],
        weights=[split.rows / rows for split in splits],
        seed=seed,
        stop_on_empty_dataset=False,
    )
    records = blocks.unbatch()
    batches = records.shuffle(min(rows, shuffle_rows), seed=seed).batch(batch_size).map(_known)
    steps = -(-rows // batch_size)
    return batches.apply(tf.data.experimental.assert_cardinality(steps)).prefetch(tf.data.AUTOTUNE)


def _records(split: Split, seed: int) -> tf.data.Dataset:
    order = np.random.default_rng(seed).permutation(len(split.shards))
    files = tf.data.Dataset.from_tensor_slices([str(split.shards[index]) for index in order])
    compression = _compression(split.shards)
    return files.interleave(
        lambda file: tf.data.TFRecordDataset(file, compression),
        cycle_length=len(split.shards),
        block_length=_BLOCK_ROWS,
    )


def _compression(shards: Sequence[Path]) -> Literal["GZIP", ""]:
    """How TensorFlow calls the compression of some files: they have the same."""
    return "GZIP" if any(shard.suffix == ".gz" for shard in shards) else ""


def _known(records: tf.Tensor) -> dict[str, tf.Tensor]:
    parsed = _parse(records, [QUERY, CANDIDATE])
    known = tf.not_equal(parsed[CANDIDATE], UNKNOWN_ROW)
    return {name: tf.boolean_mask(rows, known) for name, rows in parsed.items()}


def read_pairs(shards: Sequence[Path]) -> tuple[np.ndarray, np.ndarray]:
    """All (query, candidate) pairs of some shards, in file order: two int64 arrays `[rows]`."""
    columns = read_columns(shards, [QUERY, CANDIDATE])
    return columns[QUERY], columns[CANDIDATE]


def read_columns(shards: Sequence[Path], names: Sequence[str]) -> dict[str, np.ndarray]:
    """Integer features of all examples of some shards, in file order: int64 arrays `[rows]`."""
    files = [str(shard) for shard in shards]
    records = tf.data.TFRecordDataset(files, _compression(shards)).batch(_READ_ROWS)
    parsed = records.map(lambda batch: _parse(batch, names))
    batches = list(parsed.as_numpy_iterator())
    empty = np.empty(0, np.int64)
    return {name: np.concatenate([empty, *(batch[name] for batch in batches)]) for name in names}


def _parse(records: tf.Tensor, names: Sequence[str]) -> dict[str, tf.Tensor]:
    features = {name: tf.io.FixedLenFeature([], tf.int64) for name in names}
    parsed = tf.io.parse_example(records, features)
    return {name: tf.ensure_shape(parsed[name], [None]) for name in names}
