"""Ids inside the model: from the strings of a request to positions, and back.

    "242" --hash--> binary search in the sorted hashes --> position, if the id there is "242"

All state is variables. A lookup table of TensorFlow is a resource with a name instead, and two
versions of a model that are loaded into one process answer from each other's.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

ABSENT = -1
_BUCKETS = 2**63 - 1


class IdTable(tf.Module):
    """The positions of known ids.

    Args:
      name: What the ids are of, for messages.
      ids: One id or more, distinct and not empty.

    Raises:
      ValueError: There is no id, an id is empty or comes twice, or two ids have the same hash,
        which happens to one in a million catalogues of four million ids.
    """

    def __init__(self, name: str, ids: Sequence[str]) -> None:
        super().__init__(name=f"{name}_ids")
        if not len(ids):
            raise ValueError(f"`{name}_ids` must hold at least one id. Received: none.")
        strings = tf.constant(ids, tf.string)
        hashes = _hash(strings).numpy()
        order = np.argsort(hashes, kind="stable")
        _check(name, ids, hashes, order)
        self.strings = tf.Variable(strings, trainable=False)
        self._order = tf.Variable(tf.constant(order, tf.int32), trainable=False)
        self._hashes = tf.Variable(tf.constant(hashes[order]), trainable=False)

    def positions(self, ids: tf.Tensor) -> tf.Tensor:
        """Looks up ids of any shape: int32 positions of that shape, `ABSENT` for an unknown id."""
        flat = tf.reshape(ids, [-1])
        hashes = _hash(flat)
        places = tf.searchsorted(self._hashes, hashes)
        places = tf.minimum(places, tf.shape(self._hashes)[0] - 1)
        found = tf.gather(self._order, places)
        known = tf.equal(tf.gather(self.strings, found), flat)
        return tf.reshape(tf.where(known, found, ABSENT), tf.shape(ids))


def _hash(ids: tf.Tensor) -> tf.Tensor:
    """FarmHash's fingerprint of each string, the same on every platform and in every version."""
    return tf.strings.to_hash_bucket_fast(ids, _BUCKETS)


def _check(name: str, ids: Sequence[str], hashes: np.ndarray, order: np.ndarray) -> None:
    if "" in ids:
        raise ValueError(f"`{name}_ids` must not be empty strings. Received: '' among them.")
    for place in np.flatnonzero(np.diff(hashes[order]) == 0):
        first, second = ids[order[place]], ids[order[place + 1]]
        if first == second:
            raise ValueError(f"`{name}_ids` must be distinct: {first!r} comes twice.")
        raise ValueError(
            f"`{name}_ids` {first!r} and {second!r} have one hash: rename one of them."
        )
