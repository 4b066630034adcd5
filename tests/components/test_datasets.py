import hashlib
import http.client
import io
import itertools
import shutil
import subprocess
import sys
import time
import urllib.error
import urllib.request
import zipfile

import pyarrow.parquet as pq
import pytest

from components import datasets
from components.datasets import (
    MovieLens,
    check_ml_100k,
    fetch_ml_100k,
    from_grouplens,
    from_recbole,
    write_movie_lens,
)
from components.errors import DataError

SMALL = {"interactions": 2, "queries": 2, "candidates": 3}


def flags(*places):
    return "|".join("1" if place in places else "0" for place in range(19))


GROUPLENS = {
    "u.data": "196\t242\t3\t881250949\n22\t9\t1\t878887116\n",
    "u.user": "196|49|M|writer|55105\n22|25|F|other|40206\n",
    "u.item": (
        f"242|Double vie de Véronique, La (1991)|24-Jan-1997||http://x|{flags(8, 5)}\n"
        f"9|Land Before Time III: The Giving (1995) (V)|01-Jan-1995||http://y|{flags(3)}\n"
        f"267|unknown||||{flags(0)}\n"
    ),
}
RECBOLE = {
    "inter": "user_id:token\titem_id:token\trating:float\ttimestamp:float\n"
    "22\t9\t1\t878887116\n196\t242\t3\t881250949\n",
    "user": "user_id:token\tage:token\tgender:token\toccupation:token\tzip_code:token\n"
    "22\t25\tF\tother\t40206\n196\t49\tM\twriter\t55105\n",
    "item": "item_id:token\tmovie_title:token_seq\trelease_year:token\tclass:token_seq\n"
    "9\tLand Before Time III: The Giving (1995)\tV\tAnimation\n"
    "242\tDouble vie de Véronique, La\t1991\tComedy Drama\n"
    "267\tunkonwn\tunkonwn\tunknown\n",
}


def zipped(files, encoding):
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as writer:
        for name, text in files.items():
            writer.writestr(name, text.encode(encoding))
    return archive.getvalue()


@pytest.fixture
def grouplens():
    return zipped({f"ml-100k/{name}": text for name, text in GROUPLENS.items()}, "latin-1")


@pytest.fixture
def wheel(tmp_path):
    folder = "recbole/dataset_example/ml-100k/ml-100k"
    path = tmp_path / "recbole.whl"
    path.write_bytes(zipped({f"{folder}.{name}": text for name, text in RECBOLE.items()}, "utf-8"))
    return path


def without_network(monkeypatch):
    def unreachable(*_, **__):
        raise urllib.error.URLError("no network")

    monkeypatch.setattr(urllib.request, "urlopen", unreachable)


@pytest.fixture
def published(wheel, monkeypatch):
    """The package index gives the small data set, which counts as the whole one; its commands."""
    commands = []

    def download(command, **_):
        commands.append(command)
        shutil.copy(wheel, command[command.index("--dest") + 1])
        return subprocess.CompletedProcess(command, 0, "", "")

    monkeypatch.setattr(subprocess, "run", download)
    digest = hashlib.sha256(wheel.read_bytes()).hexdigest()
    monkeypatch.setattr(datasets, "RECBOLE_SHA256", digest)
    monkeypatch.setattr(datasets, "ML_100K_ROWS", SMALL)
    return commands


class Truncated(io.BytesIO):
    def read1(self, *_):
        raise http.client.IncompleteRead(b"PK", 5_000_000)


def without_interactions(archive):
    with zipfile.ZipFile(io.BytesIO(archive)) as files:
        kept = [name for name in files.namelist() if name != "ml-100k/u.data"]
        return zipped({name: files.read(name).decode("latin-1") for name in kept}, "latin-1")


def damaged(grouplens, how):
    """An answer that is not the data set."""
    words = zipped(
        {f"ml-100k/{name}": text.replace("881250949", "soon") for name, text in GROUPLENS.items()},
        "latin-1",
    )
    return {
        "truncated": lambda: Truncated(),
        "half a zip": lambda: io.BytesIO(grouplens[: len(grouplens) // 2]),
        "no zip": lambda: io.BytesIO(b"<html>Welcome to the hotel</html>"),
        "empty": lambda: io.BytesIO(),
        "damaged member": lambda: io.BytesIO(grouplens.replace(b"196", b"197", 1)),
        "without interactions": lambda: io.BytesIO(without_interactions(grouplens)),
        "malformed time": lambda: io.BytesIO(words),
    }[how]()


DAMAGES = (
    "truncated",
    "half a zip",
    "no zip",
    "empty",
    "damaged member",
    "without interactions",
    "malformed time",
)


def test_titles_stand_without_their_year_and_the_unknown_is_empty(grouplens):
    data = from_grouplens(grouplens)
    assert data.candidates.to_pylist() == [
        {
            "candidate_id": "9",
            "title": "Land Before Time III: The Giving",
            "year": 1995,
            "genres": ["Animation"],
        },
        {
            "candidate_id": "242",
            "title": "Double vie de Véronique, La",
            "year": 1991,
            "genres": ["Comedy", "Drama"],
        },
        {"candidate_id": "267", "title": None, "year": None, "genres": []},
    ]


def test_interactions_are_in_the_order_of_time(grouplens):
    assert from_grouplens(grouplens).interactions.to_pylist() == [
        {"query_id": "22", "candidate_id": "9", "rating": 1.0, "timestamp": 878887116},
        {"query_id": "196", "candidate_id": "242", "rating": 3.0, "timestamp": 881250949},
    ]


def test_both_sources_give_the_same_bytes(grouplens, wheel, tmp_path):
    for name, data in (("a", from_grouplens(grouplens)), ("b", from_recbole(wheel))):
        (tmp_path / name).mkdir()
        counts = write_movie_lens(data, tmp_path / name)
        assert counts == SMALL
    for name in MovieLens.__slots__:
        first, second = (tmp_path / part / f"{name}.parquet" for part in ("a", "b"))
        assert first.read_bytes() == second.read_bytes()


def test_a_part_of_the_data_set_is_refused(grouplens):
    with pytest.raises(DataError, match="got 2 interactions, 2 queries, 3 candidates where"):
        check_ml_100k(from_grouplens(grouplens))


def test_the_zip_is_taken_where_it_can_be_reached(grouplens, monkeypatch, tmp_path):
    monkeypatch.setattr(urllib.request, "urlopen", lambda *_, **__: io.BytesIO(grouplens))
    monkeypatch.setattr(datasets, "ML_100K_ROWS", SMALL)
    assert fetch_ml_100k(tmp_path / "ml-100k").manifest.counts == SMALL


@pytest.mark.parametrize("how", DAMAGES)
def test_the_package_index_stands_in_for_a_damaged_zip(
    grouplens, published, monkeypatch, tmp_path, how
):
    answer = damaged(grouplens, how)
    monkeypatch.setattr(urllib.request, "urlopen", lambda *_, **__: answer)
    assert fetch_ml_100k(tmp_path / "ml-100k").manifest.counts == SMALL
    assert len(published) == 1


@pytest.mark.parametrize("how", DAMAGES)
def test_a_damaged_zip_and_no_package_are_one_error(grouplens, monkeypatch, tmp_path, how):
    answer = damaged(grouplens, how)
    monkeypatch.setattr(urllib.request, "urlopen", lambda *_, **__: answer)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(DataError, match=r"neither https://.*\.zip \(.+\) nor recbole.* gives the"):
        fetch_ml_100k(tmp_path / "ml-100k")
    assert not (tmp_path / "ml-100k").exists()


def test_a_part_of_the_data_set_is_passed_over(grouplens, published, monkeypatch, tmp_path):
    films = "".join(GROUPLENS["u.item"].splitlines(keepends=True)[:2])
    files = {f"ml-100k/{name}": text for name, text in (GROUPLENS | {"u.item": films}).items()}
    answer = io.BytesIO(zipped(files, "latin-1"))
    monkeypatch.setattr(urllib.request, "urlopen", lambda *_, **__: answer)
    assert fetch_ml_100k(tmp_path / "ml-100k").manifest.counts == SMALL
    assert len(published) == 1


def test_a_package_index_that_hangs_ends_in_the_same_error(monkeypatch, tmp_path):
    without_network(monkeypatch)

    def hang(command, *, timeout, **_):
        raise subprocess.TimeoutExpired(command, timeout)

    monkeypatch.setattr(subprocess, "run", hang)
    with pytest.raises(DataError, match=r"nor recbole.*\(pip did not end within 300 s\) gives the"):
        fetch_ml_100k(tmp_path / "ml-100k")


def test_a_download_that_trickles_ends_at_its_deadline(monkeypatch):
    class Trickle(io.BytesIO):
        def read1(self, *_):
            return b"x"

    seconds = itertools.count(step=4)
    monkeypatch.setattr(urllib.request, "urlopen", lambda *_, **__: Trickle())
    monkeypatch.setattr(time, "monotonic", lambda: next(seconds))
    with pytest.raises(TimeoutError, match="did not end within 60 s"):
        datasets._download("https://example.invalid/ml-100k.zip")


def test_without_any_source_the_error_names_both(monkeypatch, tmp_path):
    without_network(monkeypatch)
    monkeypatch.setattr(sys, "executable", "/bin/false")
    with pytest.raises(DataError, match=r"neither https://.*ml-100k\.zip .*nor recbole==1\.2\.1"):
        fetch_ml_100k(tmp_path / "ml-100k")
    assert not (tmp_path / "ml-100k").exists()


def test_another_file_under_the_name_of_the_package_is_refused(monkeypatch, tmp_path):
    without_network(monkeypatch)
    monkeypatch.setattr(datasets, "RECBOLE_SHA256", "0" * 64)
    with pytest.raises(DataError, match="is not the file that was published as recbole"):
        fetch_ml_100k(tmp_path / "ml-100k")


def test_the_package_index_gives_the_whole_data_set(monkeypatch, tmp_path):
    without_network(monkeypatch)
    made = fetch_ml_100k(tmp_path / "ml-100k")
    assert made.manifest.counts == datasets.ML_100K_ROWS
    candidates = pq.read_table(made.path / "candidates.parquet").to_pylist()
    assert candidates[0] == {
        "candidate_id": "1",
        "title": "Toy Story",
        "year": 1995,
        "genres": ["Animation", "Children's", "Comedy"],
    }
    assert [row["candidate_id"] for row in candidates if row["title"] is None] == ["267"]
    again = fetch_ml_100k(made.path)
    assert again.manifest == made.manifest
