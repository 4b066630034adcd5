"""What a run prints at its end: the metrics, some answers to look at, and what to do next."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import typer

from components.artifacts import Checkpoint, Metrics, Prepared
from components.embedded import Embedded
from components.entities import ID, TITLE
from components.holdout import read_queries
from components.recommendations import recommend
from models.data import CANDIDATE, QUERY, TIMESTAMP, read_columns
from models.features import FIRST_KNOWN_ROW
from pipeline import steps
from pipeline.config import Run

_QUERIES = 5
_SHOWN = 5
_WIDTH = 38
_METRICS = ("recall", "ndcg", "mrr", "hit_rate", "coverage")


def print_metrics(metrics: Metrics) -> None:
    """Prints a table of the metrics of every system at each cut-off."""
    measured = json.loads(metrics.table.read_text(encoding="utf-8"))
    systems = measured["systems"]
    typer.echo(
        f"\nTest split: {measured['queries']} queries, each ranked over all "
        f"{measured['catalogue']} candidates without those it had seen. Not counted: "
        f"{measured['dropped_queries']} queries with nothing new to find, "
        f"{measured['unknown_query_rows']} rows of queries that training never saw."
    )
    for k in (name.removeprefix("recall@") for name in systems["two_tower"] if "recall@" in name):
        heads = [f"{name}@{k}" for name in _METRICS]
        typer.echo("\n" + " " * 12 + "".join(f"{head:>13}" for head in heads) + "   95 % of recall")
        for system, values in systems.items():
            cells = "".join(f"{values[head]['value']:13.4f}" for head in heads)
            recall = values[f"recall@{k}"]
            typer.echo(f"{system:12}{cells}   [{recall['low']:.4f}, {recall['high']:.4f}]")


def print_run(
    run: Run,
    config: Path,
    prepared: Prepared,
    checkpoint: Checkpoint,
    metrics: Metrics,
    version: Path,
) -> None:
    """Prints the metrics, five queries' candidates, where everything lies and the next commands."""
    print_metrics(metrics)
    looks = list(_looks(steps.embedded(run, prepared, checkpoint), prepared))
    for query, seen, found in looks:
        typer.echo(f"\nquery {query:<{_WIDTH - 6}}  candidates")
        for old, new in itertools.zip_longest(seen, found, fillvalue=""):
            typer.echo(f"{old[:_WIDTH]:<{_WIDTH}}  {new[:_WIDTH]}".rstrip())
    titled = TITLE in pq.read_schema(prepared.candidates).names
    typer.echo(f"""
prepared data   {prepared.path}
rejected rows   {prepared.rejects if prepared.rejects.exists() else "none"}
metrics         {metrics.table}
training log    {checkpoint.log}
published       {version}

next:
  make serve MODEL_DIR={run.model_dir}
  make ask QUERY={looks[0][0]} TITLES={prepared.candidates if titled else ""}
  .venv/bin/tensorboard --logdir {checkpoint.path / "tensorboard"}
  .venv/bin/python -m pipeline recommend {config} --out {run.work_dir / "test.tsv"}""")


def _looks(embedded: Embedded, prepared: Prepared) -> Iterator[tuple[str, list[str], list[str]]]:
    """Yields some queries of the test split: what each saw last, and its candidates."""
    table = pq.read_table(prepared.candidates)
    names = (table[TITLE] if TITLE in table.column_names else table[ID]).to_pylist()
    titles = dict(zip(embedded.candidate_ids, names, strict=True))
    shards = [*prepared.examples("train"), *prepared.examples("validation")]
    past = read_columns(shards, [QUERY, CANDIDATE, TIMESTAMP])
    newest = np.argsort(-past[TIMESTAMP], kind="stable")
    queries = read_queries(prepared, "test")[:_QUERIES]
    found = recommend(embedded, prepared, "test", queries, _SHOWN)
    for row, (query, candidates) in zip(queries, found, strict=True):
        own = newest[past[QUERY][newest] == row][:_SHOWN]
        rows = [int(each) for each in past[CANDIDATE][own]]
        seen = [embedded.candidate_ids[each - FIRST_KNOWN_ROW] for each in rows]
        old, new = ([titles[each] or each for each in group] for group in (seen, candidates))
        yield query, old, new
