import datetime

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.columns import (
    Unit,
    as_ids,
    as_microseconds,
    as_numbers,
    is_categories,
    is_id,
    is_number,
    is_time,
)

SECOND = 1_000_000
WORDS = (
    *("12", "1e3", " 7 ", "-3.5", "1_0", "abc", "", "nan", "inf", "1700000000.25", "20240102"),
    *("2024-02-29", "2024-02-30", "2024-01-02T03:04:05Z", "2024-01-02 03:04:05+01:30"),
    *("2024-01-02 03:04:05.123456", None),
)
TEXTS = st.lists(st.sampled_from(WORDS), max_size=6)


def microseconds(values, unit: Unit = "s"):
    times, valid = as_microseconds(values, unit)
    return [time if fine else None for time, fine in zip(times.tolist(), valid, strict=True)]


def test_integer_ids_are_their_digits_and_empty_ids_are_missing():
    assert as_ids(pa.array([196, None, -2])).to_pylist() == ["196", None, "-2"]
    assert as_ids(pa.array(["a", "", None])).to_pylist() == ["a", None, None]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view()])
def test_ids_of_every_kind_of_string_are_alike(kind):
    assert as_ids(pa.array(["b", "a", "b"], kind)).to_pylist() == ["b", "a", "b"]


def test_a_dictionary_of_ids_is_decoded():
    assert as_ids(pa.array(["b", "a", "b"]).dictionary_encode()).to_pylist() == ["b", "a", "b"]


def test_what_may_be_an_id_a_number_or_a_time():
    assert is_id(pa.uint8())
    assert is_id(pa.dictionary(pa.int32(), pa.string()))
    assert not is_id(pa.float64())
    assert is_number(pa.decimal128(9, 2))
    assert not is_number(pa.timestamp("s"))
    assert is_time(pa.date32())
    assert not is_time(pa.bool_())
    assert is_categories(pa.list_(pa.string()))
    assert is_categories(pa.null())
    assert not is_categories(pa.list_(pa.float64()))


@pytest.mark.parametrize(("unit", "factor"), [("s", SECOND), ("ms", 1_000), ("us", 1)])
def test_numbers_are_times_in_their_unit(unit, factor):
    assert microseconds(pa.array([0, 5, -5]), unit) == [0, 5 * factor, -5 * factor]
    assert microseconds(pa.array([5.0]), unit) == [5 * factor]
    assert microseconds(pa.array(["5"]), unit) == [5 * factor]


def test_times_and_dates_of_any_unit_are_microseconds():
    noon = datetime.datetime(2024, 1, 2, 12, tzinfo=datetime.UTC)
    expected = [int(noon.timestamp()) * SECOND]
    for unit in ("s", "ms", "us", "ns"):
        assert microseconds(pa.array([noon], pa.timestamp(unit, "UTC"))) == expected
    day = [int(noon.timestamp()) * SECOND - 12 * 3600 * SECOND]
    assert microseconds(pa.array([noon.date()])) == day
    assert microseconds(pa.array([noon.date()], pa.date64())) == day


def test_iso_text_is_utc_unless_it_names_a_zone():
    texts = ["2024-01-02T03:04:05", "2024-01-02T03:04:05Z", "2024-01-02T04:04:05+01:00"]
    noon = datetime.datetime(2024, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
    assert microseconds(pa.array(texts)) == [int(noon.timestamp()) * SECOND] * 3


def test_what_is_no_time_is_invalid():
    assert microseconds(pa.array([None, 1])) == [None, SECOND]
    assert microseconds(pa.array([float("nan"), float("inf"), 1e300])) == [None] * 3
    assert microseconds(pa.array(["", "soon", "nan", "2024-13-01", None])) == [None] * 5


def test_milliseconds_read_as_seconds_are_beyond_all_years():
    assert microseconds(pa.array([1_700_000_000_000])) == [None]
    assert microseconds(pa.array([1_700_000_000_000]), "ms") == [1_700_000_000 * SECOND]
    assert microseconds(pa.array([2**63 - 1])) == [None]
    assert microseconds(pa.array([2**64 - 1], pa.uint64())) == [None]


@given(TEXTS)
def test_a_text_means_the_same_time_in_every_batch(texts):
    together = microseconds(pa.array(texts, pa.string()))
    alone = [microseconds(pa.array([text], pa.string()))[0] for text in texts]
    assert together == alone


@given(TEXTS)
def test_a_text_means_the_same_number_in_every_batch(texts):
    together = as_numbers(pa.array(texts, pa.string()))
    alone = [as_numbers(pa.array([text], pa.string()))[0] for text in texts]
    np.testing.assert_array_equal(together, np.array(alone, np.float64))


def test_numbers_of_any_type_are_floats():
    assert as_numbers(pa.array([True, False])).tolist() == [1.0, 0.0]
    assert as_numbers(pa.array(["4.5", "-1"])).tolist() == [4.5, -1.0]
    assert np.isnan(as_numbers(pa.array([None, "x", "1_0"]))).all()
