import pickle
import shutil

import pyarrow.parquet as pq
import pytest

from components.artifacts import Prepared
from components.beam.asking import AskModel, precompute
from components.errors import ArtifactError
from components.questions import Question
from pipeline.runners import pipeline_options
from tests.preparing import digests
from tests.serving.harness import export_retriever

HERE = ()
THREADS = ("--direct_running_mode=multi_threading", "--direct_num_workers=3")
PROCESSES = ("--direct_running_mode=multi_processing", "--direct_num_workers=2")


@pytest.fixture(scope="module")
def version(small_run):
    return small_run.work_dir / "published" / "1"


@pytest.fixture
def ask(prepared, version, tmp_path):
    """Runs the job into a directory of its own."""

    def ask(name, *arguments, k=5, exclude_seen=True, of=version):
        directory = tmp_path / name
        directory.mkdir()
        options = pipeline_options(arguments)
        counts = precompute(Question(k, exclude_seen), of, prepared, directory, options)
        assert [path.name for path in directory.iterdir()] == ["candidates"]
        return directory / "candidates", counts

    return ask


def answers(directory):
    return {row["query_id"]: row for row in pq.read_table(directory).to_pylist()}


def test_every_query_of_the_table_has_one_row(ask, prepared):
    directory, counts = ask("made")
    rows = pq.read_table(directory)
    assert counts == {"queries": rows.num_rows}
    known = pq.read_table(prepared.queries)["id"].to_pylist()
    assert sorted(rows["query_id"].to_pylist()) == sorted(known)
    assert {len(row) for row in rows["candidate_ids"].to_pylist()} == {5}
    assert [str(field.type) for field in rows.schema] == [
        "string",
        "list<element: string>",
        "list<element: float>",
    ]


def test_there_is_one_file_a_shard_that_is_named_by_its_number(ask, prepared):
    directory, _ = ask("made")
    shards = len(prepared.examples("train"))
    assert sorted(path.name for path in directory.iterdir()) == [
        f"part-{shard:05d}-of-{shards:05d}.parquet" for shard in range(shards)
    ]


def test_what_was_seen_comes_back_only_where_it_is_kept(ask):
    without, kept = (answers(ask(str(flag), exclude_seen=flag)[0]) for flag in (True, False))
    assert without.keys() == kept.keys()
    assert without != kept
    for query, row in kept.items():
        assert row["scores"][0] >= without[query]["scores"][0]


@pytest.mark.parametrize("workers", [HERE, THREADS, PROCESSES])
def test_the_bytes_do_not_depend_on_who_asked(ask, workers):
    assert digests(ask("first")[0]) == digests(ask("second", *workers)[0])


def test_a_model_is_loaded_once_a_process(version):
    worker, other = (AskModel(version, 5) for _ in range(2))
    copies = [pickle.loads(pickle.dumps(worker)) for _ in range(2)]
    for each in (*copies, other):
        each.setup()
    assert copies[0]._model is copies[1]._model
    assert other._model is not copies[0]._model


@pytest.mark.parametrize("workers", [HERE, PROCESSES])
def test_what_a_worker_finds_wrong_with_the_model_is_its_sentence(ask, tmp_path, workers):
    damaged = tmp_path / "1"
    damaged.mkdir()
    with pytest.raises(ArtifactError, match=rf"^{damaged}: the published model cannot be loaded"):
        ask("made", *workers, of=damaged)
    assert list((tmp_path / "made").iterdir()) == []


def test_more_candidates_than_the_model_knows_are_refused(ask, tmp_path):
    with pytest.raises(ArtifactError, match=r"knows 30; give --k 30 or less\.$"):
        ask("made", k=31)
    assert list((tmp_path / "made").iterdir()) == []


def test_a_model_that_knows_none_of_the_ids_is_asked_all_the_same(ask, tmp_path):
    # The queries and candidates of the prepared data are only names to it.
    foreign = export_retriever(tmp_path / "foreign")
    found = answers(ask("made", k=3, of=foreign, exclude_seen=False)[0])
    assert len(found) == 40
    assert all(row["candidate_ids"] == ["c9", "c8", "c7"] for row in found.values())
    assert all(row["scores"] == [9, 8, 7] for row in found.values())


def test_shards_without_queries_leave_files_without_rows(small_run, version, tmp_path):
    shutil.copytree(small_run.work_dir / "prepared", tmp_path / "prepared")
    examples = tmp_path / "prepared" / "examples"
    for split in ("train", "validation", "test"):
        (examples / f"{split}-00000-of-00008.tfrecord").write_bytes(b"")
    prepared = Prepared.open(tmp_path / "prepared")
    out = tmp_path / "out"
    out.mkdir()
    counts = precompute(Question(5, True), version, prepared, out, pipeline_options([]))
    part = pq.read_table(out / "candidates" / "part-00000-of-00008.parquet")
    assert part.num_rows == 0
    assert part.column_names == ["query_id", "candidate_ids", "scores"]
    assert 0 < counts["queries"] < 40
