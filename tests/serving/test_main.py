import pyarrow as pa
import pytest
from pyarrow import parquet
from typer.testing import CliRunner

from serving.__main__ import app
from tests.serving.harness import free_port


def run(*arguments):
    return CliRunner().invoke(app, arguments)


def ask(server, *arguments):
    return run("ask", "--target", server.target, "--query", "196", *arguments)


def test_ask_prints_rank_candidate_and_score(server):
    answer = ask(server, "--k", "2", "--exclude", "c9,c7")
    assert (answer.exit_code, answer.stdout) == (0, "1\tc8\t8\n2\tc6\t6\n")


def test_ask_prints_titles_where_they_are_known(server, tmp_path):
    path = tmp_path / "candidates.parquet"
    parquet.write_table(pa.table({"id": ["c9"], "title": ["Alien (1979)"]}), path)
    answer = ask(server, "--k", "2", "--titles", str(path))
    assert answer.stdout == "1\tc9\t9\tAlien (1979)\n2\tc8\t8\t\n"


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--model-name", "X"], "Servable not found for request: Latest(X)"),
        (["--titles", "none.parquet"], "none.parquet cannot be read as parquet"),
    ],
)
def test_ask_ends_with_one_sentence_and_code_2(server, arguments, sentence):
    answer = ask(server, *arguments)
    assert (answer.exit_code, answer.stdout) == (2, "")
    assert sentence in answer.stderr
    assert len(answer.stderr.splitlines()) == 1


@pytest.mark.parametrize("target", ["localhost:{port}", "no such host:1", "nowhere.invalid:8500"])
def test_ask_names_a_target_that_does_not_answer(target):
    target = target.format(port=free_port())
    answer = run("ask", "--target", target, "--query", "196", "--deadline-s", "1")
    assert answer.exit_code == 2
    assert target in answer.stderr
    assert len(answer.stderr.splitlines()) == 1


def test_serve_prints_its_flags():
    answer = run("serve", "--help")
    assert answer.exit_code == 0
    assert "--model_base_path=" in answer.stdout
    assert "--shutdown_grace_seconds=30.0" in answer.stdout


def test_serve_ends_with_one_line_and_code_2_for_a_bad_flag():
    answer = run("serve", "--port=http", "--model_base_path=m")
    assert answer.exit_code == 2
    assert answer.stderr == "Couldn't interpret value http for flag port: it must be a number.\n"
