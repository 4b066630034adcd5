"""Golden requests: the trainer's own answers, which the exported model must reproduce."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pydantic import BaseModel, ConfigDict

from components.embedded import Embedded
from components.holdout import Holdout
from models.features import FIRST_KNOWN_ROW, UNKNOWN_ROW
from models.ranking import Sets, top_k


class GoldenRequest(BaseModel):
    """One request and the trainer's answer."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    query_id: str
    k: int
    exclude: tuple[str, ...]
    embedding: tuple[float, ...]
    candidate_ids: tuple[str, ...]
    """Exact top k, best first."""
    scores: tuple[float, ...]


class GoldenRequests(BaseModel):
    """What the exported model must reproduce."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    least_recall: float
    """Share of the exact top k that must come back, over all requests together."""
    requests: tuple[GoldenRequest, ...]


def golden_path(model: Path) -> Path:
    """Where the golden requests of an exported model lie."""
    return model / "assets.extra" / "golden_requests.json"


def golden_requests(
    embedded: Embedded, holdout: Holdout, *, count: int, k: int, least_recall: float, seed: int
) -> GoldenRequests:
    """Ranks exactly for some queries, what each has seen left out, and for one that nobody knows.

    Args:
      embedded: What the trained model knows.
      holdout: The queries to draw from, with what they have seen.
      count: How many queries to draw.
      k: Length of the lists.
      least_recall: Share of these lists that the exported model must find.
      seed: Decides the draw.
    """
    drawn = np.random.default_rng(seed).permutation(len(holdout.queries))[:count]
    seen = holdout.seen.take(drawn)
    rows = np.append(holdout.queries[drawn], UNKNOWN_ROW)
    excluded = Sets(np.append(seen.offsets, seen.offsets[-1]), seen.values)
    ranked, scores = top_k(embedded.queries[rows], embedded.candidates, k, excluded=excluded)

    def names(candidates: np.ndarray) -> tuple[str, ...]:
        return tuple(embedded.candidate_ids[int(row) - FIRST_KNOWN_ROW] for row in candidates)

    def answer(index: int) -> GoldenRequest:
        row = int(rows[index])
        filled = ranked[index] != UNKNOWN_ROW
        known = row != UNKNOWN_ROW
        return GoldenRequest(
            query_id=embedded.query_ids[row - FIRST_KNOWN_ROW] if known else _unknown_id(embedded),
            k=k,
            exclude=names(excluded[index]),
            embedding=tuple(embedded.queries[row].tolist()),
            candidate_ids=names(ranked[index][filled]),
            scores=tuple(scores[index][filled].tolist()),
        )

    return GoldenRequests(
        least_recall=least_recall, requests=tuple(answer(index) for index in range(len(rows)))
    )


def _unknown_id(embedded: Embedded) -> str:
    """An id that no query has."""
    unknown = "unknown"
    while unknown in embedded.query_ids:
        unknown += "?"
    return unknown
