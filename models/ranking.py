"""Exact full-catalogue ranking: what an index is measured against, and what metrics are read from.

A set of candidates a query is held as one row of a `Sets`: offsets into one flat array.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Self

import numpy as np

_CHUNK = 512


@dataclass(frozen=True, slots=True)
class Sets:
    """One set of integers a row, stored flat: row `i` is `values[offsets[i]:offsets[i + 1]]`.

    Attributes:
      offsets: `[rows + 1]` int64, ascending from 0.
      values: `[offsets[-1]]` int64, ascending and distinct within a row.
    """

    offsets: np.ndarray
    values: np.ndarray

    @classmethod
    def from_pairs(cls, rows: np.ndarray, values: np.ndarray, count: int) -> Self:
        """Groups pairs by row; duplicates collapse.

        Args:
          rows: `[pairs]` row of each pair, in `[0, count)`.
          values: `[pairs]` value of each pair.
          count: How many rows there are.
        """
        pairs = np.unique(np.stack([rows, values], axis=1).astype(np.int64), axis=0)
        offsets = np.searchsorted(pairs[:, 0], np.arange(count + 1))
        return cls(offsets.astype(np.int64), pairs[:, 1])

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, row: int) -> np.ndarray:
        return self.values[self.offsets[row] : self.offsets[row + 1]]

    @property
    def sizes(self) -> np.ndarray:
        """`[rows]` how many values each row holds."""
        return np.diff(self.offsets)

    def take(self, rows: np.ndarray) -> Self:
        """The sets of some rows, in the order given."""
        sizes = self.sizes[rows]
        offsets = np.concatenate([[0], np.cumsum(sizes)])
        within = np.arange(offsets[-1]) - np.repeat(offsets[:-1], sizes)
        return type(self)(offsets, self.values[np.repeat(self.offsets[rows], sizes) + within])

    def pairs(self) -> tuple[np.ndarray, np.ndarray]:
        """The (row, value) pairs, as two arrays."""
        return np.repeat(np.arange(len(self)), self.sizes), self.values


def top_k(
    queries: np.ndarray, candidates: np.ndarray, k: int, *, excluded: Sets
) -> tuple[np.ndarray, np.ndarray]:
    """The `k` best candidates of each query by dot product, the excluded ones left out.

    Ties go in an order of the rows that is fixed and has nothing to do with how often a candidate
    occurs: rows are numbered by that, so their own order would let a model that cannot tell the
    candidates apart pass for popularity. Row 0, the unknown, is never ranked.

    Args:
      queries: `[queries, dim]` embeddings.
      candidates: `[candidates, dim]` embeddings by row, row 0 the unknown's.
      k: Length of the lists.
      excluded: One set of candidate rows a query.

    Returns:
      `[queries, k]` int64 rows, best first, padded with 0; and `[queries, k]` float32 scores,
      padded with -inf.

    Raises:
      ValueError: A score is not a number.
    """
    return rank(lambda chunk: queries[chunk] @ candidates.T, k, excluded=excluded)


def rank(
    score: Callable[[slice], np.ndarray], k: int, *, excluded: Sets
) -> tuple[np.ndarray, np.ndarray]:
    """As `top_k`, for scores that are made a few queries at a time.

    Args:
      score: Gives the `[queries of the slice, candidates]` float32 scores, which are overwritten.
      k: Length of the lists.
      excluded: One set of candidate rows a query.
    """
    ranked = np.zeros((len(excluded), k), np.int64)
    scores = np.full((len(excluded), k), -np.inf, np.float32)
    for start in range(0, len(excluded), _CHUNK):
        chunk = slice(start, min(start + _CHUNK, len(excluded)))
        grid = score(chunk)
        if np.isnan(grid).any():
            raise ValueError("Scores must be numbers. Received: NaN among them.")
        grid[:, 0] = -np.inf
        grid[excluded.take(np.arange(chunk.start, chunk.stop)).pairs()] = -np.inf
        order = _tie_order(grid.shape[1])
        best = order[_best_columns(grid[:, order], min(k, grid.shape[1]))]
        found = np.take_along_axis(grid, best, axis=1)
        ranked[chunk, : best.shape[1]] = np.where(np.isneginf(found), 0, best)
        scores[chunk, : best.shape[1]] = found
    return ranked, scores


@cache
def _tie_order(candidates: int) -> np.ndarray:
    """The rows in the order in which they win ties."""
    return np.random.default_rng(0).permutation(candidates)


def _best_columns(grid: np.ndarray, width: int) -> np.ndarray:
    """Columns of the `width` largest values of each row, largest first, ties by column."""
    # Everything at or above the width-th value takes part, so that ties at the edge go by column.
    if width == grid.shape[1]:
        return np.argsort(-grid, axis=1, kind="stable")
    edge = -np.partition(-grid, width - 1, axis=1)[:, width - 1]
    above = np.where(grid >= edge[:, np.newaxis], -grid, np.inf)
    return np.argsort(above, axis=1, kind="stable")[:, :width]
