"""A small made-up world: clusters of queries that like clusters of candidates.

Every query has at least ten interactions, each with another candidate; most lie in the candidates
of its own cluster, and the first candidates of a cluster are the popular ones. Times are whole
minutes in bursts, so that many of a query's rows share one.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

FEWEST_INTERACTIONS = 10
LIKES_OWN_CLUSTER = 12.0
FIRST_SECOND = 1_700_000_000


@dataclass(frozen=True, slots=True)
class World:
    """Where the three tables lie."""

    interactions: Path
    """Columns `query_id`, `candidate_id`, `timestamp` (seconds), `rating`."""
    queries: Path
    """Columns `query_id`, `gender`, `age`."""
    candidates: Path
    """Columns `candidate_id`, `title`, `year`, `genres` (a list; joined by `|` in CSV)."""


def write_world(
    directory: Path,
    *,
    queries: int = 40,
    candidates: int = 30,
    seed: int = 0,
    interactions: int = 520,
    clusters: int = 3,
    format: Literal["parquet", "csv"] = "parquet",
) -> World:
    """Writes the tables of a world of `clusters` tastes into `directory`."""
    random = np.random.default_rng(seed)
    directory.mkdir(parents=True, exist_ok=True)
    world = World(*(directory / f"{name}.{format}" for name in World.__slots__))
    _write(_interactions(random, queries, candidates, interactions, clusters), world.interactions)
    _write(_queries(random, queries, clusters), world.queries)
    _write(_candidates(random, candidates, clusters, as_text=format == "csv"), world.candidates)
    return world


def _interactions(
    random: np.random.Generator, queries: int, candidates: int, rows: int, clusters: int
) -> pa.Table:
    candidate_clusters = np.arange(candidates) % clusters
    log_popularity = -0.7 * np.log(1 + np.arange(candidates) // clusters)
    per_query = np.maximum(FEWEST_INTERACTIONS, random.poisson(rows / queries, queries))
    per_query = np.minimum(per_query, candidates)
    taken, liked = [], []
    for query, count in enumerate(per_query):
        own = candidate_clusters == query % clusters
        noise = random.gumbel(size=candidates)
        preference = log_popularity + np.where(own, np.log(LIKES_OWN_CLUSTER), 0.0) + noise
        chosen = random.permutation(np.argsort(-preference)[:count])
        taken.append(chosen)
        liked.append(own[chosen])
    total = int(per_query.sum())
    ratings = np.where(np.concatenate(liked), 5.0, 3.0) - random.integers(0, 2, total)
    bursts = np.concatenate([np.sort(random.integers(0, count, count)) for count in per_query])
    return pa.table(
        {
            "query_id": [f"q{query}" for query in np.repeat(np.arange(queries), per_query)],
            "candidate_id": [f"c{candidate}" for candidate in np.concatenate(taken)],
            "timestamp": pa.array(FIRST_SECOND + 60 * bursts, pa.int64()),
            "rating": pa.array(ratings, pa.float64()),
        }
    ).take(pa.array(random.permutation(total)))


def _queries(random: np.random.Generator, queries: int, clusters: int) -> pa.Table:
    cluster = np.arange(queries) % clusters
    return pa.table(
        {
            "query_id": [f"q{query}" for query in range(queries)],
            "gender": [("F", "M", None)[value % 3] for value in cluster],
            "age": pa.array(20 + 15 * cluster + random.integers(0, 12, queries), pa.int64()),
        }
    )


def _candidates(
    random: np.random.Generator, candidates: int, clusters: int, *, as_text: bool
) -> pa.Table:
    names = ("Action", "Comedy", "Drama", "Horror", "Romance", "War", "Western", "Musical")
    genres = [
        sorted({names[candidate % clusters % len(names)], names[extra]})
        for candidate, extra in enumerate(random.integers(0, len(names), candidates))
    ]
    years = 1950 + 20 * (np.arange(candidates) % clusters) + random.integers(0, 15, candidates)
    return pa.table(
        {
            "candidate_id": [f"c{candidate}" for candidate in range(candidates)],
            "title": [f"Candidate {candidate}" for candidate in range(candidates)],
            "year": pa.array(years, pa.int64(), mask=np.arange(candidates) % 11 == 10),
            "genres": ["|".join(entry) for entry in genres] if as_text else genres,
        }
    )


def _write(table: pa.Table, path: Path) -> None:
    if path.suffix == ".csv":
        pyarrow.csv.write_csv(table, path)
    else:
        pq.write_table(table, path)
