"""The same jobs as most people write them in Beam: one Python object a row."""

# pyright: reportArgumentType=false
# (Beam types every `a | b` as a PValue, whatever it is)

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import apache_beam as beam
import pyarrow.parquet as pq
import tensorflow as tf
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.pvalue import AsSingleton

COLUMNS = ("query_id", "candidate_id", "timestamp")
Row = dict[str, object]


def read_rows(path: str) -> Iterator[Row]:
    """Yields the rows of a file."""
    with pq.ParquetFile(path) as file:
        for batch in file.iter_batches(columns=list(COLUMNS)):
            yield from batch.to_pylist()


def is_usable(row: Row) -> bool:
    """Whether nothing is missing."""
    return bool(row["query_id"] and row["candidate_id"] and row["timestamp"] is not None)


def frequencies(paths: Sequence[Path], directory: Path) -> None:
    """Counts candidates and writes the log probability of each."""
    with beam.Pipeline("FnApiRunner", options=PipelineOptions([])) as pipeline:
        counts = (
            pipeline
            | beam.Create([str(path) for path in paths])
            | beam.FlatMap(read_rows)
            | beam.Filter(is_usable)
            | beam.Map(lambda row: row["candidate_id"])
            | beam.combiners.Count.PerElement()
        )
        total = counts | beam.Values() | beam.CombineGlobally(sum)
        catalogue = counts | "Catalogue" >> beam.combiners.Count.Globally()
        (
            counts
            | beam.Map(
                lambda pair, total, catalogue: json.dumps(
                    [*pair, math.log((pair[1] + 0.5) / (total + 0.5 * catalogue))]
                ),
                AsSingleton(total),
                AsSingleton(catalogue),
            )
            | beam.io.WriteToText(str(directory / "frequencies"), num_shards=1)
        )


def histories(paths: Sequence[Path], directory: Path, length: int) -> None:
    """Writes an Example with the last interactions of its query for each row."""
    with beam.Pipeline("FnApiRunner", options=PipelineOptions([])) as pipeline:
        (
            pipeline
            | beam.Create([str(path) for path in paths])
            | beam.FlatMap(read_rows)
            | beam.Filter(is_usable)
            | beam.Map(lambda row: (row["query_id"], (row["timestamp"], row["candidate_id"])))
            | beam.GroupByKey()
            | beam.FlatMap(examples_of, length)
            | beam.io.WriteToTFRecord(str(directory / "examples"), num_shards=8)
        )


def examples_of(pair: tuple[str, Iterable[tuple[int, str]]], length: int) -> Iterator[bytes]:
    """Yields the Examples of one query."""
    query, events = pair
    ordered = sorted(events)
    for place, (time, candidate) in enumerate(ordered):
        past = [name.encode() for _, name in ordered[max(0, place - length) : place]]
        features = {
            "query": tf.train.Feature(bytes_list=tf.train.BytesList(value=[query.encode()])),
            "candidate": tf.train.Feature(
                bytes_list=tf.train.BytesList(value=[candidate.encode()])
            ),
            "timestamp": tf.train.Feature(int64_list=tf.train.Int64List(value=[time])),
            "history": tf.train.Feature(bytes_list=tf.train.BytesList(value=past)),
        }
        example = tf.train.Example(features=tf.train.Features(feature=features))
        yield example.SerializeToString()
