"""One contender in a process of its own: `python -m benchmarks.contenders NAME ROWS DIRECTORY`.

It first does the job on a few rows, so that all its code is loaded, whether it is imported or
compiled. Then it prints the CPU and wall seconds of the job, and the peak memory of the process.
"""

from __future__ import annotations

import json
import resource
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks.synthetic import write_interactions

HISTORY = 20
WARM_UP_ROWS = 2_000

Work = Callable[[], object]


def shortlist(job: str, paths: list[Path], directory: Path) -> Work:
    """Our jobs, as the commands run them."""
    from components.beam.job import count_candidates, prepare
    from components.preparation import PreparationConfig
    from pipeline.runners import pipeline_options

    config = PreparationConfig.model_validate(
        {
            "data": {
                "interactions": [str(path) for path in paths],
                "query": "query_id",
                "candidate": "candidate_id",
                "timestamp": "timestamp",
            },
            "split": {"kind": "global_time"},
            "histories": {"length": HISTORY},
            "seed": 1,
        }
    )
    run = count_candidates if job == "frequencies" else prepare
    return lambda: run(config, directory, pipeline_options([]))


def elementwise(job: str, paths: list[Path], directory: Path) -> Work:
    """The same in Beam, an element a row."""
    from benchmarks import elementwise

    if job == "frequencies":
        return lambda: elementwise.frequencies(paths, directory)
    return lambda: elementwise.histories(paths, directory, HISTORY)


def polars(job: str, paths: list[Path], directory: Path) -> Work:
    """Frequencies in polars, streamed."""
    import polars as pl

    def frequencies() -> None:
        usable = pl.all_horizontal(
            pl.col("query_id") != "",
            pl.col("candidate_id") != "",
            pl.col("timestamp").is_not_null(),
        )
        mass = pl.col("count").sum() + 0.5 * pl.len()
        (
            pl.scan_parquet(paths)
            .filter(usable)
            .group_by("candidate_id")
            .agg(pl.len().alias("count"))
            .with_columns(((pl.col("count") + 0.5) / mass).log().alias("log_q"))
            .sink_parquet(directory / "frequencies.parquet")
        )

    if job != "frequencies":
        raise ValueError(f"polars does frequencies alone. Received: {job!r}.")
    return frequencies


def duckdb(job: str, paths: list[Path], directory: Path) -> Work:
    """Both jobs in DuckDB; its histories go to Parquet."""
    import duckdb as engine

    table = f"read_parquet({[str(path) for path in paths]})"
    usable = "query_id <> '' and candidate_id <> '' and timestamp is not null"
    frequencies = f"""
        copy (select candidate_id, count(*) as count,
                     ln((count(*) + .5) / (sum(count(*)) over () + .5 * count(*) over ())) as log_q
              from {table} where {usable} group by candidate_id)
        to '{directory}/frequencies.parquet'"""
    histories = f"""
        copy (select query_id, candidate_id, timestamp,
                     list(candidate_id) over (partition by query_id order by timestamp, candidate_id
                         rows between {HISTORY} preceding and 1 preceding) as history
              from {table} where {usable})
        to '{directory}/histories.parquet'"""
    return lambda: engine.sql(frequencies if job == "frequencies" else histories)


CONTENDERS = {each.__name__: each for each in (shortlist, elementwise, polars, duckdb)}


def cpu_s() -> float:
    """CPU seconds of this process and its threads so far."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def main() -> None:
    """Runs one contender and prints its figures as JSON."""
    name, job, rows, data, directory = sys.argv[1:]
    few = write_interactions(Path(data) / str(WARM_UP_ROWS), WARM_UP_ROWS, files=1)
    paths = write_interactions(Path(data) / rows, int(rows))
    with tempfile.TemporaryDirectory() as elsewhere:
        CONTENDERS[name](job, few, Path(elsewhere))()
    work = CONTENDERS[name](job, paths, Path(directory))
    cpu, wall = cpu_s(), time.monotonic()
    work()
    figures = {
        "cpu_s": cpu_s() - cpu,
        "wall_s": time.monotonic() - wall,
        "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps(figures))


if __name__ == "__main__":
    main()
