"""Writes a table in every form of file that the preparation reads."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import tensorflow as tf

ENDINGS = (
    ".parquet",
    *(f"{form}{packing}" for form in (".csv", ".tsv", ".jsonl") for packing in ("", ".gz", ".zst")),
    ".ndjson",
    ".tfrecord",
    ".tfrecord.gz",
)


def write_table(table: pa.Table, path: Path) -> None:
    """Writes a table in the form that the name of `path` tells; its lists as joined text."""
    unpacked = path.name.removesuffix(".gz").removesuffix(".zst")
    if unpacked.endswith(".parquet"):
        pq.write_table(table, path)
        return
    if unpacked.endswith((".jsonl", ".ndjson")):
        data = "".join(json.dumps(row) + "\n" for row in table.to_pylist()).encode()
    elif unpacked.endswith(".tfrecord"):
        data = _records(_joined(table), path)
    else:
        sink = pa.BufferOutputStream()
        options = pyarrow.csv.WriteOptions(delimiter="\t" if unpacked.endswith(".tsv") else ",")
        pyarrow.csv.write_csv(_joined(table), sink, options)
        data = sink.getvalue().to_pybytes()
    if path.name.endswith(".gz"):
        data = gzip.compress(data)
    elif path.name.endswith(".zst"):
        data = pa.compress(data, codec="zstd", asbytes=True)
    path.write_bytes(data)


def _joined(table: pa.Table) -> pa.Table:
    columns = {}
    for name in table.column_names:
        column = table[name]
        if pa.types.is_list(column.type):
            column = pa.array(["|".join(values) for values in column.to_pylist()])
        columns[name] = column
    return pa.table(columns)


def _records(table: pa.Table, path: Path) -> bytes:
    with tf.io.TFRecordWriter(str(path)) as writer:
        for row in table.to_pylist():
            example = tf.train.Example()
            for name, value in row.items():
                feature = example.features.feature[name]
                if isinstance(value, str):
                    feature.bytes_list.value.append(value.encode())
                elif isinstance(value, bytes):
                    feature.bytes_list.value.append(value)
                elif isinstance(value, int):
                    feature.int64_list.value.append(value)
                elif value is not None:
                    feature.float_list.value.append(value)
            writer.write(example.SerializeToString())
    return path.read_bytes()
