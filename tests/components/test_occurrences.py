import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.columns import ID_TYPE
from components.frequencies import SHORTEST_HALF_LIFE_DAYS
from components.interactions import interactions_schema
from components.occurrences import (
    MASS,
    PERIOD,
    as_past,
    merge_occurrences,
    occurrences,
    periods_and_masses,
    weigh,
)
from components.shards import arrange, part_by_query
from components.splits import TRAIN, VALIDATION

DAY = 86_400_000_000
SCHEMA = interactions_schema(labelled=False, split=True)
ROWS = st.lists(
    st.tuples(st.sampled_from(["a", "b", "10", "9"]), st.integers(0, 60 * DAY), st.integers(0, 2)),
    min_size=1,
    max_size=40,
)
HALF_LIVES = st.sampled_from([None, 0.5, 7.0, 30.0])
VALUES = pa.array(["9", "a", "10", "b", "nobody"], ID_TYPE)


def counted(rows, half_life):
    """The occurrences of (candidate, time, split) rows, as one shard."""
    table = pa.table(
        {
            "query": [f"q{index}" for index in range(len(rows))],
            "candidate": [row[0] for row in rows],
            "timestamp": [row[1] for row in rows],
            "split": [row[2] for row in rows],
        },
        schema=SCHEMA,
    )
    shard = arrange([part for _, part in part_by_query(table, 1)])
    return occurrences(shard, "candidate", half_life)


def listed(table):
    return sorted(tuple(row.values()) for row in table.to_pylist())


@given(ROWS, HALF_LIVES, st.integers(0, 40))
def test_merged_parts_are_exactly_the_whole_however_the_rows_are_parted(rows, half_life, cut):
    parts = [counted(part, half_life) for part in (rows[:cut], rows[cut:]) if part]
    whole = counted(rows, half_life)
    merged = merge_occurrences(reversed(parts))
    assert listed(merged) == listed(whole)
    for split in (TRAIN, VALIDATION):
        first = weigh(merged, VALUES, [split], half_life, 61 * DAY)
        second = weigh(whole, VALUES, [split], half_life, 61 * DAY)
        assert first.counts.tolist() == second.counts.tolist()
        assert first.weights.tolist() == second.weights.tolist()


@given(ROWS, st.sampled_from([0.5, 7.0, 30.0]))
def test_a_weight_is_halved_with_every_half_life(rows, half_life):
    found = weigh(counted(rows, half_life), VALUES, [TRAIN], half_life, 60 * DAY)
    for value, weight in zip(VALUES.to_pylist(), found.weights, strict=True):
        ages = [60 * DAY - time for name, time, split in rows if (name, split) == (value, TRAIN)]
        expected = sum(0.5 ** (age / DAY / half_life) for age in ages)
        assert weight == pytest.approx(expected, rel=1e-8, abs=1e-30)


def test_a_half_life_of_seven_days_at_ages_0_7_and_14():
    rows = [("a", 28 * DAY, 0), ("b", 21 * DAY, 0), ("9", 14 * DAY, 0)]
    found = weigh(counted(rows, 7.0), pa.array(["a", "b", "9"], ID_TYPE), [TRAIN], 7.0, 28 * DAY)
    assert found.weights.tolist() == [1, 0.5, 0.25]


def test_without_a_half_life_weights_are_counts():
    rows = [("a", 3, 0), ("a", 50 * DAY, 0), ("a", 4, 1), ("b", 5, 1)]
    table = counted(rows, None)
    found = weigh(table, pa.array(["b", "a"], ID_TYPE), [TRAIN, VALIDATION], None, 0)
    assert found.counts.tolist() == [1, 3]
    assert found.weights.tolist() == [1.0, 3.0]
    assert set(table[PERIOD].to_pylist()) == {0}
    assert sum(table[MASS].to_pylist()) == 4 << 30


def test_the_past_is_known_whatever_was_held_out_of_it():
    table = as_past(counted([("a", 1, 0), ("a", 2, 1), ("a", 3, 2)], None))
    assert weigh(table, pa.array(["a"], ID_TYPE), [TRAIN], None, 0).counts.tolist() == [3]


def test_times_before_1970_have_periods_too():
    found = weigh(counted([("a", -10 * DAY, 0)], 5.0), pa.array(["a"], ID_TYPE), [0], 5.0, 0)
    assert found.weights.tolist() == [0.25]


@given(ROWS, st.sampled_from([0.5, 7.0]))
def test_sorting_and_counting_in_place_agree(rows, half_life):
    dense = counted(rows, half_life)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("components.occurrences._DENSE", 0)
        assert counted(rows, half_life).equals(dense)


def test_nothing_merged_is_nothing():
    assert merge_occurrences([]).num_rows == 0
    assert weigh(merge_occurrences([]), VALUES, [TRAIN], 7.0, 0).weights.tolist() == [0.0] * 5


def test_masses_of_very_many_rows_add_up_exactly():
    rows = 3_000_000_000
    table = counted([("a", DAY, 0)], 7.0)
    index = table.schema.get_field_index(MASS)
    one = table[MASS][0].as_py()
    many = table.set_column(index, MASS, pa.array([one * (rows - 1)], pa.int64()))
    merged = merge_occurrences([table, many])
    assert merged[MASS].to_pylist() == [one * rows]
    assert np.iinfo(np.int64).max > one * rows


@pytest.mark.parametrize("microseconds", [253_402_300_799_999_999, -253_402_300_799_999_999])
def test_the_shortest_half_life_holds_the_farthest_times(microseconds):
    periods, _ = periods_and_masses(np.array([microseconds]), SHORTEST_HALF_LIFE_DAYS)
    assert periods.astype(np.int32).tolist() == periods.tolist()
