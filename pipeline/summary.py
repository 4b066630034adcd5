"""What a run prints at its end: the metrics, some answers to look at, and what to do next."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import typer

from components.artifacts import Metrics, Prepared, ServingModel
from components.entities import ID, TITLE
from components.recommendations import answers
from models.data import CANDIDATE, QUERY, TIMESTAMP, read_columns
from models.features import FIRST_KNOWN_ROW
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
        f"{measured['catalogue']} candidates without those it had seen."
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
    metrics: Metrics,
    exported: ServingModel,
    version: Path,
) -> None:
    """Prints the metrics, five queries' candidates, where everything lies and the next commands."""
    print_metrics(metrics)
    for query, seen, found in _looks(prepared, exported):
        typer.echo(f"\nquery {query:<{_WIDTH - 6}}  candidates")
        for old, new in itertools.zip_longest(seen, found, fillvalue=""):
            typer.echo(f"{old[:_WIDTH]:<{_WIDTH}}  {new[:_WIDTH]}".rstrip())
    typer.echo(f"""
prepared data   {prepared.path}
rejected rows   {prepared.path / "rejects"}
metrics         {metrics.table}
training log    {run.work_dir / "checkpoint" / "metrics.jsonl"}
published       {version}

next:
  make serve                                    serves the published model: gRPC 8500, REST 8501
  make ask                                      asks it for ten candidates
  .venv/bin/tensorboard --logdir {run.work_dir / "checkpoint" / "tensorboard"}
  .venv/bin/python -m pipeline recommend {config} --out {run.work_dir / "test.tsv"}""")


def _looks(
    prepared: Prepared, exported: ServingModel
) -> Iterator[tuple[str, list[str], list[str]]]:
    """Yields some queries of the test split: what each saw last, and its candidates."""
    table = pq.read_table(prepared.candidates)
    names = (table[TITLE] if TITLE in table.column_names else table[ID]).to_pylist()
    titles = dict(zip(table[ID].to_pylist(), names, strict=True))
    rows = {name: row for row, name in enumerate(_ids(prepared), FIRST_KNOWN_ROW)}
    shards = [*prepared.examples("train"), *prepared.examples("validation")]
    past = read_columns(shards, [QUERY, CANDIDATE, TIMESTAMP])
    newest = np.argsort(-past[TIMESTAMP], kind="stable")
    found = answers(exported, prepared, "test", _SHOWN)
    for query, candidates in itertools.islice(found, _QUERIES):
        own = newest[past[QUERY][newest] == rows[query]][:_SHOWN]
        seen = [names[row - FIRST_KNOWN_ROW] for row in past[CANDIDATE][own]]
        yield query, seen, [titles[candidate] or candidate for candidate in candidates]


def _ids(prepared: Prepared) -> list[str]:
    return pq.read_table(prepared.queries, columns=[ID])[ID].to_pylist()
