import logging
import re
import shutil
import socket
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from pipeline import __main__ as cli
from pipeline import config, steps
from tests.conftest import SmallRun, write_run
from tests.preparing import read_examples, rows_of
from tests.serving.harness import export_doubler
from tests.world import write_world

COMMANDS = [
    *("fetch", "prepare", "frequencies", "train", "evaluate", "export", "run", "recommend"),
    *("precompute", "compare"),
]


@dataclass(frozen=True)
class Outcome:
    """What a command left for its user to see."""

    code: int | str | None
    out: str
    err: str

    @property
    def error(self) -> str:
        """The only line of an error, without its prefix."""
        assert self.code == 2, self.err
        assert self.out == ""
        assert len(self.err.splitlines()) == 1, self.err
        assert self.err.startswith("error: ")
        return self.err.removeprefix("error: ").rstrip("\n")


@pytest.fixture
def call(monkeypatch, capsys):
    """Runs a command in this process, as a process that is new would log."""

    def call(*arguments: object) -> Outcome:
        with monkeypatch.context() as patch:
            patch.setattr(sys, "argv", ["python -m pipeline", *map(str, arguments)])
            patch.setattr(logging.getLogger(), "handlers", [])
            patch.setenv("COLUMNS", "200")
            capsys.readouterr()
            with pytest.raises(SystemExit) as end:
                cli.main()
        return Outcome(end.value.code, *capsys.readouterr())

    return call


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return write_world(tmp_path_factory.mktemp("world"))


@pytest.fixture
def unrun(world, tmp_path):
    """A run file over the world, of which nothing has been run."""
    return write_run(tmp_path, world)


@pytest.fixture
def copied(small_run, tmp_path):
    """The small run, in a work directory that a test may change."""
    shutil.copytree(small_run.work_dir, tmp_path / "work")
    return SmallRun(small_run.config, tmp_path / "work", small_run.world)


def log_of(path: Path) -> list[str]:
    return ["--set", f"data.interactions=['{path}']"]


def left_in(run: SmallRun) -> list[str]:
    """What stands in the work directory, finished or half made."""
    return sorted(path.name for path in run.work_dir.glob("*"))


# What is wrong before anything is read


def test_a_missing_run_file_is_one_line(call, tmp_path):
    assert call("run", tmp_path / "none.toml").error == (
        f"{tmp_path / 'none.toml'}: there is no such run file."
    )


def test_an_unknown_key_is_one_line(call, unrun):
    unrun.config.write_text(unrun.config.read_text().replace("patience", "patients"))
    assert call("run", unrun.config).error == (
        f"{unrun.config}: train.patients: there is no such key (got 12)"
    )
    assert not unrun.work_dir.exists()


def test_an_override_that_breaks_a_rule_is_one_line(call, unrun):
    assert "train.epochs" in call("train", unrun.config, "--set", "train.epochs=0").error


def test_the_direct_runner_is_refused(call, unrun):
    told = call("run", unrun.config, "--", "--runner=DirectRunner").error
    assert told.startswith("--runner=DirectRunner is refused: ")
    assert not unrun.work_dir.exists()


def test_an_unknown_runner_is_one_line(call, unrun):
    told = call("run", unrun.config, "--", "--runner=NoRunner").error
    assert told.startswith("--runner=NoRunner: the job can be given to FnApiRunner, ")
    assert left_in(unrun) == []


def test_a_job_server_that_does_not_answer_is_one_line(call, unrun):
    with socket.socket() as bound:  # and does not listen
        bound.bind(("localhost", 0))
        port = bound.getsockname()[1]
        options = [f"--job_endpoint=localhost:{port}", "--job_server_timeout=1"]
        told = call("prepare", unrun.config, "--", "--runner=PortableRunner", *options).error
    assert told == (
        f"--job_endpoint=localhost:{port}: no job server answered there in 1 s; start it, or name "
        "the endpoint of one that runs."
    )
    assert left_in(unrun) == []


def test_a_bad_value_of_a_beam_option_is_one_line(call, unrun):
    assert call("run", unrun.config, "--", "--direct_num_workers=many").error == (
        "Beam refuses its options: argument --direct_num_workers: invalid int value: 'many'."
    )


def test_an_unknown_beam_option_is_one_line(call, unrun):
    assert call("run", unrun.config, "--", "--runer=FlinkRunner").error == (
        "--runer: neither Beam nor FnApiRunner has this option."
    )


def test_a_stray_word_is_refused(call, unrun):
    assert call("prepare", unrun.config, "seed=5").error == (
        "seed=5: not an option of Beam; a value is set with --set."
    )
    assert left_in(unrun) == []


def test_recommending_for_rows_that_were_trained_on_is_refused(call, unrun, tmp_path):
    out = tmp_path / "validation.tsv"
    told = call("recommend", unrun.config, "--out", out, "--split", "validation").error
    assert "with train.refit the model was trained on the validation rows" in told
    assert "--set train.refit=false" in told
    assert not out.exists()
    assert not unrun.work_dir.exists()


def test_precomputing_where_nothing_is_published_is_one_line(call, unrun):
    assert call("precompute", unrun.config).error == (
        f"{unrun.work_dir / 'published'}: no version is published here; publish one with "
        "`python -m pipeline run`."
    )
    assert not unrun.work_dir.exists()


def test_a_directory_to_write_recommendations_to_is_refused(call, unrun, tmp_path):
    told = call("recommend", unrun.config, "--out", tmp_path).error
    assert told == f"--out {tmp_path}: this is a directory; name a file."


def test_a_work_directory_that_cannot_be_made_is_one_line(call, unrun):
    told = call("prepare", unrun.config, "--set", f"work_dir='{unrun.config}'").error
    assert told == (
        f"{unrun.config}: a file stands where this directory is needed; name another `work_dir`."
    )


# What is wrong with the data


def test_a_missing_input_file_is_one_line(call, unrun):
    told = call("run", unrun.config, *log_of(Path("none.parquet"))).error
    assert told == f"none.parquet: there is no such file; paths are relative to {Path.cwd()}."
    assert not unrun.work_dir.exists()


def test_a_missing_column_is_named_beside_those_there_are(call, unrun):
    told = call("run", unrun.config, "--set", "data.query=user").error
    assert told == (
        f"{unrun.world.interactions}: there is no column `user`, which `data.query` names; "
        "its columns are `query_id`, `candidate_id`, `timestamp`, `rating`."
    )
    assert left_in(unrun) == []


def test_a_column_of_a_wrong_type_is_named_with_both_types(call, unrun):
    told = call("run", unrun.config, "--set", "data.query=rating").error
    assert told == (
        f"{unrun.world.interactions}: column `rating`, which `data.query` names, holds double; "
        "it must hold strings or integers."
    )
    assert left_in(unrun) == []


def test_a_file_that_is_no_parquet_is_one_line(call, unrun, tmp_path):
    path = tmp_path / "log.parquet"
    path.write_bytes(b"not\nparquet\n" * 100)
    told = call("run", unrun.config, *log_of(path)).error
    assert told.startswith(f"{path}: the file cannot be read (Parquet magic bytes not found")
    assert left_in(unrun) == []


def test_a_page_that_a_worker_cannot_read_is_one_line(call, unrun, tmp_path):
    path = tmp_path / "log.parquet"
    whole = unrun.world.interactions.read_bytes()
    path.write_bytes(whole[:200] + b"\xff" * 400 + whole[600:])
    told = call("run", unrun.config, *log_of(path)).error
    assert told.startswith(f"{path}: the file cannot be read (")
    assert told.endswith(").")
    assert left_in(unrun) == []


@pytest.mark.parametrize("name", ["log.parquet", "log.csv"])
def test_data_without_rows_is_one_line(call, unrun, tmp_path, name):
    path = tmp_path / name
    if name.endswith(".csv"):
        path.write_text("query_id,candidate_id,timestamp\n")
    else:
        pq.write_table(pq.read_table(unrun.world.interactions).slice(0, 0), path)
    told = call("run", unrun.config, *log_of(path)).error
    assert told == f"{path}: there is no row of interactions; nothing can be learned."
    assert left_in(unrun) == []


def test_a_file_without_bytes_is_one_line(call, unrun, tmp_path):
    (tmp_path / "log.csv").touch()
    told = call("run", unrun.config, *log_of(tmp_path / "log.csv")).error
    assert told.startswith(f"{tmp_path / 'log.csv'}: the file cannot be read (")


def test_a_split_that_leaves_nothing_is_told_with_counts(call, unrun, tmp_path):
    path = tmp_path / "log.parquet"
    pq.write_table(pq.read_table(unrun.world.interactions).slice(0, 2), path)
    told = call("run", unrun.config, *log_of(path)).error
    assert told.startswith("`split.kind` 'per_query_time' leaves no row to validation: of 2 rows")
    assert left_in(unrun) == []


def test_too_many_rejects_are_told_with_counts_limit_reasons_and_place(call, unrun, tmp_path):
    path = tmp_path / "log.parquet"
    rows = rows_of(unrun.world.interactions)
    for row in rows[:7]:
        row["query_id"] = ""
    rows[7]["candidate_id"] = None
    pq.write_table(pa.Table.from_pylist(rows), path)
    assert call("run", unrun.config, *log_of(path)).error == (
        f"8 of {len(rows)} rows of the interactions cannot be used "
        f"(7 missing_query, 1 missing_candidate): {8 / len(rows):.2%}, where "
        f"`data.max_reject_share` allows 1.00%. They lie in {unrun.work_dir / 'rejects'}; "
        "mend the files, or allow more."
    )
    assert left_in(unrun) == ["rejects"]
    kept = (unrun.work_dir / "rejects" / "part-00000.jsonl").read_text()
    assert len(kept.splitlines()) == 8


def test_a_column_that_stands_twice_is_one_line(call, unrun, tmp_path):
    path = tmp_path / "log.csv"
    path.write_text("query_id,query_id,candidate_id,timestamp\na,a,b,1\n")
    told = call("run", unrun.config, *log_of(path)).error
    assert told.startswith(f"{path}: column `query_id`, which `data.query` names, stands there 2")
    assert left_in(unrun) == []


def test_what_a_worker_found_ends_with_our_own_sentence(call, unrun):
    features = "queries.features=[{kind='numeric', name='gender', boundaries=[1]}]"
    assert call("run", unrun.config, "--set", features).error == (
        f"{unrun.world.queries}: column `gender` holds 'F', which is no number; leave the value "
        "empty, or make the feature categorical."
    )
    assert left_in(unrun) == []


# The command line itself


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["run"], "Missing argument 'CONFIG'"),
        (["recommend", "run.toml"], "Missing option '--out'"),
        (["run", "run.toml", "--runner=FlinkRunner"], "No such option: --runner"),
        (["recommend", "run.toml", "--out", "x", "--k", "0"], "Invalid value for '--k'"),
        (["recommend", "run.toml", "--out", "x", "--split", "train"], "'train' is not one of"),
        (["precompute", "run.toml", "--k", "0"], "Invalid value for '--k'"),
        (["precompute", "run.toml", "--k", str(2**31)], "Invalid value for '--k'"),
        (["fetch", "ml-1b"], "'ml-1b' is not one of"),
        (["publish"], "No such command 'publish'"),
    ],
)
def test_a_wrong_use_of_the_command_line_ends_with_code_2(call, arguments, told):
    outcome = call(*arguments)
    assert outcome.code == 2
    assert told in outcome.err
    assert "Traceback" not in outcome.err


@pytest.mark.parametrize(
    ("arguments", "purpose"),
    [
        ([], "From interaction logs to a published candidate model"),
        (["fetch"], "Fetches a public data set"),
        (["prepare"], "Validates, splits and encodes the interactions"),
        (["train"], "Trains the model"),
        (["evaluate"], "Measures the model beside its baselines"),
        (["export"], "Exports the model and checks it"),
        (["run"], "Does everything: prepare, train, evaluate, export, check and publish"),
        (["recommend"], "Writes the candidates of every query of a split"),
        (["precompute"], "Writes what the newest published model answers every query"),
    ],
)
def test_help_tells_what_a_command_is_for(call, arguments, purpose):
    outcome = call(*arguments, "--help")
    assert outcome.code == 0
    assert purpose in outcome.out


def test_the_help_lists_every_command(call):
    listed = re.findall(r"^│ (\w+) ", call("--help").out, re.MULTILINE)
    assert listed == COMMANDS


# Real processes


def process(*arguments: object) -> Outcome:
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
    )
    return Outcome(done.returncode, done.stdout, done.stderr)


def test_a_process_tells_a_bad_run_file_in_one_line(tmp_path):
    assert process("run", tmp_path / "none.toml").error.endswith("there is no such run file.")


def test_a_process_tells_bad_data_in_one_line(unrun):
    (unrun.world.interactions.parent / "notes.txt").touch()
    told = process(
        "run", unrun.config, *log_of(unrun.world.interactions.parent / "notes.txt")
    ).error
    assert "notes.txt: this kind of file cannot be read; give .parquet; .csv, " in told


def test_a_job_server_that_does_not_start_is_told_after_its_log(unrun, tmp_path):
    (tmp_path / "server.jar").touch()
    options = [f"--flink_job_server_jar={tmp_path / 'server.jar'}"]
    options += [f"--job_server_java_launcher={shutil.which('false')}"]
    ended = process("prepare", unrun.config, "--", "--runner=FlinkRunner", *options)
    assert (ended.code, ended.out) == (2, "")
    assert ended.err.splitlines()[-1] == (
        "error: --runner=FlinkRunner: the job was not done (Service failed to start up with error "
        "1); mend what this names, and run the command again."
    )
    assert left_in(unrun) == []


# A run that is fine


def test_a_second_run_reuses_everything_and_prints_it_all(call, small_run):
    outcome = call("run", small_run.config)
    assert outcome.code == 0
    log = [line.split(" ", 2)[2] for line in outcome.err.splitlines()]
    work_dir = small_run.work_dir
    assert log == [
        f"reused artifact=prepared path={work_dir / 'prepared'}",
        f"reused artifact=checkpoint path={work_dir / 'checkpoint'}",
        f"reused artifact=metrics path={work_dir / 'metrics'}",
        f"reused artifact=serving_model path={work_dir / 'export'}",
        f"published already version=1 path={work_dir / 'published' / '1'}",
    ]
    assert [path.name for path in (work_dir / "published").iterdir()] == ["1"]
    for heading in ("recall@5", "ndcg@5", "mrr@10", "hit_rate@10", "coverage@10"):
        assert heading in outcome.out
    systems = re.findall(r"^(two_tower|popularity|random) ", outcome.out, re.MULTILINE)
    assert systems == ["two_tower", "popularity", "random"] * 2
    queries = re.findall(r"^query (\w+) +candidates$", outcome.out, re.MULTILINE)
    assert len(set(queries)) == 5
    assert len(re.findall(r"^Candidate \d+ +Candidate \d+$", outcome.out, re.MULTILINE)) == 25
    lies = dict(re.findall(r"^([a-z ]+?)   +(/\S+)$", outcome.out, re.MULTILINE))
    assert set(lies) == {"prepared data", "metrics", "training log", "published"}
    assert all(Path(path).exists() for path in lies.values())
    assert "rejected rows   none\n" in outcome.out
    assert f"-m pipeline recommend {small_run.config} --out " in outcome.out.split("next:")[1]


def test_the_candidates_shown_were_not_among_those_seen(call, small_run):
    for block in call("run", small_run.config).out.split("\nquery ")[1:]:
        pairs = re.findall(r"^(Candidate \d+) +(Candidate \d+)$", block, re.MULTILINE)
        seen, shown = (set(column) for column in zip(*pairs, strict=True))
        assert not seen & shown


def test_another_learning_rate_trains_again_on_the_same_preparation(call, copied, tmp_path):
    out = tmp_path / "validation.tsv"
    outcome = call(
        *("recommend", copied.config, "--out", out, "--split", "validation", "--k", "5"),
        *("--set", f"work_dir='{copied.work_dir}'"),
        *("--set", "train.learning_rate=0.1", "--set", "train.refit=false"),
        *("--set", "train.epochs=1"),
    )
    assert outcome.code == 0
    assert "reused artifact=prepared" in outcome.err
    assert "made artifact=checkpoint" in outcome.err
    assert "phase=select epoch=1 " in outcome.err
    assert "phase=refit" not in outcome.err
    seen = pairs_of(copied, "train")
    lists = read_lists(out)
    assert lists.keys() == {query for query, _ in pairs_of(copied, "validation")}
    assert all((query, each) not in seen for query, found in lists.items() for each in found)
    assert any(
        (query, each) in pairs_of(copied, "validation")
        for query, found in lists.items()
        for each in found
    )


# Recommendations


def read_lists(path: Path) -> dict[str, list[str]]:
    lines = path.read_text().splitlines()
    assert all(re.fullmatch(r"q\d+\t(c\d+ )*c\d+", line) for line in lines)
    return {query: found.split(" ") for query, found in (line.split("\t") for line in lines)}


def pairs_of(run: SmallRun, *splits: str) -> set[tuple[str, str]]:
    """The queries and candidates of the rows of splits, by id."""
    prepared = run.work_dir / "prepared"
    queries, candidates = (
        [row["id"] for row in rows_of(prepared / f"{name}.parquet")]
        for name in ("queries", "candidates")
    )
    return {
        (queries[query - 1], candidates[candidate - 1])
        for split in splits
        for candidate, query, _ in read_examples(prepared, split)
        if query and candidate
    }


@pytest.fixture
def recommend(call, small_run, tmp_path):
    def recommend(k: int, name: str = "test.tsv") -> Path:
        outcome = call("recommend", small_run.config, "--out", tmp_path / name, "--k", k)
        assert outcome.code == 0
        assert outcome.out == f"{len(read_lists(tmp_path / name))} queries: {tmp_path / name}\n"
        return tmp_path / name

    return recommend


@pytest.mark.parametrize("k", [3, 1000])
def test_every_test_query_gets_k_unseen_candidates_or_all(recommend, small_run, k):
    seen = pairs_of(small_run, "train", "validation")
    catalogue = len(rows_of(small_run.work_dir / "prepared" / "candidates.parquet"))
    lists = read_lists(recommend(k))
    assert lists.keys() == {query for query, _ in pairs_of(small_run, "test")}
    for query, found in lists.items():
        own = {candidate for name, candidate in seen if name == query}
        assert not own & set(found)
        assert len(found) == len(set(found)) == min(k, catalogue - len(own))


def test_the_candidates_stand_best_first(recommend, small_run):
    run = config.load(small_run.config)
    prepared = steps.Prepared.open(small_run.work_dir / "prepared")
    checkpoint = steps.Checkpoint.open(small_run.work_dir / "checkpoint")
    vectors = steps.embedded(run, prepared, checkpoint)
    of_query = dict(zip(vectors.query_ids, vectors.queries[1:], strict=True))
    of_candidate = dict(zip(vectors.candidate_ids, vectors.candidates[1:], strict=True))
    for query, found in read_lists(recommend(1000)).items():
        scores = [of_query[query] @ of_candidate[candidate] for candidate in found]
        assert (np.diff(scores) <= 1e-6).all()


def test_the_same_run_recommends_the_same_bytes(recommend):
    assert recommend(10).read_bytes() == recommend(10, "again.tsv").read_bytes()
    assert recommend(3).read_text().split("\t")[0] == recommend(10).read_text().split("\t")[0]


# How far data has moved


def test_data_held_against_itself_has_not_moved(call, small_run):
    prepared = small_run.work_dir / "prepared"
    told = call("compare", prepared, prepared)
    assert told.code == 0
    assert told.out.splitlines()[0] == "divergence\t0.0000\tlimit 0.2"


def test_data_that_moved_too_far_ends_with_three_and_says_by_how_much(call, unrun, small_run):
    other = write_world(unrun.work_dir.parent / "other", candidates=45, seed=9)
    told = call("prepare", unrun.config, *log_of(other.interactions), "--set", "candidates={}")
    assert told.code == 0
    both = small_run.work_dir / "prepared", unrun.work_dir / "prepared"
    told = call("compare", *both, "--limit", "new_candidates=0.01")
    assert told.code == 3
    assert "new_candidates\t0.3333\tlimit 0.01\tbeyond" in told.out.splitlines()
    assert told.err.startswith("error: the data moved too far: ")


def test_what_is_not_prepared_cannot_be_compared(call, small_run):
    told = call("compare", small_run.work_dir / "prepared", small_run.work_dir / "checkpoint")
    assert "holds a 'checkpoint' artifact where a 'prepared' is needed" in told.error


def test_a_wrong_limit_is_one_line(call, small_run):
    prepared = small_run.work_dir / "prepared"
    assert call("compare", prepared, prepared, "--limit", "speed=1").error.startswith(
        "--limit speed=1: give one of divergence, oov_rate"
    )


# Counting alone, and after the past


def test_frequencies_are_counted_alone(call, unrun):
    told = call("frequencies", unrun.config)
    assert told.code == 0
    assert "candidates\t30" in told.out.splitlines()
    assert left_in(unrun) == ["frequencies"]
    counts = [row["count"] for row in rows_of(unrun.work_dir / "frequencies/frequencies.parquet")]
    assert sum(counts) == pq.read_metadata(unrun.world.interactions).num_rows


def test_what_was_counted_before_is_added(call, unrun, small_run):
    past = small_run.work_dir / "prepared"
    assert call("prepare", unrun.config, "--since", past).code == 0
    assert call("prepare", unrun.config, "--set", f"since='{past}'").code == 0
    rows = pq.read_metadata(unrun.world.interactions).num_rows
    past_rows = pq.read_metadata(small_run.world.interactions).num_rows
    counts = [row["count"] for row in rows_of(unrun.work_dir / "prepared/frequencies.parquet")]
    trained = len(read_examples(unrun.work_dir / "prepared", "train"))
    assert trained < rows
    assert sum(counts) == past_rows + trained


def test_a_past_that_is_not_there_is_one_line(call, unrun):
    told = call("prepare", unrun.config, "--since", unrun.work_dir / "none").error
    assert "none: no complete artifact here" in told


# Precomputed candidates


@pytest.fixture
def precompute(call, copied):
    """Runs the command in a copy of the small run."""

    def precompute(*arguments: object) -> Outcome:
        return call(
            "precompute", copied.config, "--set", f"work_dir='{copied.work_dir}'", *arguments
        )

    return precompute


def test_precomputing_tells_how_many_queries_at_what_rate_and_where(precompute, copied):
    outcome = precompute()
    assert outcome.code == 0
    directory = copied.work_dir / "precomputed" / "candidates"
    told = re.fullmatch(rf"40 queries of version 1 at (\d+) rows/s: {directory}\n", outcome.out)
    assert told is not None
    assert f" rows_per_s={told[1]}\n" in outcome.err
    assert "precomputed version=1 queries=40 seconds=" in outcome.err
    lists = [row["candidate_ids"] for row in pq.read_table(directory).to_pylist()]
    assert max(map(len, lists)) == config.load(copied.config).export.k == 10
    again = precompute()
    assert again.out == f"40 queries of version 1: {directory}\n"
    assert "reused artifact=precomputed" in again.err


def test_k_and_what_was_seen_are_asked_for_on_the_command_line(precompute, copied):
    found = {}
    for seen in ("--exclude-seen", "--keep-seen"):
        assert precompute("--k", 3, seen).code == 0
        table = pq.read_table(copied.work_dir / "precomputed" / "candidates")
        found[seen] = {row["query_id"]: row["candidate_ids"] for row in table.to_pylist()}
    past = pairs_of(copied, "train", "validation", "test")
    assert all(len(each) == 3 for lists in found.values() for each in lists.values())
    came_back = {
        seen: {(query, each) for query, own in lists.items() for each in own} & past
        for seen, lists in found.items()
    }
    assert came_back["--exclude-seen"] == set()
    assert came_back["--keep-seen"]


def test_more_candidates_than_the_published_model_knows_are_refused(precompute, copied):
    outcome = precompute("--k", 31)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.splitlines()[-1] == (
        f"error: {copied.work_dir / 'published' / '1'}: 31 candidates a query are asked for, and "
        "the published model knows 30; give --k 30 or less."
    )
    assert "precomputed" not in left_in(copied)
    assert "precomputed.partial" not in left_in(copied)


def test_a_published_model_that_cannot_be_asked_is_refused(precompute, tmp_path):
    version = export_doubler(tmp_path / "other" / "3", "serving_default")
    outcome = precompute("--set", f"model_dir='{version.parent}'")
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err.splitlines()[-1] == (
        f"error: {version}: the published model has no signature `retrieve` from exclude, k, "
        "query_id to candidate_ids, scores, count; publish one that has."
    )
