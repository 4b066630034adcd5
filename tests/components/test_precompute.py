import subprocess
import sys

import pyarrow as pa
import pyarrow.parquet as pq

from components.precompute import ANSWERS, count, input_digests, write_part

# Files


def answer(row, query_id):
    return pa.Table.from_pylist(
        [{"row": row, "query_id": query_id, "candidate_ids": ["c"], "scores": [0.5]}], ANSWERS
    )


def test_a_part_lies_in_the_order_of_the_queries_whatever_the_order_of_the_batches(tmp_path):
    tables = [answer(7, "a"), answer(2, "b"), answer(5, "c")]
    write_part(tmp_path, 1, 4, tables)
    (path,) = (tmp_path / "candidates").iterdir()
    assert path.name == "part-00001-of-00004.parquet"
    written = pq.read_table(path)
    assert written.schema == ANSWERS.remove(0)
    assert written["query_id"].to_pylist() == ["b", "c", "a"]
    first = path.read_bytes()
    write_part(tmp_path, 1, 4, tables[::-1])
    assert path.read_bytes() == first
    assert count(tmp_path) == {"queries": 3}


# What the answers depend on


def test_every_byte_of_the_published_version_counts(prepared, tmp_path):
    (tmp_path / "variables").mkdir()
    (tmp_path / "saved_model.pb").write_bytes(b"graph")
    (tmp_path / "variables" / "data").write_bytes(b"weights")
    first = input_digests(prepared, tmp_path)
    assert first["prepared"] == prepared.manifest.fingerprint
    assert input_digests(prepared, tmp_path) == first
    (tmp_path / "variables" / "data").write_bytes(b"others!")
    assert input_digests(prepared, tmp_path)["model"] != first["model"]
    (tmp_path / "variables" / "data").rename(tmp_path / "data")
    (tmp_path / "data").write_bytes(b"weights")
    assert input_digests(prepared, tmp_path)["model"] != first["model"]


def test_the_driver_s_modules_import_neither_tensorflow_nor_beam():
    told = subprocess.run(
        [
            sys.executable,
            "-c",
            "import sys, components.precompute; print(*sys.modules)",
        ],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert {"components.precompute", "components.questions"} <= set(told)
    assert {"tensorflow", "apache_beam"}.isdisjoint(told)
