import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from components.columns import ID_TYPE
from components.examples import encode_rows, shuffled, sort_interactions, write_shard
from components.interactions import interactions_schema

ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "query": st.sampled_from(["q1", "q2", "Q", "é"]),
            "candidate": st.sampled_from(["c1", "c10", "c2"]),
            "timestamp": st.integers(-2, 2),
            "label": st.sampled_from([1.0, 2.0]),
        }
    ),
    max_size=20,
)
SCHEMA = interactions_schema(labelled=True)


def table(rows):
    return pa.Table.from_pylist(rows, SCHEMA)


def ids(*values):
    return pa.array(values, ID_TYPE)


@given(ROWS)
def test_rows_are_sorted_by_query_time_candidate_and_label(rows):
    ordered, queries = sort_interactions(table(rows))
    expected = sorted(
        rows,
        key=lambda row: (
            short(row["query"]),
            row["timestamp"],
            short(row["candidate"]),
            row["label"],
        ),
    )
    assert ordered.to_pylist() == expected
    names = [row["query"] for row in expected]
    assert (np.diff(queries) >= 0).all()
    assert len(set(zip(queries.tolist(), names, strict=True))) == len(set(names))


def short(value):
    """Sorts by length, then by bytes."""
    return len(value.encode()), value.encode()


@given(ROWS, st.randoms())
def test_the_order_in_a_shard_does_not_depend_on_how_rows_came(rows, random):
    mixed = random.sample(rows, len(rows))
    orders = [sort_interactions(table(some))[0] for some in (rows, mixed)]
    first, second = (ordered.take(shuffled(ordered, seed=3)) for ordered in orders)
    assert first.equals(second)


def test_another_seed_gives_another_order():
    rows = [
        {"query": f"q{row}", "candidate": "c", "timestamp": 0, "label": 1.0} for row in range(64)
    ]
    ordered, _ = sort_interactions(table(rows))
    first, second = shuffled(ordered, seed=1), shuffled(ordered, seed=2)
    assert sorted(first) == sorted(second) == list(range(64))
    assert first.tolist() != second.tolist()


def test_the_rows_of_one_query_are_spread_over_the_shard():
    rows = [
        {"query": f"q{row // 100}", "candidate": f"c{row % 100}", "timestamp": row, "label": 1.0}
        for row in range(1_000)
    ]
    order = shuffled(sort_interactions(table(rows))[0], seed=0)
    neighbours = np.count_nonzero(np.diff(order // 100) == 0)
    assert neighbours < 150  # 100 of 1000 neighbours share a query by chance, 990 before


def test_ids_are_rows_of_their_tables_and_the_unknown_is_zero():
    rows = table(
        [
            {"query": "q1", "candidate": "c2", "timestamp": 5, "label": 2.0},
            {"query": "qx", "candidate": "cx", "timestamp": 6, "label": 1.0},
        ]
    )
    columns = encode_rows(rows, ids("q1", "q2"), ids("c1", "c2"))
    assert {name: values.tolist() for name, values in columns.items()} == {
        "query": [1, 0],
        "candidate": [2, 0],
        "timestamp": [5, 6],
        "label": [2.0, 1.0],
    }


def test_a_shard_is_written_as_one_file_a_split_and_counted(tmp_path):
    rows = table(
        [{"query": "q1", "candidate": "c1", "timestamp": time, "label": 1.0} for time in range(4)]
    ).append_column("split", pa.array([0, 0, 1, 2], pa.int8()))
    counts = write_shard(tmp_path, 1, 3, rows, ids("q1"), ids("other"), 0)
    assert counts == {
        "rows_train": 2,
        "rows_validation": 1,
        "rows_validation_unknown_query": 0,
        "rows_validation_unknown_candidate": 1,
        "rows_test": 1,
        "rows_test_unknown_query": 0,
        "rows_test_unknown_candidate": 1,
    }
    assert sorted(path.name for path in (tmp_path / "examples").iterdir()) == [
        "test-00001-of-00003.tfrecord",
        "train-00001-of-00003.tfrecord",
        "validation-00001-of-00003.tfrecord",
    ]
