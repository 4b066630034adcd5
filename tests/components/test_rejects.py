import json

import pyarrow as pa
import pytest

from components.errors import DataError
from components.rejects import (
    check_share,
    first_rejects,
    forget_rejects,
    keep_rejects,
    write_rejects,
)
from components.validation import REASONS, REJECT_SAMPLES, REJECTS_SCHEMA

COUNTS = {"rows_read": 200, "rows_rejected": 3} | {f"rejected_{reason}": 0 for reason in REASONS}
COUNTS |= {"rejected_missing_query": 1, "rejected_bad_label": 2}


def rejects(*rows, reason="bad_label"):
    values = [{"row": row, "reason": reason, "values": '{"stars": "é"}'} for row in rows]
    return pa.Table.from_pylist(values, REJECTS_SCHEMA)


def test_rejects_are_lines_in_the_order_of_the_file(tmp_path):
    write_rejects(
        tmp_path / "rejects", 3, "train/a.csv", first_rejects([rejects(9), rejects(2, 5)])
    )
    lines = (tmp_path / "rejects" / "part-00003.jsonl").read_text().splitlines()
    assert [json.loads(line)["row"] for line in lines] == [2, 5, 9]
    assert json.loads(lines[0]) == {
        "file": "train/a.csv",
        "row": 2,
        "reason": "bad_label",
        "values": {"stars": "é"},
    }


def test_the_first_of_each_reason_are_kept_in_whatever_order_they_come():
    late = rejects(*range(1_000, 2_000))
    early = rejects(*range(0, 1_000, 2))
    rare = rejects(5_000, 7, reason="missing_query")
    expected = sorted([*range(0, 1_000, 2), 7, *range(1_000, 1_500), 5_000])
    for tables in ([late, rare, early], [early, late, rare], [first_rejects([rare, late]), early]):
        kept = first_rejects(tables)
        assert kept["row"].to_pylist() == expected
        assert kept.filter(pa.array(kept["reason"].to_numpy() == "bad_label")).num_rows == 1_000


def test_of_nothing_nothing_is_kept():
    assert first_rejects([]).equals(REJECTS_SCHEMA.empty_table())


def test_a_share_at_the_limit_passes(tmp_path):
    check_share(COUNTS, 3 / 200, tmp_path)


def test_a_share_above_the_limit_is_an_error_that_says_all(tmp_path):
    with pytest.raises(DataError) as raised:
        check_share(COUNTS, 0.01, tmp_path)
    assert str(raised.value) == (
        "3 of 200 rows of the interactions cannot be used (1 missing_query, 2 bad_label): 1.50%, "
        f"where `data.max_reject_share` allows 1.00%. They lie in {tmp_path}; mend the files, or "
        "allow more."
    )


def test_the_error_says_when_not_all_are_kept(tmp_path):
    many = REJECT_SAMPLES + 1
    counts = COUNTS | {"rows_read": many, "rows_rejected": many, "rejected_bad_label": many}
    with pytest.raises(
        DataError, match=r"\. The first 1000 of each file and reason lie in .*; mend"
    ):
        check_share(counts, 0.01, tmp_path)


def test_kept_rejects_are_forgotten_and_nothing_else_is(tmp_path):
    write_rejects(tmp_path / "from", 0, "a", rejects(1))
    keep_rejects(tmp_path / "from", tmp_path / "to")
    assert [path.name for path in (tmp_path / "to").iterdir()] == ["part-00000.jsonl"]
    (tmp_path / "to" / "notes.txt").write_text("mine")
    forget_rejects(tmp_path / "to")
    assert [path.name for path in (tmp_path / "to").iterdir()] == ["notes.txt"]
    (tmp_path / "to" / "notes.txt").unlink()
    forget_rejects(tmp_path / "to")
    assert not (tmp_path / "to").exists()
    forget_rejects(tmp_path / "to")
