import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from components.errors import DataError
from tests.preparing import COLUMNS, make_config, planted, run
from tests.world import write_world


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return write_world(tmp_path_factory.mktemp("world"))


def test_too_many_rejects_fail_and_are_kept_until_the_next_preparation(world, tmp_path):
    data = planted(world, tmp_path / "log.parquet")
    strict = make_config(world, data={**data, "max_reject_share": 0.005})
    with pytest.raises(
        DataError, match=r"5 of 546 .*\(2 missing_query, .* allows 0\.50%"
    ) as raised:
        run(strict, tmp_path / "work" / "prepared.partial")
    assert str(tmp_path / "work" / "rejects") in str(raised.value)
    assert len((tmp_path / "work/rejects/part-00000.jsonl").read_text().splitlines()) == 5
    run(make_config(world, data=data), tmp_path / "work" / "again")
    assert not (tmp_path / "work" / "rejects").exists()


def test_a_log_that_is_bad_throughout_keeps_the_first_rows_and_counts_all(world, tmp_path):
    count = 2_500
    table = pa.table(dict.fromkeys(COLUMNS.values(), pa.array(["x"] * count)))
    pq.write_table(table, tmp_path / "log.parquet", row_group_size=600)
    data = {"interactions": [str(tmp_path / "log.parquet")], **COLUMNS}
    with pytest.raises(DataError, match=r"2500 of 2500 rows .*\(2500 bad_timestamp\): 100\.00%"):
        run(make_config(world, data=data), tmp_path / "work" / "prepared")
    lines = (tmp_path / "work/rejects/part-00000.jsonl").read_text().splitlines()
    assert [json.loads(line)["row"] for line in lines] == list(range(1_000))


def test_a_split_without_rows_is_an_error_that_counts(world, tmp_path):
    table = pq.read_table(world.interactions).slice(0, 2)
    pq.write_table(table, tmp_path / "log.parquet")
    data = {"interactions": [str(tmp_path / "log.parquet")], **COLUMNS}
    with pytest.raises(DataError, match=r"'per_query_time' leaves no row to validation: of 2 rows"):
        run(make_config(world, data=data), tmp_path / "out")


@pytest.mark.parametrize("name", ["log.csv", "log.parquet"])
def test_files_without_rows_are_an_error(world, tmp_path, name):
    path = tmp_path / name
    if name.endswith(".csv"):
        path.write_text("query_id,candidate_id,timestamp\n")
    else:
        pq.write_table(pq.read_table(world.interactions).slice(0, 0), path)
    data = {"interactions": [str(path)], **COLUMNS}
    with pytest.raises(DataError, match=rf"{name}: there is no row of interactions"):
        run(make_config(world, data=data), tmp_path / "out")


def test_what_a_worker_finds_wrong_surfaces_as_one_sentence(world, tmp_path):
    (tmp_path / "log.csv").write_text("query_id,candidate_id,timestamp\na,b,1\nc\n")
    data = {"interactions": [str(tmp_path / "log.csv")], **COLUMNS}
    with pytest.raises(DataError) as raised:
        run(make_config(world, data=data), tmp_path / "out")
    assert str(raised.value) == (
        f"{tmp_path / 'log.csv'}: the file cannot be read "
        "(CSV parse error: Expected 3 columns, got 1: c)."
    )


def test_an_id_that_stands_twice_in_a_side_table_surfaces(world, tmp_path):
    table = pq.read_table(world.queries)
    pq.write_table(pa.concat_tables([table, table.slice(4, 1)]), tmp_path / "twice.parquet")
    queries = {"files": [str(tmp_path / "twice.parquet")], "id": "query_id"}
    with pytest.raises(DataError, match=r"twice\.parquet: id 'q4' stands in 2 rows"):
        run(make_config(world, queries=queries), tmp_path / "out")


def test_a_wrong_column_of_a_side_table_is_found_before_anything_runs(world, tmp_path):
    queries = {
        "files": [str(world.queries)],
        "id": "query_id",
        "features": [{"name": "job", "kind": "categorical"}],
    }
    with pytest.raises(DataError, match=r"no column `job`, which `queries\.features`"):
        run(make_config(world, queries=queries), tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"split": None}, "`split` must say how"),
        (
            {"data": {"train": ["a"], "validation": ["b"], "test": ["c"], **COLUMNS}},
            "`split` must be absent",
        ),
        (
            {
                "queries": {
                    "files": ["a"],
                    "id": "i",
                    "features": [{"name": "genres", "kind": "categorical"}],
                }
            },
            "feature `genres` is one of `queries` and of `candidates`",
        ),
        ({"shards": 0}, "greater than or equal to 1"),
    ],
)
def test_a_config_that_breaks_a_rule_is_refused_with_the_rule(world, changes, sentence):
    with pytest.raises(ValidationError, match=sentence):
        make_config(world, **changes)
