import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from components.columns import ID_TYPE
from components.delimited import CsvConfig
from components.entities import (
    CandidatesConfig,
    EntitiesConfig,
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
    return read_entities("queries", config_of(path, *features, **options), CsvConfig())


def test_rows_are_joined_in_the_order_of_ids(tmp_path):
    entities = read(tmp_path, {"id": [1, 2], "gender": ["F", "M"], "genres": [["a"], ["b"]]},
                    GENDER, GENRES)  # fmt: skip
    joined = join_entities(pa.array(["2", "9", "1"], ID_TYPE), entities)
    assert joined.to_pydict() == {
        "id": ["2", "9", "1"],
        "gender": ["M", None, "F"],
        "genres": [["b"], None, ["a"]],
    }


def test_the_title_is_text_as_it_stands(tmp_path):
    table = read(tmp_path, {"id": ["a", "b"], "name": ["Toy Story", None]}, title="name")
    assert table["title"].to_pylist() == ["Toy Story", None]


def test_without_files_nothing_is_known():
    assert read_entities("queries", EntitiesConfig(), CsvConfig()).num_rows == 0
    assert wanted_columns("queries", EntitiesConfig()) == []


def test_several_files_are_one_table(tmp_path):
    pq.write_table(pa.table({"id": [1], "gender": ["F"]}), tmp_path / "a.parquet")
    (tmp_path / "b.csv").write_text("gender,id\nM,2\n")
    table = read_entities("queries", config_of(tmp_path, GENDER), CsvConfig())
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
