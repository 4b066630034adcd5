"""Baselines: rankings that need no model, for a model to be measured against."""

from __future__ import annotations

import numpy as np

from models.ranking import Sets, rank


def popularity(counts: np.ndarray, k: int, *, seen: Sets) -> np.ndarray:
    """The candidates that occur most often in training, the same for every query.

    Args:
      counts: `[candidates]` training rows of each candidate, by row, row 0 the unknown's.
      k: Length of the lists.
      seen: What each query has seen, and does not get.

    Returns:
      `[queries, k]` rows, best first, padded with 0.
    """

    def score(chunk: slice) -> np.ndarray:
        return np.tile(counts.astype(np.float32), (chunk.stop - chunk.start, 1))

    return rank(score, k, excluded=seen)[0]


def chance(candidates: int, k: int, *, seen: Sets, seed: int) -> np.ndarray:
    """Candidates in random order, another for each query.

    Args:
      candidates: Rows of the catalogue, row 0 (unknown) included.
      k: Length of the lists.
      seen: What each query has seen, and does not get.
      seed: Decides the order.

    Returns:
      `[queries, k]` rows, padded with 0.
    """
    rng = np.random.default_rng(seed)

    def score(chunk: slice) -> np.ndarray:
        return rng.random((chunk.stop - chunk.start, candidates), np.float32)

    return rank(score, k, excluded=seen)[0]
