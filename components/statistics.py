"""Statistics: what the rows of each split look like, counted while they are written."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from components.splits import SPLITS, TRAIN

ShardStatistics = Mapping[str, Mapping[str, Any]]
"""Split to what was counted of its rows: numbers, and histograms (value to how often)."""

_FIRST, _LAST = "first", "last"


def split_statistics(
    queries: np.ndarray,
    times: np.ndarray,
    splits: np.ndarray,
    history_lengths: np.ndarray,
    flags: Mapping[str, np.ndarray],
) -> ShardStatistics:
    """Counts the rows of one arranged shard.

    Args:
      queries: `[rows]` a number for each query, that no other shard holds.
      times: `[rows]` microseconds.
      splits: `[rows]` split of each row.
      history_lengths: `[rows]` interactions in each row's history.
      flags: Name of something to count to `[rows]` bool.
    """
    trained = np.unique(queries[splits == TRAIN])
    counted: dict[str, dict[str, Any]] = {}
    for index, split in enumerate(SPLITS):
        chosen = splits == index
        shown, rows_of_query = np.unique(queries[chosen], return_counts=True)
        counted[split] = {
            "rows": int(np.count_nonzero(chosen)),
            "queries": len(shown),
            "cold_queries": len(shown) - int(np.isin(shown, trained).sum()),
            "rows_of_query": _histogram(rows_of_query),
            "history_lengths": _histogram(history_lengths[chosen]),
            **{name: int(np.count_nonzero(flag & chosen)) for name, flag in flags.items()},
        }
        if chosen.any():
            counted[split] |= {_FIRST: int(times[chosen].min()), _LAST: int(times[chosen].max())}
    return counted


def merge_statistics(shards: Iterable[ShardStatistics]) -> ShardStatistics:
    """Statistics of all shards together."""
    merged: dict[str, dict[str, Any]] = {split: {} for split in SPLITS}
    for shard in shards:
        for split, counted in shard.items():
            for name, value in counted.items():
                merged[split][name] = _add(name, merged[split].get(name), value)
    return merged


def _add(name: str, total: Any, value: Any) -> Any:  # noqa: ANN401  # as JSON holds them
    if total is None:
        return value
    if isinstance(value, Mapping):
        return {key: total.get(key, 0) + value.get(key, 0) for key in {**total, **value}}
    if name == _FIRST:
        return min(total, value)
    if name == _LAST:
        return max(total, value)
    return total + value


def _histogram(values: np.ndarray) -> dict[str, int]:
    """How often each value occurs; the keys are text, as those of JSON are."""
    shown, counts = np.unique(values, return_counts=True)
    return {str(value): int(count) for value, count in zip(shown, counts, strict=True)}
