from collections import Counter

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from components.columns import ID_TYPE
from components.vocabularies import count_values, merge_counts, rank, rows_of

VALUES = st.lists(st.sampled_from(["a", "b", "B", "é", "ab", "10", "9"]), max_size=40)


def ids(values):
    return pa.array(values, ID_TYPE)


def ranked(*parts):
    return rank(merge_counts([count_values(ids(part)) for part in parts]))


def test_numbers_that_tie_come_in_the_order_of_the_numbers():
    assert ranked(["10", "9", "100"])["value"].to_pylist() == ["9", "10", "100"]


def test_values_are_ranked_by_count_and_ties_by_value():
    assert ranked(["b", "a", "c", "c"]).to_pylist() == [
        {"value": "c", "count": 2},
        {"value": "a", "count": 1},
        {"value": "b", "count": 1},
    ]


@given(first=VALUES, second=VALUES)
def test_merged_counts_are_the_counts_of_all_values_together(first, second):
    expected = sorted(
        Counter(first + second).items(),
        key=lambda pair: (-pair[1], len(pair[0].encode()), pair[0].encode()),
    )
    assert [tuple(row.values()) for row in ranked(first, second).to_pylist()] == expected


@given(first=VALUES, second=VALUES)
def test_the_order_of_parts_does_not_matter(first, second):
    assert ranked(first, second).equals(ranked(second, first))


def test_nothing_counted_is_an_empty_table():
    assert rank(merge_counts([])).num_rows == 0


def test_a_value_has_the_row_of_its_rank_and_the_unknown_has_row_zero():
    vocabulary = ids(["c", "a", "b"])
    assert rows_of(ids(["a", "zz", None, "c", "b"]), vocabulary).tolist() == [2, 0, 0, 1, 3]


def test_an_empty_vocabulary_knows_nothing():
    assert rows_of(ids(["a", None]), ids([])).tolist() == [0, 0]
