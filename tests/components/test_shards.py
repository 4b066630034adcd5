import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from components.hashing import hash_ids
from components.interactions import interactions_schema
from components.shards import arrange, ids, numbers, part_by_query

ROWS = st.lists(
    st.fixed_dictionaries(
        {
            "query": st.sampled_from(["q1", "q2", "Q", "é"]),
            "candidate": st.sampled_from(["c1", "c10", "c2"]),
            "timestamp": st.integers(-2, 2),
            "label": st.sampled_from([1.0, 2.0]),
        }
    ),
    max_size=40,
)
SCHEMA = interactions_schema(labelled=True)


def table(rows):
    return pa.Table.from_pylist(rows, SCHEMA)


def short(value):
    """Sorts by length, then by bytes."""
    return len(value.encode()), value.encode()


def arranged(rows):
    return arrange([part for _, part in part_by_query(table(rows), 1)])


@given(ROWS)
def test_rows_are_sorted_by_query_time_candidate_and_label(rows):
    expected = sorted(
        rows,
        key=lambda row: (
            short(row["query"]),
            row["timestamp"],
            short(row["candidate"]),
            row["label"],
        ),
    )
    assert arranged(rows).to_pylist() == expected


@given(ROWS)
def test_numbers_compare_as_their_ids_do(rows):
    shard = arranged(rows)
    for column in ("query", "candidate"):
        names = ids(shard, column).to_pylist()
        assert names == sorted(set(names), key=short)
        shown = [names[number] for number in numbers(shard, column)]
        assert shown == [row[column] for row in shard.to_pylist()]


@given(ROWS, st.integers(1, 5))
def test_parts_hold_all_rows_in_order_and_each_query_has_one_part(rows, parts):
    parted = dict(part_by_query(table(rows), parts))
    assert sorted(parted) == list(range(parts))
    for number, part in parted.items():
        expected = [
            row
            for row in rows
            if hash_ids(pa.array([row["query"]]))[0] % np.uint64(parts) == number
        ]
        assert part.to_pylist() == expected
        for column in ("query", "candidate"):
            assert set(ids(part, column).to_pylist()) == {row[column] for row in expected}


@given(ROWS, st.randoms(), st.integers(0, 40))
def test_a_shard_does_not_depend_on_how_its_rows_came(rows, random, cut):
    mixed = random.sample(rows, len(rows))
    parts = [
        part for some in (mixed[:cut], mixed[cut:]) for _, part in part_by_query(table(some), 1)
    ]
    assert arrange(parts).equals(arranged(rows))
