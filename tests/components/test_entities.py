import math

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from components.columns import ID_TYPE
from components.entities import (
    CandidatesConfig,
    EntitiesConfig,
    encode_features,
    join_entities,
    read_entities,
    wanted_columns,
)
from components.errors import DataError
from models.features import CategoricalFeature, ListFeature, NumericFeature

GENRES = ListFeature(name="genres", kind="list")
GENDER = CategoricalFeature(name="gender", kind="categorical")
AGE = NumericFeature(name="age", kind="numeric", boundaries=(18, 35))


def config_of(path, *features, **options):
    kind = CandidatesConfig if options else EntitiesConfig
    return kind(files=(str(path),), id="id", features=features, **options)


def read(tmp_path, table, *features, **options):
    path = tmp_path / "side.parquet"
    pq.write_table(pa.table(table), path)
    return read_entities("queries", config_of(path, *features, **options), ",")


def encoded(tmp_path, feature, values):
    ids = [str(row) for row in range(len(values))]
    entities = read(tmp_path, {"id": ids, feature.name: values}, feature)
    columns, vocabularies = encode_features(entities, [feature])
    words = [row["value"] for table in vocabularies.values() for row in table.to_pylist()]
    return columns[feature.name].to_pylist(), words


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
    columns, _ = encode_features(table, [feature])
    expected = [
        0 if value is None else 1 + sum(low <= value for low in boundaries) for value in values
    ]
    assert columns["age"].to_pylist() == expected


def test_rows_are_joined_in_the_order_of_ids(tmp_path):
    entities = read(tmp_path, {"id": [1, 2], "gender": ["F", "M"], "genres": [["a"], ["b"]]},
                    GENDER, GENRES)  # fmt: skip
    joined = join_entities(pa.array(["2", "9", "1"], ID_TYPE), entities)
    assert joined.to_pydict() == {
        "id": ["2", "9", "1"],
        "gender": ["M", None, "F"],
        "genres": [["b"], None, ["a"]],
    }
    columns, _ = encode_features(joined, [GENRES])
    assert columns["genres"].to_pylist() == [[2], [], [1]]


def test_the_title_is_text_as_it_stands(tmp_path):
    table = read(tmp_path, {"id": ["a", "b"], "name": ["Toy Story", None]}, title="name")
    assert table["title"].to_pylist() == ["Toy Story", None]


def test_without_files_nothing_is_known():
    assert read_entities("queries", EntitiesConfig(), ",").num_rows == 0
    assert wanted_columns("queries", EntitiesConfig()) == []


def test_several_files_are_one_table(tmp_path):
    pq.write_table(pa.table({"id": [1], "gender": ["F"]}), tmp_path / "a.parquet")
    (tmp_path / "b.csv").write_text("gender,id\nM,2\n")
    table = read_entities("queries", config_of(tmp_path, GENDER), ",")
    assert table.to_pydict() == {"id": ["1", "2"], "gender": ["F", "M"]}


def test_an_id_in_two_rows_is_an_error(tmp_path):
    with pytest.raises(DataError, match=r"side\.parquet: id '7' stands in 2 rows; `queries\.id`"):
        read(tmp_path, {"id": [7, 8, 7]})


def test_a_row_without_an_id_is_an_error(tmp_path):
    with pytest.raises(DataError, match="2 of 3 rows have no id in column `id`"):
        read(tmp_path, {"id": ["a", "", None]})


def test_a_number_that_is_none_is_an_error(tmp_path):
    with pytest.raises(DataError, match="column `age` holds 'old', which is no number"):
        read(tmp_path, {"id": ["a", "b"], "age": ["33", "old"]}, AGE)


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"files": ["a.csv"]}, "`id` must name the column"),
        ({"id": "id"}, "`id` needs `files`"),
        ({"features": [GENDER.model_dump()]}, "`features` need `files`"),
        ({"title": "name"}, "`title` needs `files`"),
        (
            {"files": ["a.csv"], "id": "id", "features": [GENDER.model_dump()] * 2},
            "feature `gender` is given twice",
        ),
        (
            {"files": ["a"], "id": "i", "features": [{"name": "count", "kind": "categorical"}]},
            "a feature may not be called `count`",
        ),
    ],
)
def test_a_config_that_breaks_a_rule_is_refused_with_the_rule(given, sentence):
    with pytest.raises(ValidationError, match=sentence):
        CandidatesConfig.model_validate(given)


def test_the_config_survives_a_round_trip():
    config = config_of("a.csv", GENRES, AGE, title="name")
    assert CandidatesConfig.model_validate_json(config.model_dump_json()) == config
