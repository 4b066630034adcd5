import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.catalogue import layout
from components.errors import DataError
from components.precompute import (
    ANSWERS,
    QUESTIONS,
    Question,
    batches,
    count,
    count_shards,
    ids_by_row,
    input_digests,
    questions,
    write_part,
)
from tests.preparing import make_config, read_examples, run
from tests.world import write_world

SPLITS = ("train", "validation", "test")


def asked(prepared, question):
    """What is asked for each query, by row, over all shards."""
    tables = [
        table
        for shard in range(count_shards(prepared))
        for table in questions(prepared, shard, question)
    ]
    assert all(table.schema == QUESTIONS for table in tables)
    rows = pa.concat_tables(tables).to_pylist()
    found = {row["query"]: row["exclude"] for row in rows}
    assert len(found) == len(rows)
    return found


def seen(prepared):
    """The known candidates that each known query interacted with, in any split."""
    past = {}
    for split in SPLITS:
        for candidate, query, _ in read_examples(prepared.path, split):
            if query:
                past.setdefault(query, set()).update({candidate} - {0})
    return past


# Questions


def test_every_query_is_asked_for_once_without_what_it_has_seen(prepared):
    past = seen(prepared)
    assert len(past) == pq.read_metadata(prepared.queries).num_rows
    assert asked(prepared, Question(5, True)) == {
        query: sorted(candidates) for query, candidates in past.items()
    }


def test_what_was_seen_is_kept_when_that_is_asked_for(prepared):
    found = asked(prepared, Question(5, False))
    assert found.keys() == seen(prepared).keys()
    assert all(excluded == [] for excluded in found.values())


def test_compressed_examples_give_the_same_questions(tmp_path):
    world = write_world(tmp_path / "world")
    plain, packed = (
        make_config(world, examples={"compression": name}) for name in ("none", "gzip")
    )
    run(plain, tmp_path / "plain")
    run(packed, tmp_path / "packed")
    found = [asked(layout(tmp_path / name), Question(5, True)) for name in ("plain", "packed")]
    assert found[0] == found[1]
    assert len(found[0]) == 40


def test_a_shard_without_queries_is_one_batch_without_rows(tmp_path):
    run(make_config(write_world(tmp_path / "world"), shards=300), tmp_path / "prepared")
    prepared = layout(tmp_path / "prepared")
    empty = [
        shard
        for shard in range(300)
        if not sum(table.num_rows for table in questions(prepared, shard, Question(5, True)))
    ]
    assert len(empty) >= 260
    (table,) = questions(prepared, empty[0], Question(5, True))
    assert table.schema == QUESTIONS


def test_a_damaged_example_file_is_named(tmp_path):
    run(make_config(write_world(tmp_path / "world")), tmp_path / "prepared")
    prepared = layout(tmp_path / "prepared")
    path = prepared.examples("test")[1]
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(DataError, match=rf"{path}: the file cannot be read \("):
        list(questions(prepared, 1, Question(5, True)))


# Batches


def test_those_that_exclude_similarly_many_are_asked_together():
    widths = np.arange(600) % 7
    cut = list(batches(widths, 10))
    assert [len(batch) for batch in cut] == [256, 256, 600 - 2 * 256]
    together = np.concatenate(cut)
    assert sorted(together) == list(range(600))
    assert (np.diff(widths[together]) <= 0).all()


def test_a_batch_holds_no_more_cells_than_it_may():
    widths = np.array([1 << 19, 1 << 18, 1 << 18, 1 << 18, 0, 0])
    sizes = [len(batch) for batch in batches(widths, 1)]
    # 2^20 cells: one list of 2^19 + 1, three of 2^18 + 1, then all that is left.
    assert sizes == [1, 3, 2]


def test_a_query_that_exceeds_the_cells_alone_is_still_asked():
    assert [batch.tolist() for batch in batches(np.array([5, 1 << 21]), 1)] == [[1], [0]]


def test_many_candidates_a_query_make_small_batches():
    assert [len(batch) for batch in batches(np.zeros(5, np.int64), 1 << 19)] == [2, 2, 1]


# Files


def answer(query, query_id):
    return pa.Table.from_pylist(
        [{"query": query, "query_id": query_id, "candidate_ids": ["c"], "scores": [0.5]}], ANSWERS
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


def test_ids_by_row_begin_with_the_unknown(prepared):
    ids = ids_by_row(prepared.candidates)
    assert ids[0] == ""
    assert ids[1:].tolist() == pq.read_table(prepared.candidates)["id"].to_pylist()


def test_the_module_imports_neither_tensorflow_nor_beam():
    told = subprocess.run(
        [sys.executable, "-c", "import sys, components.precompute; print(*sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert "components.precompute" in told
    assert {"tensorflow", "apache_beam"}.isdisjoint(told)
