"""Evaluation: the model beside its baselines, over the whole catalogue, seen candidates left out.

`metrics.json` holds for each system and cut-off the mean over the queries of the test split, with a
bootstrap interval, and says how many queries and rows could not be counted. Coverage is of all
lists together and has no interval: a resample holds fewer different lists, so it covers less.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

import numpy as np
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field, PositiveInt

from components.artifacts import METRICS_FILE, Counts, Prepared
from components.baselines import chance, popularity
from components.embedded import Embedded
from components.holdout import Holdout, read_holdout
from models import metrics
from models.ranking import top_k

System = Literal["two_tower", "popularity", "random"]

Measured = Mapping[str, Mapping[str, float]]
"""Metric, for example `recall@20`, to its `value` and the `low` and `high` of its 95 % interval."""


class EvaluationConfig(BaseModel):
    """What is measured."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    cutoffs: Annotated[tuple[PositiveInt, ...], Field(min_length=1)] = (10, 20, 50, 100)
    """The K of Recall@K and its like."""
    resamples: Annotated[int, Field(ge=100)] = 1000
    """Bootstrap samples behind an interval."""


def evaluate(
    config: EvaluationConfig, embedded: Embedded, prepared: Prepared, directory: Path, seed: int
) -> Counts:
    """Writes `metrics.json` of the test split into `directory`.

    Returns:
      How many queries were measured and what was left out.

    Raises:
      DataError: The test split holds nothing to find.
    """
    holdout = read_holdout(prepared, "test")
    k = max(config.cutoffs)
    counts = pq.read_table(prepared.frequencies, columns=["count"])["count"].to_numpy()
    by_row = np.concatenate([[0], counts])
    lists: dict[System, np.ndarray] = {
        "two_tower": _ranked(embedded, holdout, k),
        "popularity": popularity(by_row, k, seen=holdout.seen),
        "random": chance(len(by_row), k, seen=holdout.seen, seed=seed),
    }
    left_out = {
        "queries": len(holdout.queries),
        "dropped_queries": holdout.dropped_queries,
        "unknown_query_rows": holdout.unknown_query_rows,
        "relevant": int(holdout.relevant_sizes.sum()),
    }
    described = {
        "split": "test",
        "seen_excluded": True,
        "catalogue": len(counts),
        **left_out,
        "systems": {
            name: measure(config, ranked, holdout, catalogue=len(counts), seed=seed)
            for name, ranked in lists.items()
        },
    }
    (directory / METRICS_FILE).write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")
    return left_out


def _ranked(embedded: Embedded, holdout: Holdout, k: int) -> np.ndarray:
    queries = embedded.queries[holdout.queries]
    return top_k(queries, embedded.candidates, k, excluded=holdout.seen)[0]


def measure(
    config: EvaluationConfig, ranked: np.ndarray, holdout: Holdout, *, catalogue: int, seed: int
) -> Measured:
    """Every metric of ranked lists at every cut-off.

    Args:
      config: The cut-offs and the effort of the intervals.
      ranked: `[queries, K]` candidate rows, best first, padded with 0.
      holdout: What the lists should have found.
      catalogue: How many candidates there are.
      seed: Decides the bootstrap samples.
    """
    hit = metrics.hits(ranked, holdout.relevant)
    sizes = holdout.relevant_sizes
    measured: dict[str, Mapping[str, float]] = {}
    for k in config.cutoffs:
        values = {
            "recall": metrics.recall(hit, sizes, k),
            "ndcg": metrics.ndcg(hit, sizes, k),
            "mrr": metrics.reciprocal_rank(hit, k),
            "hit_rate": metrics.hit_rate(hit, k),
        }
        for name, each in values.items():
            low, high = metrics.bootstrap_interval(each, resamples=config.resamples, seed=seed)
            measured[f"{name}@{k}"] = {"value": float(each.mean()), "low": low, "high": high}
        measured[f"coverage@{k}"] = {"value": metrics.coverage(ranked, catalogue, k)}
    return measured
