"""What the tests of the preparation share: a config over the small world, and ways to look."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import tensorflow as tf

from components.artifacts import Counts
from components.beam.job import prepare
from components.preparation import PreparationConfig
from pipeline.runners import pipeline_options
from tests.world import World

COLUMNS = {"query": "query_id", "candidate": "candidate_id", "timestamp": "timestamp"}


def make_config(
    world: World, *, data: dict[str, Any] | None = None, **changes: Any
) -> PreparationConfig:
    """A preparation of the world; `changes` replace whole sections."""
    return PreparationConfig.model_validate(
        {
            "data": data or {"interactions": [str(world.interactions)], **COLUMNS},
            "split": {"kind": "per_query_time"},
            "queries": {
                "files": [str(world.queries)],
                "id": "query_id",
                "features": [
                    {"name": "gender", "kind": "categorical"},
                    {"name": "age", "kind": "numeric", "boundaries": [25, 40]},
                ],
            },
            "candidates": {
                "files": [str(world.candidates)],
                "id": "candidate_id",
                "title": "title",
                "features": [
                    {"name": "genres", "kind": "list"},
                    {"name": "year", "kind": "numeric", "boundaries": [1960, 1975]},
                ],
            },
            "shards": 3,
            "seed": 7,
            **changes,
        }
    )


def run(config: PreparationConfig, directory: Path) -> Counts:
    """Prepares into a new directory."""
    directory.mkdir(parents=True)
    return prepare(config, directory, pipeline_options([]))


def digests(directory: Path) -> dict[str, str]:
    """The digest of every file, by its path in the directory."""
    return {
        path.relative_to(directory).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def read_examples(directory: Path, split: str, *, label: bool = False) -> list[tuple]:
    """The examples of a split: candidate, label if asked for, query, timestamp."""
    names = ["candidate", "query", "timestamp"]
    features = {name: tf.io.FixedLenFeature([], tf.int64) for name in names}
    if label:
        features["label"] = tf.io.FixedLenFeature([], tf.float32)
    files = sorted(str(path) for path in (directory / "examples").glob(f"{split}-*"))
    read = []
    for record in tf.data.TFRecordDataset(files):
        example = tf.io.parse_single_example(record, features)
        read.append(tuple(example[name].numpy().item() for name in sorted(features)))
    return read


def rows_of(path: Path) -> list[dict[str, Any]]:
    """The rows of a Parquet file."""
    return pq.read_table(path).to_pylist()


def planted(world: World, path: Path) -> dict[str, Any]:
    """Writes the interactions with five defective rows at `path`; returns the `data` section."""
    rows = [
        {**row, "timestamp": str(row["timestamp"]), "rating": str(row["rating"])}
        for row in rows_of(world.interactions)
    ]
    rows[3]["query_id"] = ""
    rows[5]["candidate_id"] = None
    rows[8]["timestamp"] = "soon"
    rows[13]["rating"] = "nan"
    rows[21] |= {"query_id": None, "timestamp": None}
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=10)
    return {"interactions": [str(path)], "label": "rating", **COLUMNS}
