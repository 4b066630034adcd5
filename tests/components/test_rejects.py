import json

import pyarrow as pa
import pytest

from components.errors import DataError
from components.interactions import REASONS, REJECTS_SCHEMA
from components.rejects import check_share, forget_rejects, keep_rejects, write_rejects

COUNTS = {"rows_read": 200, "rows_rejected": 3} | {f"rejected_{reason}": 0 for reason in REASONS}
COUNTS |= {"rejected_missing_query": 1, "rejected_bad_label": 2}


def rejects(*rows):
    values = [{"row": row, "reason": "bad_label", "values": '{"stars": "é"}'} for row in rows]
    return pa.Table.from_pylist(values, REJECTS_SCHEMA)


def test_rejects_are_lines_in_the_order_of_the_file(tmp_path):
    write_rejects(tmp_path / "rejects", 3, "train/a.csv", [rejects(9), rejects(2, 5)])
    lines = (tmp_path / "rejects" / "part-00003.jsonl").read_text().splitlines()
    assert [json.loads(line)["row"] for line in lines] == [2, 5, 9]
    assert json.loads(lines[0]) == {
        "file": "train/a.csv",
        "row": 2,
        "reason": "bad_label",
        "values": {"stars": "é"},
    }


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


def test_kept_rejects_are_forgotten_and_nothing_else_is(tmp_path):
    write_rejects(tmp_path / "from", 0, "a", [rejects(1)])
    keep_rejects(tmp_path / "from", tmp_path / "to")
    assert [path.name for path in (tmp_path / "to").iterdir()] == ["part-00000.jsonl"]
    (tmp_path / "to" / "notes.txt").write_text("mine")
    forget_rejects(tmp_path / "to")
    assert [path.name for path in (tmp_path / "to").iterdir()] == ["notes.txt"]
    (tmp_path / "to" / "notes.txt").unlink()
    forget_rejects(tmp_path / "to")
    assert not (tmp_path / "to").exists()
    forget_rejects(tmp_path / "to")
