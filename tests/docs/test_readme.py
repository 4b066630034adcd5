"""Every command that the README shows does what the README says."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from serving.client import RetrievalClient
from tests.serving.harness import free_port

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()

# Run below, or by CI itself (`make check`, `make test`).
MAKE_TARGETS = {
    "setup",
    "run",
    "serve",
    "ask",
    "test",
    "check",
    "clean",
    "test-runners",
    "bench-beam",
}


def blocks(language):
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.MULTILINE | re.DOTALL)


def commands():
    joined = "".join(blocks("sh")).replace("\\\n", " ")
    return [line.strip() for line in joined.splitlines()]


def make(*arguments):
    return subprocess.run(
        ["make", "--silent", *arguments], cwd=ROOT, capture_output=True, text=True, check=True
    )


@pytest.fixture(scope="module")
def server(small_run):
    """`make serve` over the small run, on free ports."""
    port, rest_port = free_port(), free_port()
    process = subprocess.Popen(
        [
            "make", "--silent", "serve", f"PORT={port}", f"REST_PORT={rest_port}",
            f"MODEL_DIR={small_run.work_dir / 'published'}",
        ],
        cwd=ROOT,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )  # fmt: skip
    try:
        with RetrievalClient(f"localhost:{port}") as client:
            client.wait_until_ready()
        yield port, rest_port
    finally:
        subprocess.run(["pkill", "-TERM", "-s", str(process.pid)], check=False)
        process.wait(60)


def test_every_shown_command_is_known_here():
    shown = {command.split()[0] for command in commands()}
    assert shown == {"make", "curl", "docker"}
    assert {c.split()[1] for c in commands() if c.startswith("make ")} == {"run", "serve", "ask"}
    assert set(re.findall(r"`make ([\w-]+)", README)) <= MAKE_TARGETS


def test_nothing_is_left_to_fill_in():
    assert re.findall(r"^[A-Z]{3,}$", README, flags=re.MULTILINE) == []


def test_help_lists_every_target():
    listed = set(re.findall(r"^  make ([\w-]+)", make("help").stdout, flags=re.MULTILINE))
    assert listed >= MAKE_TARGETS | {"help"}


def test_make_run_ends_with_the_metrics_five_queries_and_what_to_do_next(small_run):
    told = make("run", f"CONFIG={small_run.config}").stdout
    assert re.search(r"^two_tower +0\.\d{4}", told, flags=re.MULTILINE)
    assert re.search(r"^popularity +0\.\d{4}", told, flags=re.MULTILINE)
    assert len(re.findall(r"^query \S+ +candidates$", told, flags=re.MULTILINE)) == 5
    assert str(small_run.work_dir / "published" / "1") in told
    assert "make serve" in told


def test_make_ask_prints_candidates_with_titles_and_without_the_excluded(server, small_run):
    port, _ = server
    titles = small_run.work_dir / "prepared" / "candidates.parquet"
    told = make("ask", f"PORT={port}", "QUERY=q1", f"TITLES={titles}").stdout.splitlines()
    assert len(told) == 10
    assert [line.split("\t")[0] for line in told] == [str(rank) for rank in range(1, 11)]
    assert all(line.split("\t")[3] for line in told)


def test_the_curl_command_is_answered(server):
    _, rest_port = server
    (command,) = [each for each in commands() if each.startswith("curl ")]
    asked = command.replace("localhost:8501", f"localhost:{rest_port}")
    answer = subprocess.run(
        ["bash", "-c", asked], capture_output=True, text=True, check=True
    ).stdout
    assert '"count": 3' in answer


def test_the_python_example_runs(server):
    port, _ = server
    (example,) = blocks("python")
    done = subprocess.run(
        [sys.executable, "-c", example.replace("localhost:8500", f"localhost:{port}")],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    assert len(done.stdout.splitlines()) == 10


def test_both_command_lines_show_their_commands():
    for module, shown in (
        ("pipeline", "fetch prepare train evaluate export run recommend precompute"),
        ("serving", "serve ask"),
    ):
        told = subprocess.run(
            [sys.executable, "-m", module, "--help"], cwd=ROOT, capture_output=True, text=True
        ).stdout
        assert all(command in told for command in shown.split())


def test_the_table_of_signatures_names_what_the_edge_names():
    from serving import signature

    for name in (signature.SERVING_DEFAULT, signature.RETRIEVE, signature.EMBED_QUERY):
        assert f"| `{name}` |" in README
    for name in ("COUNT", "EXACT", "EXCLUDE", "CANDIDATE_IDS", "SCORES", "EMBEDDING"):
        assert f"`{getattr(signature, name)}`" in README
