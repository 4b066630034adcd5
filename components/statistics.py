"""Statistics: what prepared data looks like, counted while it is written.

`statistics.json` holds

    splits            of each split: rows, queries, candidates, how many of them are cold, the first
                      and the last time, rows a query, lengths of the histories
    density           training rows / (training queries * training candidates)
    popularity_curve  share of the training rows that the most frequent share of the candidates has
    features          of each feature: the share of the queries or candidates that have a value, and
                      the share of the training rows whose query or candidate has one
"""

# pyright: reportAttributeAccessIssue=false
# (pyarrow.compute makes its functions when it is imported)

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.artifacts import Prepared
from components.interactions import SPLIT
from components.splits import SPLITS, TRAIN
from components.vocabularies import COUNT, VALUE
from models.features import UNKNOWN_ROW, Feature, ListFeature, StandardisedFeature, TextFeature

ShardStatistics = Mapping[str, Mapping[str, Any]]
"""Split to what was counted of its rows: numbers, and histograms (value to how often)."""

_FIRST, _LAST = "first", "last"
_HISTOGRAMS = ("rows_of_query", "history_lengths")
_CURVE = (0.001, 0.01, 0.05, 0.1, 0.2, 0.5)
_QUANTILES = (0.5, 0.9, 0.99)


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


def describe(
    prepared: Prepared, splits: ShardStatistics, features: Mapping[str, Iterable[Feature]]
) -> dict[str, Any]:
    """What `statistics.json` holds.

    Args:
      prepared: The tables that were written.
      splits: The statistics of all shards together.
      features: The features of `queries` and of `candidates`.
    """
    shown = _shown_candidates(pq.read_table(prepared.occurrences("candidates")))
    described = {
        split: {
            **{
                name: summary(value) if name in _HISTOGRAMS else value
                for name, value in counted.items()
            },
            **shown[split],
        }
        for split, counted in splits.items()
    }
    trained = described[SPLITS[TRAIN]]
    counts = pq.read_table(prepared.frequencies, columns=[COUNT])[COUNT].to_numpy()
    tables = {"queries": prepared.queries, "candidates": prepared.candidates}
    return {
        "splits": described,
        "density": trained["rows"] / max(trained["queries"] * trained["candidates"], 1),
        "popularity_curve": popularity_curve(counts),
        "features": {
            side: _coverage(pq.read_table(tables[side]), of_side)
            for side, of_side in features.items()
        },
    }


def summary(histogram: Mapping[str, int]) -> dict[str, float]:
    """Mean, quantiles and maximum of a histogram; a quantile is one of its values.

    Example:
      >>> summary({"1": 8, "3": 1, "30": 1})
      {'mean': 4.1, 'p50': 1, 'p90': 3, 'p99': 30, 'max': 30}
    """
    if not histogram:
        return {}
    values = np.array(sorted(map(int, histogram)))
    counts = np.array([histogram[str(value)] for value in values])
    ends = np.cumsum(counts)
    places = np.searchsorted(ends, np.ceil(np.array(_QUANTILES) * ends[-1]))
    return {
        "mean": float(np.average(values, weights=counts)),
        **{
            f"p{100 * share:g}": int(values[place])
            for share, place in zip(_QUANTILES, places, strict=True)
        },
        "max": int(values[-1]),
    }


def popularity_curve(counts: np.ndarray) -> dict[str, float]:
    """Share of the rows that the most frequent candidates have, by their share of the candidates.

    Args:
      counts: `[candidates]` rows of each.

    Example:
      >>> popularity_curve(np.array([6, 1, 1, 1, 1, 0, 0, 0, 0, 0]))["0.1"]
      0.6
    """
    ends = np.cumsum(-np.sort(-counts))
    total = max(int(counts.sum()), 1)
    return {
        str(share): float(ends[max(round(share * len(counts)), 1) - 1] / total) if total else 0.0
        for share in _CURVE
        if len(counts)
    }


def _shown_candidates(occurrences: pa.Table) -> dict[str, dict[str, int]]:
    """How many candidates the rows of each split show, and how many of those training lacks."""
    by_split = occurrences.group_by([VALUE, SPLIT], use_threads=False).aggregate([])
    trained = by_split.filter(pa.array(by_split[SPLIT].to_numpy() == TRAIN))[VALUE]
    cold = pc.invert(pc.is_in(by_split[VALUE], value_set=trained.combine_chunks()))
    splits, cold = by_split[SPLIT].to_numpy(), cold.to_numpy()
    return {
        split: {
            "candidates": int(np.count_nonzero(splits == index)),
            "cold_candidates": int(np.count_nonzero((splits == index) & cold)),
        }
        for index, split in enumerate(SPLITS)
    }


def _coverage(table: pa.Table, features: Iterable[Feature]) -> dict[str, dict[str, float]]:
    rows = table[COUNT].to_numpy()
    found = {}
    for feature in features:
        has = _has_value(table[feature.name].combine_chunks(), feature)
        found[feature.name] = {
            "coverage": float(has.mean()) if len(has) else 0.0,
            "coverage_of_rows": float(rows[has].sum() / max(rows.sum(), 1)),
        }
    return found


def _has_value(encoded: pa.Array, feature: Feature) -> np.ndarray:
    """Whether each entity has a value, or one that is known; 0 is also the mean of a number."""
    if isinstance(feature, ListFeature | TextFeature):
        return encoded.value_lengths().to_numpy(zero_copy_only=False) > 0
    if isinstance(feature, StandardisedFeature):
        return encoded.to_numpy() != 0
    return encoded.to_numpy() != UNKNOWN_ROW


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
