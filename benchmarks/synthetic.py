"""Synthetic interactions: a zipf catalogue, log-normal activity, a few bad rows.

query      u<number>   one of `rows / 50`, as active as a log-normal draw
candidate  c<number>   zipf(1.05) over 100,000
timestamp  seconds over 90 days, whole seconds
label      1 to 5
device, country        what a log also holds and nobody reads here
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

CANDIDATES = 100_000
ROWS_PER_QUERY = 50
BAD_SHARE = 0.001
ROW_GROUP = 131_072
_EXPONENT = 1.05
_FIRST_SECOND = 1_700_000_000
_SECONDS = 90 * 86_400


def write_interactions(directory: Path, rows: int, *, files: int = 8, seed: int = 0) -> list[Path]:
    """Writes the files unless they are there, and returns their paths."""
    directory.mkdir(parents=True, exist_ok=True)
    paths = [directory / f"part-{number}.parquet" for number in range(files)]
    random = np.random.default_rng(seed)
    popularity = np.cumsum(1.0 / np.arange(1, CANDIDATES + 1) ** _EXPONENT)
    queries = max(rows // ROWS_PER_QUERY, 1)
    activity = np.cumsum(random.lognormal(0.0, 1.0, queries))
    for number, path in enumerate(paths):
        count = rows // files + (number < rows % files)
        table = _table(random, count, popularity, activity)
        if not path.exists():
            pq.write_table(table, path, row_group_size=ROW_GROUP)
    return paths


def _table(
    random: np.random.Generator, rows: int, popularity: np.ndarray, activity: np.ndarray
) -> pa.Table:
    candidates = np.searchsorted(popularity, random.random(rows) * popularity[-1])
    queries = np.searchsorted(activity, random.random(rows) * activity[-1])
    bad = random.random(rows) < BAD_SHARE
    return pa.table(
        {
            "query_id": pa.array(np.char.add("u", queries.astype(str)), mask=bad),
            "candidate_id": np.char.add("c", candidates.astype(str)),
            "timestamp": _FIRST_SECOND + random.integers(0, _SECONDS, rows),
            "rating": random.integers(1, 6, rows).astype(np.float32),
            "device": np.array(["phone", "tablet", "desktop"])[random.integers(0, 3, rows)],
            "country": np.array(["DE", "FR", "IN", "JP", "US"])[random.integers(0, 5, rows)],
        }
    )
