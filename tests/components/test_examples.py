import gzip

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter

from components.columns import ID_TYPE
from components.examples import ExamplesConfig, ExamplesWriter, chunk_bounds, shuffled
from components.histories import HistoriesConfig
from components.interactions import interactions_schema
from components.shards import arrange, part_by_query
from components.weights import WeightsConfig

SCHEMA = interactions_schema(labelled=True, split=True)
SECOND = 1_000_000
ROWS = st.lists(
    st.tuples(
        st.sampled_from(["q1", "q2", "Q", "é"]),
        st.sampled_from(["c1", "c10", "c2"]),
        st.integers(-2, 2),
    ),
    max_size=20,
)


def shard(*rows):
    """A shard of (query, candidate, second, label, split) rows; the last two may be left out."""
    full = [(*row, *(1.0, 0)[len(row) - 3 :]) for row in rows]
    named = [dict(zip(SCHEMA.names, row, strict=True)) for row in full]
    for row in named:
        row["timestamp"] *= SECOND
    return arrange([part for _, part in part_by_query(pa.Table.from_pylist(named, SCHEMA), 1)])


def ids(*values):
    return pa.array(values, ID_TYPE)


def writer(directory, *, histories=0, weights=None, **stored):
    rule = weights and TypeAdapter(WeightsConfig).validate_python(weights)
    config = ExamplesConfig.model_validate(stored)
    return ExamplesWriter(directory, 3, 0, config, HistoriesConfig(length=histories), rule)


def read(directory, split):
    """The features of each example of shard 1, by timestamp."""
    found = []
    for path in sorted((directory / "examples").glob(f"{split}-00001-of-00003.tfrecord*")):
        compression = "GZIP" if path.suffix == ".gz" else ""
        for record in tf.data.TFRecordDataset(str(path), compression):
            feature = tf.train.Example.FromString(record.numpy()).features.feature
            found.append(
                {
                    name: list(values.int64_list.value) or list(values.float_list.value)
                    for name, values in feature.items()
                }
            )
    return sorted(found, key=lambda example: example["timestamp"])


@given(ROWS, st.randoms())
def test_the_order_in_a_shard_does_not_depend_on_how_rows_came(rows, random):
    orders = [shard(*some) for some in (rows, random.sample(rows, len(rows)))]
    first, second = (ordered.take(shuffled(ordered, seed=3)) for ordered in orders)
    assert first.equals(second)


def test_another_seed_gives_another_order():
    ordered = shard(*((f"q{row}", "c", 0) for row in range(64)))
    first, second = shuffled(ordered, seed=1), shuffled(ordered, seed=2)
    assert sorted(first) == sorted(second) == list(range(64))
    assert first.tolist() != second.tolist()


def test_the_rows_of_one_query_are_spread_over_the_shard():
    ordered = shard(*((f"q{row // 100}", f"c{row % 100}", row) for row in range(1_000)))
    order = shuffled(ordered, seed=0)
    neighbours = np.count_nonzero(np.diff(order // 100) == 0)
    assert neighbours < 150  # 100 of 1000 neighbours share a query by chance, 990 before


def test_ids_are_rows_of_their_tables_and_the_unknown_is_zero(tmp_path):
    rows = shard(("q1", "c2", 5, 2.0), ("qx", "cx", 6, 1.0))
    writer(tmp_path).write(1, rows, ids("q1", "q2"), ids("c1", "c2"), trained=2)
    assert read(tmp_path, "train") == [
        {"query": [1], "candidate": [2], "timestamp": [5 * SECOND], "label": [2.0]},
        {"query": [0], "candidate": [0], "timestamp": [6 * SECOND], "label": [1.0]},
    ]


def test_a_shard_is_written_as_one_file_a_split_and_counted(tmp_path):
    rows = shard(*(("q1", "c1", time, 1.0, (0, 0, 1, 2)[time]) for time in range(4)))
    counted = writer(tmp_path).write(1, rows, ids("q1"), ids("other"), trained=1)
    assert {split: values["rows"] for split, values in counted.items()} == {
        "train": 2,
        "validation": 1,
        "test": 1,
    }
    for split in ("validation", "test"):
        assert counted[split]["unknown_query"] == counted[split]["cold_query"] == 0
        assert counted[split]["unknown_candidate"] == counted[split]["cold_candidate"] == 1
    assert sorted(path.name for path in (tmp_path / "examples").iterdir()) == [
        "test-00001-of-00003.tfrecord",
        "train-00001-of-00003.tfrecord",
        "validation-00001-of-00003.tfrecord",
    ]


def test_histories_hold_rows_of_candidates_and_the_buckets_of_their_gaps(tmp_path):
    log = [("q1", "c1", 0), ("q1", "c3", 10), ("q1", "c2", 12), ("q2", "c1", 11)]
    rows = shard(*((*row, 1.0, 0) for row in log), ("q1", "c1", 40, 1.0, 2))
    writer(tmp_path, histories=2).write(1, rows, ids("q1", "q2"), ids("c1", "c2", "c3"), trained=3)
    found = [(row["history"], row["history_gaps"]) for row in read(tmp_path, "train")]
    # 1 + floor(log2(1 + 10)) = 4; 12 and 2 seconds: 4 and 2.
    assert found == [([], []), ([1], [4]), ([], []), ([1, 3], [4, 2])]
    (tested,) = read(tmp_path, "test")
    # 30 and 28 seconds: 1 + floor(log2(31)) = 5, 1 + floor(log2(29)) = 5.
    assert (tested["history"], tested["history_gaps"]) == ([3, 2], [5, 5])


@pytest.mark.parametrize(
    ("lengths", "bounds"),
    [
        ([], []),
        ([0] * 7, [(0, 3), (3, 6), (6, 7)]),
        ([2, 3, 1, 0, 9, 0, 5], [(0, 2), (2, 4), (4, 5), (5, 7)]),
    ],
)
def test_a_chunk_has_few_rows_and_short_histories_or_one_row(lengths, bounds):
    found = chunk_bounds(np.array(lengths, np.int64), most_rows=3, most_past=5)
    assert list(found) == bounds


def test_a_weight_is_made_of_the_label(tmp_path):
    rows = shard(("q1", "c1", 1, 2.0), ("q1", "c1", 2, 0.5))
    rule = {"kind": "linear", "alpha": 3}
    writer(tmp_path, weights=rule).write(1, rows, ids("q1"), ids("c1"), trained=1)
    assert [row["weight"] for row in read(tmp_path, "train")] == [[1 + 3 * 2.0], [1 + 3 * 0.5]]


def test_gzip_holds_the_same_bytes_every_time(tmp_path):
    rows = shard(*((f"q{row}", "c1", row) for row in range(50)))
    for name, compression in (("plain", "none"), ("one", "gzip"), ("two", "gzip")):
        (tmp_path / name).mkdir()
        made = writer(tmp_path / name, compression=compression)
        made.write(1, rows, ids("q1"), ids("c1"), trained=1)
    name = "examples/train-00001-of-00003.tfrecord"
    packed = (tmp_path / "one" / f"{name}.gz").read_bytes()
    assert packed == (tmp_path / "two" / f"{name}.gz").read_bytes()
    assert gzip.decompress(packed) == (tmp_path / "plain" / name).read_bytes()
    assert read(tmp_path / "one", "train") == read(tmp_path / "plain", "train")


def test_cold_rows_are_kept_apart_by_their_ids(tmp_path):
    log = [
        ("q1", "c1", 1, 1.0, 0),
        ("q1", "new", 2, 1.0, 1),  # nothing is known of it
        ("q1", "listed", 3, 1.0, 2),  # in the catalogue, without training rows
        ("nobody", "c1", 4, 1.0, 2),
        ("q1", "c1", 5, 1.0, 2),
    ]
    counted = writer(tmp_path).write(1, shard(*log), ids("q1"), ids("c1", "listed"), trained=1)
    (path,) = (tmp_path / "cold").iterdir()
    found = [tuple(row.values()) for row in pq.read_table(path).sort_by("timestamp").to_pylist()]
    assert found == [
        ("q1", "new", 2 * SECOND, "validation", False, True),
        ("q1", "listed", 3 * SECOND, "test", False, True),
        ("nobody", "c1", 4 * SECOND, "test", True, False),
    ]
    assert counted["test"]["cold_query"] == counted["test"]["cold_queries"] == 1
    assert counted["test"]["cold_candidate"] == 1


def test_a_shard_without_cold_rows_leaves_no_file(tmp_path):
    writer(tmp_path).write(1, shard(("q1", "c1", 1)), ids("q1"), ids("c1"), trained=1)
    assert not (tmp_path / "cold").exists()
