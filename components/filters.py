"""Filters: which usable interactions are prepared at all, from the whole log's point of view."""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from components.compiled import compiled

_MICROSECONDS_A_DAY = 86_400_000_000


class FiltersConfig(BaseModel):
    """What is left out before the split: first old rows, then queries and candidates with few."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    window_days: Annotated[float, Field(gt=0, le=10_000_000)] | None = None
    """Only rows that are at most this much older than the newest one are kept."""
    min_query_rows: Annotated[int, Field(ge=1)] = 1
    """Queries with fewer rows are left out, and so on until none is left that has fewer."""
    min_candidate_rows: Annotated[int, Field(ge=1)] = 1
    """Candidates with fewer rows are left out, together with such queries."""

    @property
    def leaves_all(self) -> bool:
        """Whether no row can be left out."""
        return self.window_days is None and not self.needs_core

    @property
    def needs_core(self) -> bool:
        """Whether rows are left out for the queries or candidates they show."""
        return max(self.min_query_rows, self.min_candidate_rows) > 1


def in_window(times: np.ndarray, newest: int, config: FiltersConfig) -> np.ndarray:
    """`[rows]` bool: whether a row is new enough."""
    if config.window_days is None:
        return np.ones(len(times), bool)
    return times >= newest - round(config.window_days * _MICROSECONDS_A_DAY)


def core(queries: np.ndarray, candidates: np.ndarray, config: FiltersConfig) -> np.ndarray:
    """The rows of the core: the largest set in which every query and candidate has enough rows.

    There is one such set, whatever the order in which rows are left out.

    Args:
      queries: `[rows]` integer numbers from 0.
      candidates: `[rows]` integer numbers from 0.
      config: How many rows are enough.

    Returns:
      `[rows]` bool.
    """
    return _core(
        queries,
        candidates,
        np.bincount(queries),
        np.bincount(candidates),
        config.min_query_rows,
        config.min_candidate_rows,
    )


@compiled
def _core(
    queries: np.ndarray,
    candidates: np.ndarray,
    query_rows: np.ndarray,
    candidate_rows: np.ndarray,
    min_query_rows: int,
    min_candidate_rows: int,
) -> np.ndarray:
    kept = np.ones(len(queries), np.bool_)
    changed = True
    while changed:
        changed = False
        for row in range(len(queries)):
            query, candidate = queries[row], candidates[row]
            if kept[row] and (
                query_rows[query] < min_query_rows or candidate_rows[candidate] < min_candidate_rows
            ):
                kept[row] = False
                query_rows[query] -= 1
                candidate_rows[candidate] -= 1
                changed = True
    return kept
