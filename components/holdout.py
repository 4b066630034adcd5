"""Held-out interactions: what a ranking should find, and what it must leave out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
import pyarrow.parquet as pq

from components.artifacts import Prepared
from components.errors import DataError
from models.data import read_pairs
from models.features import FIRST_KNOWN_ROW, UNKNOWN_ROW
from models.ranking import Sets

HeldOut = Literal["validation", "test"]

_BEFORE: dict[HeldOut, tuple[str, ...]] = {
    "validation": ("train",),
    "test": ("train", "validation"),
}


@dataclass(frozen=True, slots=True)
class Holdout:
    """The queries of a held-out split that the model knows, with what they saw and what they took.

    Attributes:
      queries: `[queries]` rows of the query tower.
      seen: What each query interacted with in the earlier splits, left out of its ranking.
      relevant: What each query interacted with in this split and had not seen, as far as it is in
        the catalogue.
      relevant_sizes: `[queries]` all that each query took and had not seen, candidates that are not
        in the catalogue included: those can only be missed.
      unknown_query_rows: Rows of queries that training never saw; they are not ranked.
      dropped_queries: Known queries of which nothing unseen is left to find.
    """

    queries: np.ndarray
    seen: Sets
    relevant: Sets
    relevant_sizes: np.ndarray
    unknown_query_rows: int
    dropped_queries: int


def read_holdout(prepared: Prepared, split: HeldOut) -> Holdout:
    """Reads a held-out split with what its queries had seen before.

    Raises:
      DataError: No query of the split has anything to find.
    """
    seen = read_seen(prepared, split)
    queries, candidates = read_pairs(prepared.examples(split))
    known = queries != UNKNOWN_ROW
    relevant = _without(_known_sets(queries, candidates, len(seen)), seen)
    cold = np.bincount(queries[known & (candidates == UNKNOWN_ROW)], minlength=len(seen))
    sizes = relevant.sizes + cold
    chosen = np.flatnonzero(sizes)
    if not len(chosen):
        raise DataError(
            f"{prepared.path}: the {split} split holds nothing to find: none of its "
            f"{len(queries)} rows is an unseen candidate of a query that training knows."
        )
    return Holdout(
        queries=chosen,
        seen=seen.take(chosen),
        relevant=relevant.take(chosen),
        relevant_sizes=sizes[chosen],
        unknown_query_rows=int((~known).sum()),
        dropped_queries=len(np.unique(queries[known])) - len(chosen),
    )


def read_queries(prepared: Prepared, split: HeldOut) -> np.ndarray:
    """The known query rows that a held-out split has rows of, ascending."""
    queries, _ = read_pairs(prepared.examples(split))
    return np.unique(queries[queries != UNKNOWN_ROW])


def read_seen(prepared: Prepared, split: HeldOut) -> Sets:
    """What every query row, in the split or not, interacted with in the earlier splits."""
    count = FIRST_KNOWN_ROW + pq.read_metadata(prepared.queries).num_rows
    earlier = [shard for name in _BEFORE[split] for shard in prepared.examples(name)]
    return _known_sets(*read_pairs(earlier), count)


def _known_sets(queries: np.ndarray, candidates: np.ndarray, count: int) -> Sets:
    """The candidates of each query row, as far as both are known."""
    known = (queries != UNKNOWN_ROW) & (candidates != UNKNOWN_ROW)
    return Sets.from_pairs(queries[known], candidates[known], count)


def _without(sets: Sets, removed: Sets) -> Sets:
    """The values of each row of `sets` that the same row of `removed` lacks."""
    base = 1 + max(sets.values.max(initial=0), removed.values.max(initial=0))
    rows, values = sets.pairs()
    removed_rows, removed_values = removed.pairs()
    kept = ~np.isin(rows * base + values, removed_rows * base + removed_values)
    return Sets.from_pairs(rows[kept], values[kept], len(sets))
