import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from components.ordering import interaction_order, key_order, tie_breaks

ROWS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(-3, 3), st.integers(0, 3), st.integers(0, 2)),
    max_size=120,
)
KEYS = st.lists(st.integers(0, 2**64 - 1) | st.sampled_from([0, 1, 2**63, 2**64 - 1]), max_size=60)


@given(ROWS)
def test_rows_are_sorted_by_query_time_candidate_and_tie_and_equal_ones_stay(rows):
    kinds = (np.int32, np.int64, np.int32, np.int64)
    columns = [np.array([row[at] for row in rows], kind) for at, kind in enumerate(kinds)]
    expected = sorted(range(len(rows)), key=lambda index: rows[index])
    assert interaction_order(*columns).tolist() == expected


def test_one_query_with_very_many_rows_is_sorted_like_any_other():
    random = np.random.default_rng(0)
    rows = 10_000
    queries, ties = np.zeros(rows, np.int32), np.zeros(rows, np.int64)
    times, candidates = random.integers(0, 50, rows), random.integers(0, 9, rows).astype(np.int32)
    found = interaction_order(queries, times, candidates, ties)
    assert found.tolist() == np.lexsort([candidates, times]).tolist()


@given(KEYS)
def test_keys_are_sorted_and_equal_ones_stay(keys):
    found = key_order(np.array(keys, np.uint64))
    assert found.tolist() == sorted(range(len(keys)), key=lambda index: keys[index])


@given(
    st.lists(
        st.tuples(st.floats(width=32, allow_nan=False, allow_infinity=False), st.integers(0, 2)),
        min_size=2,
        max_size=2,
    )
)
def test_ties_compare_as_label_and_then_split(pair):
    labels = np.array([label for label, _ in pair], np.float32) + np.float32(0)
    splits = np.array([split for _, split in pair], np.int8)
    first, second = tie_breaks(labels, splits, 2)
    assert (first < second) == ((labels[0], splits[0]) < (labels[1], splits[1]))
