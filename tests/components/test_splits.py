from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from components.splits import (
    SPLITS,
    TEST,
    TRAIN,
    VALIDATION,
    Cuts,
    GlobalTime,
    LeaveLastOut,
    PerQueryTime,
    SplitConfig,
    count_times,
    global_cuts,
    merge_time_counts,
    part_size,
    split_by_cuts,
    split_by_query,
)

SHARES = st.sampled_from(["0.05", "0.1", "0.15", "0.2", "0.25", "0.29", "0.33", "0.4"])
TIMES = st.lists(st.integers(0, 12), min_size=1, max_size=60)


def floor_of(share, rows):
    return int(Fraction(share) * rows)


def slow_split_by_query(queries, test_of, validation_of):
    split = []
    for query in dict.fromkeys(queries):
        rows = queries.count(query)
        test, validation = test_of(rows), validation_of(rows)
        split += [TRAIN] * (rows - test - validation) + [VALIDATION] * validation + [TEST] * test
    return split


def test_the_last_rows_of_each_query_are_tested_and_those_before_validated():
    config = PerQueryTime(kind="per_query_time", validation=0.1, test=0.2)
    split = split_by_query(np.repeat([0, 1], [10, 4]), config)
    assert split.tolist() == [TRAIN] * 7 + [VALIDATION] + [TEST] * 2 + [TRAIN] * 4


@given(sizes=st.lists(st.integers(1, 120), max_size=6), validation=SHARES, test=SHARES)
def test_per_query_split_agrees_with_a_loop_over_queries(sizes, validation, test):
    queries = np.repeat(np.arange(len(sizes)), sizes)
    config = PerQueryTime(kind="per_query_time", validation=float(validation), test=float(test))
    expected = slow_split_by_query(
        queries.tolist(),
        lambda rows: floor_of(test, rows),
        lambda rows: floor_of(validation, rows),
    )
    assert split_by_query(queries, config).tolist() == expected


@given(sizes=st.lists(st.integers(1, 6), max_size=8))
def test_leave_last_out_agrees_with_a_loop_and_spares_short_queries(sizes):
    queries = np.repeat(np.arange(len(sizes)), sizes)
    one_of_three = lambda rows: int(rows >= 3)  # noqa: E731
    expected = slow_split_by_query(queries.tolist(), one_of_three, one_of_three)
    assert split_by_query(queries, LeaveLastOut(kind="leave_last_out")).tolist() == expected


@given(times=TIMES, validation=SHARES, test=SHARES)
def test_global_split_never_parts_rows_of_one_time(times, validation, test):
    config = GlobalTime(kind="global_time", validation=float(validation), test=float(test))
    split = split_by_cuts(np.array(times), global_cuts(count_times(np.array(times)), config))
    splits_of_time = {time: set() for time in times}
    for time, part in zip(times, split.tolist(), strict=True):
        splits_of_time[time].add(part)
    assert all(len(parts) == 1 for parts in splits_of_time.values())
    assert [next(iter(splits_of_time[time])) for time in sorted(splits_of_time)] == sorted(
        next(iter(parts)) for parts in splits_of_time.values()
    )


@given(times=TIMES, validation=SHARES, test=SHARES)
def test_global_split_agrees_with_sorting_all_rows(times, validation, test):
    config = GlobalTime(kind="global_time", validation=float(validation), test=float(test))
    ordered = sorted(times)
    tested = floor_of(test, len(times))
    validated = floor_of(validation, len(times))
    never = ordered[-1] + 1
    at_row = [*ordered, never]
    cut_test = at_row[len(times) - tested]
    cut_validation = at_row[len(times) - tested - validated]
    expected = [
        TEST if time >= cut_test else VALIDATION if time >= cut_validation else TRAIN
        for time in times
    ]
    split = split_by_cuts(np.array(times), global_cuts(count_times(np.array(times)), config))
    assert split.tolist() == expected


@given(first=st.lists(st.integers(-5, 5)), second=st.lists(st.integers(-5, 5)))
def test_merged_counts_of_times_are_those_of_all_rows(first, second):
    merged = merge_time_counts([count_times(np.array(part, np.int64)) for part in (first, second)])
    assert merged.equals(count_times(np.array(first + second, np.int64)))


def test_without_rows_a_cut_is_anywhere():
    config = GlobalTime(kind="global_time")
    assert global_cuts(merge_time_counts([]), config) == Cuts(0, 0)


def test_rows_at_the_time_of_a_cut_belong_to_the_later_part():
    config = GlobalTime(kind="global_time", validation=0.2, test=0.2)
    times = count_times(np.repeat([1, 2, 3], [4, 3, 3]))
    cuts = global_cuts(times, config)
    assert cuts == Cuts(validation=2, test=3)


def test_a_share_that_binary_rounds_down_still_gives_its_whole_rows():
    assert 0.29 * 100 < 29
    assert part_size(0.29, 100) == 29


def test_no_rows_give_no_split():
    config = PerQueryTime(kind="per_query_time")
    assert split_by_query(np.zeros(0, np.int64), config).tolist() == []


def test_splits_are_named_in_the_order_of_time():
    assert [SPLITS[part] for part in (TRAIN, VALIDATION, TEST)] == ["train", "validation", "test"]


@pytest.mark.parametrize("kind", ["per_query_time", "global_time", "leave_last_out"])
def test_the_kind_chooses_the_config_and_survives_a_round_trip(kind):
    adapter = TypeAdapter(SplitConfig)
    config = adapter.validate_python({"kind": kind})
    assert config.kind == kind
    assert adapter.validate_json(config.model_dump_json()) == config


def test_shares_that_leave_nothing_to_train_are_refused():
    with pytest.raises(ValidationError, match=r"less than 1 \(got 0.5 and 0.5\)"):
        PerQueryTime(kind="per_query_time", validation=0.5, test=0.5)
