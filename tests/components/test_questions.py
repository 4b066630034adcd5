import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.catalogue import layout
from components.errors import DataError
from components.questions import QUESTIONS, Question, batches, count_shards, questions
from tests.preparing import COLUMNS, make_config, read_examples, rows_of, run
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
    queries = [row["id"] for row in rows_of(prepared.queries)]
    assert all(row["query_id"] == queries[row["row"] - 1] for row in rows)
    found = {row["query_id"]: row["exclude"] for row in rows}
    assert len(found) == len(rows)
    return found


def seen(prepared):
    """The known candidates that each known query interacted with, in any split."""
    queries, candidates = (
        [row["id"] for row in rows_of(table)] for table in (prepared.queries, prepared.candidates)
    )
    past = {query: set() for query in queries}
    for split in SPLITS:
        for candidate, query, _ in read_examples(prepared.path, split):
            if query and candidate:
                past[queries[query - 1]].add(candidates[candidate - 1])
    return past


# Questions


def test_every_query_is_asked_for_once_without_what_it_has_seen(prepared):
    found = asked(prepared, Question(5, True))
    assert {query: set(own) for query, own in found.items()} == seen(prepared)
    assert all(len(own) == len(set(own)) for own in found.values())


def test_what_was_seen_is_kept_when_that_is_asked_for(prepared):
    found = asked(prepared, Question(5, False))
    assert found.keys() == seen(prepared).keys()
    assert all(excluded == [] for excluded in found.values())


def test_a_candidate_that_the_catalogue_lacks_is_left_out_by_its_id(tmp_path):
    # The last four rows of each query are held out; three of them show what no training row does.
    rows = [
        {"query_id": query, "candidate_id": candidate, "timestamp": time}
        for query in ("a", "b")
        for time, candidate in enumerate(
            [*("x", "y", "z", "x", "y", "z"), f"new-{query}", f"new-{query}", "new", "x"]
        )
    ]
    log = tmp_path / "log.parquet"
    pq.write_table(pa.Table.from_pylist(rows), log)
    config = make_config(
        write_world(tmp_path / "world"),
        data={"interactions": [str(log)], **COLUMNS},
        split={"kind": "per_query_time", "validation": 0.2, "test": 0.2},
        queries={},
        candidates={},
    )
    run(config, tmp_path / "prepared")
    prepared = layout(tmp_path / "prepared")
    assert {row["id"] for row in rows_of(prepared.candidates)} == {"x", "y", "z"}
    found = asked(prepared, Question(5, True))
    assert {query: sorted(own) for query, own in found.items()} == {
        query: sorted(["x", "y", "z", f"new-{query}", "new"]) for query in ("a", "b")
    }


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
