import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.histories import HistoriesConfig, gaps, gather, windows
from components.splits import SPLITS, TEST, TRAIN, VALIDATION

SECOND = 1_000_000
ROWS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 6), st.integers(0, len(SPLITS) - 1)), max_size=40
)
CONFIGS = st.builds(
    HistoriesConfig,
    length=st.integers(0, 5),
    session_gap_s=st.none() | st.sampled_from([0.5, 1.0, 2.5]),
)


def lists(ragged):
    return [
        ragged.values[start:end].tolist()
        for start, end in zip(ragged.offsets[:-1], ragged.offsets[1:], strict=True)
    ]


def arrays(rows):
    """Rows of (query, second, split), in order, as columns."""
    ordered = sorted(rows, key=lambda row: row[:2])
    query, second, split = (np.array([row[at] for row in ordered], np.int64) for at in range(3))
    return query, second * SECOND, split


def slow(queries, times, splits, config):
    """The same by the definition, a row at a time."""
    shown = {TRAIN: {TRAIN}, VALIDATION: {TRAIN}, TEST: {TRAIN, VALIDATION}}
    found = []
    for row, (query, time, split) in enumerate(zip(queries, times, splits, strict=True)):
        past = [
            other
            for other in range(len(queries))
            if queries[other] == query and times[other] < time and splits[other] in shown[split]
        ]
        if config.session_gap_s is not None:
            start = row
            while start and queries[start - 1] == query:
                if times[start] - times[start - 1] > config.session_gap_s * SECOND:
                    break
                start -= 1
            past = [other for other in past if other >= start]
        found.append(past[max(0, len(past) - config.length) :])
    return found


@given(ROWS, CONFIGS)
def test_a_history_is_the_last_rows_strictly_before_among_those_that_may_be_shown(rows, config):
    queries, times, splits = arrays(rows)
    every = np.arange(len(queries))
    found = windows(queries, times, splits, config)
    assert lists(gather(found, every, found.pool)) == slow(queries, times, splits, config)


@given(ROWS, CONFIGS)
def test_a_gap_is_its_bucket_of_seconds(rows, config):
    queries, times, splits = arrays(rows)
    every = np.arange(len(queries))
    expected = [
        [1 + math.floor(math.log2(1 + (times[row] - times[past]) // SECOND)) for past in history]
        for row, history in enumerate(slow(queries, times, splits, config))
    ]
    found = windows(queries, times, splits, config)
    assert lists(gaps(found, every, times, times[found.pool])) == expected


def test_the_row_itself_and_what_happens_at_its_time_are_not_in_its_history():
    queries, times, splits = arrays([(0, 1, TRAIN), (0, 2, TRAIN), (0, 2, TRAIN), (0, 3, TRAIN)])
    found = windows(queries, times, splits, HistoriesConfig(length=2))
    assert lists(gather(found, np.arange(4), found.pool)) == [[], [0], [0], [1, 2]]


def test_held_out_rows_see_up_to_the_cut_and_no_farther():
    rows = [(0, 1, TRAIN), (0, 2, TRAIN), (0, 3, VALIDATION), (0, 4, VALIDATION), (0, 5, TEST)]
    queries, times, splits = arrays([*rows, (0, 6, TEST)])
    found = windows(queries, times, splits, HistoriesConfig(length=9))
    assert lists(gather(found, np.arange(2, 6), found.pool)) == [
        [0, 1],
        [0, 1],
        [0, 1, 2, 3],
        [0, 1, 2, 3],
    ]


@pytest.mark.parametrize(
    ("seconds", "bucket"), [(0.5, 1), (1, 2), (2, 2), (3, 3), (86_400, 17), (30 * 86_400, 22)]
)
def test_buckets_of_gaps_double(seconds, bucket):
    times = np.array([0, int(seconds * SECOND)])
    zeros = np.zeros(2, np.int64)
    found = windows(zeros, times, zeros, HistoriesConfig(length=1))
    assert lists(gaps(found, np.array([1]), times, times[found.pool])) == [[bucket]]


@pytest.mark.parametrize("hundredths", [201, 203, 205, 207])
def test_a_pause_as_long_as_the_gap_ends_no_session_whatever_the_fraction(hundredths):
    times = np.array([0, hundredths * SECOND // 100, 2 * hundredths * SECOND // 100 + 1])
    zeros = np.zeros(3, np.int64)
    config = HistoriesConfig(length=9, session_gap_s=hundredths / 100)
    found = windows(zeros, times, zeros, config)
    assert lists(gather(found, np.arange(3), found.pool)) == [[], [0], []]


def test_another_order_of_rows_reorders_the_histories():
    queries, times, splits = arrays([(0, 1, TRAIN), (0, 2, TRAIN), (1, 1, TRAIN), (1, 4, TRAIN)])
    found = windows(queries, times, splits, HistoriesConfig(length=1))
    candidates = np.array([10, 11, 12, 13])
    assert lists(gather(found, np.array([3, 0, 1]), candidates[found.pool])) == [[12], [], [10]]
