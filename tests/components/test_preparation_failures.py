import json
import re

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from pydantic import ValidationError

from components.errors import DataError
from components.splits import SPLITS
from tests.preparing import COLUMNS, digests, make_config, planted, run
from tests.world import write_world
from tests.writing import write_table


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
    path = tmp_path / "log.tfrecord"
    write_table(pq.read_table(world.interactions), path)
    data = path.read_bytes()
    path.write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    data = {"interactions": [str(path)], **COLUMNS}
    with pytest.raises(DataError) as raised:
        run(make_config(world, data=data), tmp_path / "out")
    assert re.fullmatch(
        rf"{path}: the file cannot be read \(the record at byte \d+ is damaged\)\.",
        str(raised.value),
    )


def ragged(world, path):
    """Writes the interactions as CSV with two malformed rows; returns the `data` section."""
    pyarrow.csv.write_csv(pq.read_table(world.interactions), path)
    header, *rows = path.read_text().splitlines(keepends=True)
    rows[3:3] = ["é,too,many,values,by,far\n"]
    rows[10:10] = ["alone\n"]
    rows[12] = rows[12].replace(rows[12].split(",")[0], "", 1)
    path.write_text(header + "".join(rows))
    return {"interactions": [str(path)], **COLUMNS}, len(rows)


def test_malformed_rows_are_rejected_and_counts_reconcile(world, tmp_path):
    data, read = ragged(world, tmp_path / "log.csv")
    counts = run(make_config(world, data=data), tmp_path / "out")
    assert counts["rows_read"] == read == pq.read_metadata(world.interactions).num_rows + 2
    assert (counts["rejected_malformed_row"], counts["rejected_missing_query"]) == (2, 1)
    kept = sum(counts[f"rows_{split}"] for split in SPLITS)
    assert read == kept + counts["rows_rejected"] + counts["rows_below_min_label"]
    lines = (tmp_path / "out" / "rejects" / "part-00000.jsonl").read_text().splitlines()
    found = [json.loads(line) for line in lines]
    assert [(reject["row"], reject["reason"]) for reject in found] == [
        (3, "malformed_row"),
        (10, "malformed_row"),
        (12, "missing_query"),
    ]
    assert found[0]["values"] == {"text": "é,too,many,values,by,far"}
    assert found[0]["file"] == "interactions/log.csv"


def test_malformed_rows_give_the_same_bytes_every_time(world, tmp_path):
    data, _ = ragged(world, tmp_path / "log.csv")
    for name in ("a", "b"):
        run(make_config(world, data=data), tmp_path / name)
    assert "rejects/part-00000.jsonl" in digests(tmp_path / "a")
    assert digests(tmp_path / "a") == digests(tmp_path / "b")


def test_too_many_malformed_rows_fail(world, tmp_path):
    (tmp_path / "log.csv").write_text("query_id,candidate_id,timestamp\na,b,1\nc\n")
    data = {"interactions": [str(tmp_path / "log.csv")], **COLUMNS}
    with pytest.raises(DataError, match=r"1 of 2 rows .* \(1 malformed_row\): 50\.00%"):
        run(make_config(world, data=data), tmp_path / "work" / "prepared")
    assert (tmp_path / "work/rejects/part-00000.jsonl").read_text() == (
        '{"file": "interactions/log.csv", "row": 1, "reason": "malformed_row", '
        '"values": {"text": "c"}}\n'
    )


def test_a_log_of_malformed_rows_alone_is_told_like_any_bad_log(world, tmp_path):
    (tmp_path / "log.csv").write_text("query_id,candidate_id,timestamp\n" + "a,b\n" * 5)
    data = {"interactions": [str(tmp_path / "log.csv")], **COLUMNS}
    with pytest.raises(DataError, match=r"5 of 5 rows .* \(5 malformed_row\): 100\.00%"):
        run(make_config(world, data=data), tmp_path / "work" / "prepared")
    lenient = make_config(world, data={**data, "max_reject_share": 1})
    with pytest.raises(DataError, match="no row to train: of 5 rows read, 5 were rejected"):
        run(lenient, tmp_path / "work" / "again")


def test_filters_that_leave_nothing_are_named(world, tmp_path):
    config = make_config(world, filters={"min_query_rows": 1_000})
    with pytest.raises(DataError, match=r"546 were left out by `filters`, and 0 train, 0 val"):
        run(config, tmp_path / "out")


def test_a_malformed_row_of_a_side_table_is_an_error(world, tmp_path):
    (tmp_path / "queries.csv").write_text("query_id,age\nq1,30\nq2\n")
    queries = {"files": [str(tmp_path / "queries.csv")], "id": "query_id"}
    with pytest.raises(DataError, match=r"queries\.csv: the file cannot be read .* got 1: q2\)"):
        run(make_config(world, queries=queries), tmp_path / "out")


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
        ({"frequencies": {"half_life_days": 1e-9}}, "greater than or equal to 0.002"),
        ({"histories": {"session_gap_s": 1e308}}, "less than or equal to 1000000000000"),
    ],
)
def test_a_config_that_breaks_a_rule_is_refused_with_the_rule(world, changes, sentence):
    with pytest.raises(ValidationError, match=sentence):
        make_config(world, **changes)


def test_both_sides_may_not_standardise_a_number_under_one_name(world):
    side = {"files": ["a"], "id": "i", "features": [{"name": "age", "kind": "standardised"}]}
    with pytest.raises(ValidationError, match="feature `age` is one of `queries` and of `cand"):
        make_config(world, queries=side, candidates=side)


@pytest.mark.parametrize(
    ("section", "key"),
    [
        ("filters", "window_days"),
        ("histories", "session_gap_s"),
        ("frequencies", "half_life_days"),
    ],
)
def test_a_duration_needs_a_column_of_times(world, section, key):
    named = {"query": "query_id", "candidate": "candidate_id"}
    data = {"train": ["a"], "validation": ["b"], "test": ["c"], **named}
    sentence = rf"`{section}\.{key}` needs `data\.timestamp`"
    with pytest.raises(ValidationError, match=sentence):
        make_config(world, data=data, split=None, **{section: {key: 30}})
    timed = make_config(world, data=data | COLUMNS, split=None, **{section: {key: 30}})
    assert getattr(getattr(timed, section), key) == 30
