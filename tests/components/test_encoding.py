import math

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.delimited import CsvConfig
from components.encoding import encode_features, weighted_moments
from components.entities import EntitiesConfig, read_entities
from components.hashing import hash_ids
from models.features import (
    CategoricalFeature,
    ListFeature,
    NumericFeature,
    StandardisedFeature,
    TextFeature,
)

GENRES = ListFeature(name="genres", kind="list")
GENDER = CategoricalFeature(name="gender", kind="categorical")
AGE = NumericFeature(name="age", kind="numeric", boundaries=(18, 35))


def encode(tmp_path, feature, values, weights=None):
    """One feature of entities `0`, `1`, ..., read from a file."""
    table = {"id": [str(row) for row in range(len(values))], feature.name: values}
    pq.write_table(pa.table(table), tmp_path / "side.parquet")
    config = EntitiesConfig(files=(str(tmp_path / "side.parquet"),), id="id", features=(feature,))
    entities = read_entities("queries", config, CsvConfig())
    return encode_features(entities, [feature], np.array(weights or [1] * len(values)))


def encoded(tmp_path, feature, values):
    found = encode(tmp_path, feature, values)
    words = [row["value"] for table in found.vocabularies.values() for row in table.to_pylist()]
    return found.columns[feature.name].to_pylist(), words


def test_categories_are_rows_by_count_then_value_and_missing_is_row_zero(tmp_path):
    rows, words = encoded(tmp_path, GENDER, ["M", "F", "", None, "M", "D"])
    assert words == ["M", "D", "F"]
    assert rows == [1, 3, 0, 0, 1, 2]


def test_integer_and_boolean_categories_are_their_text(tmp_path):
    assert encoded(tmp_path, GENDER, [3, None, 3]) == ([1, 0, 1], ["3"])
    assert encoded(tmp_path, GENDER, [True, False, True]) == ([1, 2, 1], ["true", "false"])


@pytest.mark.parametrize(
    "values",
    [[["War", "Drama"], None, [], ["Drama", None, ""]], ["War|Drama", None, "", "Drama||"]],
)
def test_lists_and_joined_text_encode_alike(tmp_path, values):
    rows, words = encoded(tmp_path, GENRES, values)
    assert words == ["Drama", "War"]
    assert rows == [[2, 1], [], [], [1]]


def test_a_list_feature_of_nulls_alone_is_empty(tmp_path):
    assert encoded(tmp_path, GENRES, [None, None]) == ([[], []], [])


def test_numbers_are_one_and_the_boundaries_they_reach(tmp_path):
    values = [17.9, 18.0, 34, 35, math.nan, None, -math.inf, math.inf]
    rows, words = encoded(tmp_path, AGE, values)
    assert rows == [1, 2, 2, 3, 0, 0, 1, 3]
    assert words == []


@given(
    values=st.lists(st.one_of(st.none(), st.floats(-10, 50)), min_size=1, max_size=20),
    boundaries=st.lists(st.integers(-5, 45), min_size=1, max_size=5, unique=True).map(sorted),
)
def test_buckets_agree_with_counting_boundaries(values, boundaries):
    feature = NumericFeature(name="age", kind="numeric", boundaries=tuple(boundaries))
    table = pa.table({"age": pa.array(values, pa.float64())})
    columns = encode_features(table, [feature], np.ones(len(values))).columns
    expected = [
        0 if value is None else 1 + sum(low <= value for low in boundaries) for value in values
    ]
    assert columns["age"].to_pylist() == expected


def bucket(value, buckets, first=0):
    """The row of a value among shared ones."""
    return 1 + first + int(hash_ids(pa.array([value]))[0] % np.uint64(buckets))


def test_rare_values_share_rows_by_their_hash(tmp_path):
    rare = CategoricalFeature(name="city", kind="categorical", min_count=2, oov_buckets=5)
    values = ["Rome", "Rome", "Oslo", None, "Bern"]
    rows, words = encoded(tmp_path, rare, values)
    assert words == ["Rome"]
    assert rows == [1, 1, bucket("Oslo", 5, first=1), 0, bucket("Bern", 5, first=1)]
    assert {row for row in rows if row > 1} <= set(range(2, 7))


def test_without_shared_rows_a_rare_value_is_as_if_missing(tmp_path):
    rare = ListFeature(name="tags", kind="list", min_count=2)
    assert encoded(tmp_path, rare, ["a|b", "a", ""]) == ([[1, 0], [1], []], ["a"])


def test_words_are_rows_by_their_hash_without_case_and_signs(tmp_path):
    title = TextFeature(name="blurb", kind="text", buckets=97)
    rows, words = encoded(tmp_path, title, ["Blade Runner!", None, "", "--", "éa 2-blade"])
    blade = bucket("blade", 97)
    assert rows == [
        [blade, bucket("runner", 97)],
        [],
        [],
        [],
        [bucket("éa", 97), bucket("2", 97), blade],
    ]
    assert words == []


def test_trigrams_are_stretches_of_each_word_with_its_ends(tmp_path):
    title = TextFeature(name="blurb", kind="text", tokens="trigrams", buckets=97)
    rows, _ = encoded(tmp_path, title, ["Mad é", None, "mad mad"])
    mad = [bucket(gram, 97) for gram in ("<ma", "mad", "ad>")]
    assert rows == [[*mad, bucket("<é>", 97)], [], mad + mad]


def test_a_standardised_number_is_in_deviations_of_the_training_rows(tmp_path):
    price = StandardisedFeature(name="price", kind="standardised")
    found = encode(tmp_path, price, [2.0, 4.0, None, 1000.0], weights=[3, 1, 5, 0])
    # Only the first two have a number and training rows.
    mean = (3 * 2 + 1 * 4) / 4
    variance = (3 * (2 - mean) ** 2 + 1 * (4 - mean) ** 2) / 4
    moments = found.moments["price"]
    assert (moments.mean, moments.variance) == (mean, variance)
    expected = [(value - mean) / math.sqrt(variance) for value in (2, 4)]
    column = found.columns["price"]
    assert column.type == pa.float32()
    assert column.to_pylist()[:3] == pytest.approx([*expected, 0.0])


def test_a_number_that_never_changes_is_zero(tmp_path):
    price = StandardisedFeature(name="price", kind="standardised")
    assert encoded(tmp_path, price, [7.0, 7.0]) == ([0.0, 0.0], [])


@given(st.integers(0, 10_000), st.lists(st.integers(1, 50), min_size=1, max_size=30))
def test_rounding_is_no_variance(hundredths, weights):
    moments = weighted_moments(np.full(len(weights), hundredths / 100), np.array(weights))
    assert (moments.mean, moments.variance) == (hundredths / 100, 0.0)


@pytest.mark.parametrize("far", [math.inf, -math.inf, 1e39, -1e200])
def test_a_number_beyond_float32_is_missing(tmp_path, far):
    price = StandardisedFeature(name="price", kind="standardised")
    found = encode(tmp_path, price, [2.0, far, 4.0])
    assert (found.moments["price"].mean, found.moments["price"].variance) == (3.0, 1.0)
    assert found.columns["price"].to_pylist() == [-1.0, 0.0, 1.0]


def test_a_standardised_number_is_finite_however_small_the_deviation(tmp_path):
    price = StandardisedFeature(name="price", kind="standardised")
    found = encode(tmp_path, price, [0.0, 1e-30, 1e30], weights=[1, 1, 0])
    assert found.columns["price"].to_pylist() == [-1.0, 1.0, np.finfo(np.float32).max]


def test_without_training_rows_moments_change_nothing():
    moments = weighted_moments(np.array([np.nan, 3.0]), np.array([4, 0]))
    assert (moments.mean, moments.variance) == (0.0, 1.0)
