from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from components.filters import FiltersConfig, core, in_window

DAY = 86_400_000_000
ROWS = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), min_size=1, max_size=60)


def slow(rows, config):
    """Leaves out whole rounds at a time, counting anew for each."""
    kept = list(range(len(rows)))
    while True:
        queries = Counter(rows[row][0] for row in kept)
        candidates = Counter(rows[row][1] for row in kept)
        stay = [
            row
            for row in kept
            if queries[rows[row][0]] >= config.min_query_rows
            and candidates[rows[row][1]] >= config.min_candidate_rows
        ]
        if stay == kept:
            return kept
        kept = stay


@given(ROWS, st.integers(1, 5), st.integers(1, 5))
def test_the_core_is_what_is_left_when_nothing_more_must_go(rows, least_query, least_candidate):
    config = FiltersConfig(min_query_rows=least_query, min_candidate_rows=least_candidate)
    queries, candidates = (np.array([row[at] for row in rows]) for at in range(2))
    assert np.flatnonzero(core(queries, candidates, config)).tolist() == slow(rows, config)


def test_leaving_one_out_can_unravel_all():
    # Query 2 has one row; without it candidate 1 has one row, and so on down the chain.
    queries, candidates = np.array([0, 0, 1, 1, 2]), np.array([0, 0, 0, 1, 1])
    config = FiltersConfig(min_query_rows=2, min_candidate_rows=2)
    assert core(queries, candidates, config).tolist() == [True, True, False, False, False]


def test_the_window_ends_at_the_newest_row():
    times = np.array([0, DAY, 2 * DAY - 1, 2 * DAY, 4 * DAY])
    kept = in_window(times, 4 * DAY, FiltersConfig(window_days=2))
    assert kept.tolist() == [False, False, False, True, True]


@pytest.mark.parametrize("hundredths", [35, 57, 69, 70, 113])
def test_a_row_as_old_as_the_window_is_kept_whatever_the_fraction(hundredths):
    times = np.array([0, 1]) - hundredths * DAY // 100 - 1
    kept = in_window(times, 0, FiltersConfig(window_days=hundredths / 100))
    assert kept.tolist() == [False, True]


def test_by_default_all_is_left():
    assert FiltersConfig().leaves_all
    assert in_window(np.array([0, 5]), 5, FiltersConfig()).all()
    assert not FiltersConfig(window_days=1).leaves_all
    assert not FiltersConfig(min_candidate_rows=2).leaves_all


@pytest.mark.parametrize(
    "wrong",
    [
        {"window_days": 0},
        {"window_days": 1e300},
        {"window_days": float("nan")},
        {"min_query_rows": 0},
        {"min_candidate_rows": 1.5},
    ],
)
def test_a_filter_that_makes_no_sense_is_refused(wrong):
    with pytest.raises(ValidationError, match=next(iter(wrong))):
        FiltersConfig.model_validate(wrong)
