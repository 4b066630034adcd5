"""Ranking metrics: id-based, one value a query.

`ranked` is `[queries, K]` candidate rows, best first, padded with 0 where a list is shorter, which
is a miss. `relevant` holds each query's relevant rows; `h_r` is 1 where the candidate at rank r is
relevant, T the relevant set. A query without relevant candidates has no value: leave it out before.

Scores play no part, so ties cannot count as hits: a model that gives every candidate the same score
hits as often as chance, since `models.ranking` breaks ties without regard to popularity.
"""

from __future__ import annotations

import numpy as np

from models.ranking import Sets


def hits(ranked: np.ndarray, relevant: Sets) -> np.ndarray:
    """`h_r`: whether each ranked candidate is relevant to its query.

    Args:
      ranked: `[queries, K]` rows, 0 for padding.
      relevant: The relevant rows of each query.

    Returns:
      `[queries, K]` booleans.
    """
    base = np.int64(max(ranked.max(initial=0), relevant.values.max(initial=0)) + 1)
    rows, values = relevant.pairs()
    keys = np.arange(len(ranked), dtype=np.int64)[:, np.newaxis] * base + ranked
    return np.isin(keys, rows * base + values) & (ranked != 0)


def recall(hit: np.ndarray, relevant: np.ndarray, k: int) -> np.ndarray:
    """`Recall@k = sum_{r <= k} h_r / |T|`.

    Args:
      hit: `[queries, K]` booleans, K >= k.
      relevant: `[queries]` sizes of the relevant sets, all positive.
      k: Cut-off.

    Returns:
      `[queries]` values in [0, 1].
    """
    return hit[:, :k].sum(axis=1) / relevant


def hit_rate(hit: np.ndarray, k: int) -> np.ndarray:
    """`HitRate@k = 1[sum_{r <= k} h_r > 0]`: `[queries, K]` booleans to `[queries]`."""
    return hit[:, :k].any(axis=1).astype(float)


def ndcg(hit: np.ndarray, relevant: np.ndarray, k: int) -> np.ndarray:
    """`NDCG@k = DCG / IDCG`, `DCG = sum_{r <= k} h_r / log2(r + 1)`.

    IDCG is that of a list of `min(k, |T|)` hits, so that a perfect list always scores 1.

    Args:
      hit: `[queries, K]` booleans, K >= k.
      relevant: `[queries]` sizes of the relevant sets, all positive.
      k: Cut-off.

    Returns:
      `[queries]` values in [0, 1].

    References:
      Järvelin and Kekäläinen, Cumulated Gain-Based Evaluation of IR Techniques, TOIS 2002.
    """
    discounts = 1 / np.log2(np.arange(2, k + 2))
    ideal = np.concatenate([[0.0], np.cumsum(discounts)])
    return hit[:, :k] @ discounts[: hit[:, :k].shape[1]] / ideal[np.minimum(relevant, k)]


def reciprocal_rank(hit: np.ndarray, k: int) -> np.ndarray:
    """`MRR@k`'s terms: 1 / rank of the first hit within k, or 0: `[queries, K]` to `[queries]`."""
    first = hit[:, :k].argmax(axis=1)
    return np.where(hit[:, :k].any(axis=1), 1 / (first + 1), 0.0)


def coverage(ranked: np.ndarray, catalogue: int, k: int) -> float:
    """`Coverage@k = |union of the lists' first k| / |catalogue|`.

    Args:
      ranked: `[queries, K]` rows, 0 for padding.
      catalogue: How many candidates could have been ranked.
      k: Cut-off.
    """
    shown = np.unique(ranked[:, :k])
    return np.count_nonzero(shown) / catalogue


def bootstrap_interval(
    values: np.ndarray, *, resamples: int, seed: int, confidence: float = 0.95
) -> tuple[float, float]:
    """Percentile interval of the mean when queries are drawn with replacement.

    Args:
      values: `[queries]` one value a query.
      resamples: How many samples to draw.
      seed: Decides the draws; the same seed draws the same queries for every metric.
      confidence: Share of the resampled means inside the interval.

    Returns:
      Lower and upper bound.

    References:
      Efron and Tibshirani, An Introduction to the Bootstrap, 1993.
    """
    rng = np.random.default_rng(seed)
    draws = (values[rng.integers(len(values), size=len(values))].mean() for _ in range(resamples))
    tail = (1 - confidence) / 2
    low, high = np.quantile(np.fromiter(draws, float, resamples), [tail, 1 - tail])
    return float(low), float(high)
