import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from components.artifacts import Prepared
from components.errors import DataError
from components.holdout import read_holdout, read_queries, read_seen

# Rows (query, candidate); 0 is unknown. Three queries and five candidates are known.
SPLITS = {
    "train": [(1, 1), (1, 2), (2, 3), (3, 1), (3, 4)],
    "validation": [(1, 3), (1, 3), (2, 3), (0, 4)],
    "test": [(1, 4), (1, 0), (1, 0), (2, 3), (3, 1), (3, 5), (0, 2), (1, 2)],
}


def write_prepared(directory, splits):
    def build(partial):
        pq.write_table(pa.table({"id": ["a", "b", "c"]}), partial / "queries.parquet")
        (partial / "examples").mkdir()
        for split, rows in splits.items():
            path = partial / "examples" / f"{split}-00000-of-00001.tfrecord"
            with tf.io.TFRecordWriter(str(path)) as writer:
                for query, candidate in rows:
                    values = {"query": query, "candidate": candidate}
                    feature = {
                        name: tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
                        for name, value in values.items()
                    }
                    features = tf.train.Features(feature=feature)
                    writer.write(tf.train.Example(features=features).SerializeToString())
        return {}

    return Prepared.make(directory / "prepared", {}, {}, build)


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    return write_prepared(tmp_path_factory.mktemp("holdout"), SPLITS)


def sets(values):
    return [values[row].tolist() for row in range(len(values))]


def test_validation_leaves_out_what_training_saw(prepared):
    holdout = read_holdout(prepared, "validation")
    assert holdout.queries.tolist() == [1]
    assert sets(holdout.seen) == [[1, 2]]
    assert sets(holdout.relevant) == [[3]]
    assert holdout.relevant_sizes.tolist() == [1]
    assert (holdout.unknown_query_rows, holdout.dropped_queries) == (1, 1)


def test_the_test_split_leaves_out_validation_too(prepared):
    holdout = read_holdout(prepared, "test")
    assert holdout.queries.tolist() == [1, 3]
    assert sets(holdout.seen) == [[1, 2, 3], [1, 4]]
    assert sets(holdout.relevant) == [[4], [5]]


def test_candidates_outside_the_catalogue_can_only_be_missed(prepared):
    # Query 1 took candidate 4 and, twice, one that has no row.
    assert read_holdout(prepared, "test").relevant_sizes.tolist() == [1 + 2, 1]


def test_queries_with_nothing_new_and_unknown_ones_are_counted(prepared):
    holdout = read_holdout(prepared, "test")
    assert (holdout.unknown_query_rows, holdout.dropped_queries) == (1, 1)


def test_every_known_query_of_a_split_can_be_recommended_for(prepared):
    assert read_queries(prepared, "test").tolist() == [1, 2, 3]
    assert sets(read_seen(prepared, "test")) == [[], [1, 2, 3], [3], [1, 4]]


def test_a_split_with_nothing_to_find_is_one_clear_error(tmp_path):
    nothing = write_prepared(tmp_path, {**SPLITS, "test": [(0, 1), (2, 3)]})
    with pytest.raises(DataError, match="test split holds nothing to find: none of its 2 rows"):
        read_holdout(nothing, "test")


def test_rows_of_unknown_queries_are_no_querys_past(prepared):
    assert np.array_equal(read_seen(prepared, "test")[0], [])
