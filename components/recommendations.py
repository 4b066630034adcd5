"""Recommendations: the exact top candidates of every query of a held-out split.

One line a query, `query_id<TAB>candidate candidate ...`, best first, what it has seen left out.
They are ranked over the whole catalogue from the trained embeddings, so that the same run always
gives the same file: an approximate index, built again, finds a little more or less.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from components.artifacts import Prepared
from components.embedded import Embedded
from components.errors import DataError
from components.holdout import HeldOut, read_queries, read_seen
from models.features import FIRST_KNOWN_ROW, UNKNOWN_ROW
from models.ranking import top_k

_BATCH = 4096
_BREAK = re.compile(r"[\t\r\n]")
_SPACE = re.compile(r"\s")


def write_recommendations(
    embedded: Embedded, prepared: Prepared, split: HeldOut, k: int, path: Path
) -> int:
    """Writes the candidates of every known query of a split, and returns how many queries.

    The file appears whole, or not at all.

    Raises:
      DataError: An id holds white space, and could not be told from its neighbours.
    """
    spaced = next(filter(_BREAK.search, embedded.query_ids), None)
    spaced = spaced or next(filter(_SPACE.search, embedded.candidate_ids), None)
    if spaced is not None:
        raise DataError(
            f"{prepared.path}: the id {spaced!r} holds white space that separates ids in the file "
            "of recommendations; give ids without it."
        )
    partial = path.with_name(path.name + ".partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    queries = read_queries(prepared, split)
    with partial.open("w", encoding="utf-8") as file:
        for query, candidates in recommend(embedded, prepared, split, queries, k):
            file.write(f"{query}\t{' '.join(candidates)}\n")
    partial.replace(path)
    return len(queries)


def recommend(
    embedded: Embedded, prepared: Prepared, split: HeldOut, queries: np.ndarray, k: int
) -> Iterator[tuple[str, list[str]]]:
    """Yields each query with its candidates, best first.

    Args:
      embedded: What the trained model knows.
      prepared: The data, with what the queries had seen before the split.
      split: The split that is recommended for.
      queries: `[queries]` rows of the query tower.
      k: Length of the lists.
    """
    seen = read_seen(prepared, split)
    for start in range(0, len(queries), _BATCH):
        rows = queries[start : start + _BATCH]
        ranked, _ = top_k(embedded.queries[rows], embedded.candidates, k, excluded=seen.take(rows))
        for row, candidates in zip(rows, ranked, strict=True):
            known = candidates[candidates != UNKNOWN_ROW] - FIRST_KNOWN_ROW
            yield (
                embedded.query_ids[int(row) - FIRST_KNOWN_ROW],
                [embedded.candidate_ids[int(index)] for index in known],
            )
