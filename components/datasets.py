"""Public data sets, fetched and converted to the Parquet files that a run reads.

MovieLens 100K comes from GroupLens, or from the copy inside a package of the Python index, which
can be reached from where GroupLens cannot. Both give the same bytes: rows are ordered by time and
id, a title stands without its year, and what the sources call unknown is left empty.
"""

from __future__ import annotations

import io
import logging
import re
import subprocess
import sys
import tempfile
import time
import urllib.request
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from components.artifacts import Counts, Dataset, file_digest
from components.errors import DataError

GROUPLENS_ZIP = "https://files.grouplens.org/datasets/movielens/ml-100k.zip"
RECBOLE = "recbole==1.2.1"
RECBOLE_SHA256 = "9c9948202011f37eb0a7c6768129313f00d6403ad221ec940d5e2d5d5f33a407"
ML_100K_ROWS = {"interactions": 100_000, "queries": 943, "candidates": 1_682}

_TIMEOUT_S = 5
_DOWNLOAD_S = 60
_CHUNK_BYTES = 1 << 16
_PIP_TIMEOUT_S = 300
_GENRES = (
    "unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary",
    "Drama", "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi",
    "Thriller", "War", "Western",
)  # fmt: skip
_FIRST_GENRE_FIELD = 5
_TITLE_AND_YEAR = re.compile(r"(?P<title>.*?)\s*\((?P<year>\d{4})\)(?:\s*\(V\))?")

_log = logging.getLogger(__name__)

Row = list[str]


@dataclass(frozen=True, slots=True)
class MovieLens:
    """The three tables of MovieLens, in the form they are written."""

    interactions: pa.Table
    """`query_id`, `candidate_id`, `rating`, `timestamp` in seconds; ordered by time, then ids."""
    queries: pa.Table
    """`query_id`, `age`, `gender`, `occupation`."""
    candidates: pa.Table
    """`candidate_id`, `title`, `year`, `genres`; null or empty where unknown."""


def fetch_ml_100k(directory: Path) -> Dataset:
    """MovieLens 100K at `directory`, fetched unless it is there.

    Raises:
      DataError: Neither source can be reached and gives the whole data set.
    """
    return Dataset.make(directory, {"name": "ml-100k"}, {}, _fetch)


def from_grouplens(archive: bytes) -> MovieLens:
    """Reads GroupLens' zip."""
    with zipfile.ZipFile(io.BytesIO(archive)) as files:

        def rows(name: str, separator: str) -> list[Row]:
            text = files.read(f"ml-100k/{name}").decode("latin-1")
            return [line.split(separator) for line in text.splitlines()]

        return _movie_lens(
            rows("u.data", "\t"),
            ([query, age, gender, job] for query, age, gender, job, _ in rows("u.user", "|")),
            (
                [row[0], row[1], "|".join(_flagged(row[_FIRST_GENRE_FIELD:]))]
                for row in rows("u.item", "|")
            ),
        )


def from_recbole(wheel: Path) -> MovieLens:
    """Reads the copy inside RecBole's wheel: its header names types, its titles lack the year."""
    with zipfile.ZipFile(wheel) as files:

        def rows(extension: str) -> list[Row]:
            name = f"recbole/dataset_example/ml-100k/ml-100k.{extension}"
            lines = files.read(name).decode("utf-8").splitlines()
            return [line.split("\t") for line in lines[1:]]

        return _movie_lens(
            rows("inter"),
            ([query, age, gender, job] for query, age, gender, job, _ in rows("user")),
            (
                [candidate, f"{title} ({year})", genres.replace(" ", "|")]
                for candidate, title, year, genres in rows("item")
            ),
        )


def write_movie_lens(data: MovieLens, directory: Path) -> Counts:
    """Writes the three tables and returns how many rows each has."""
    for name in MovieLens.__slots__:
        pq.write_table(getattr(data, name), directory / f"{name}.parquet")
    return _rows(data)


def check_ml_100k(data: MovieLens) -> None:
    """Checks that nothing is missing.

    Raises:
      DataError: A table has another number of rows than the published data set.
    """
    rows = _rows(data)
    if rows != ML_100K_ROWS:
        raise DataError(
            f"ml-100k: got {_listed(rows)} where the data set has {_listed(ML_100K_ROWS)}; "
            "what was fetched is damaged or another data set."
        )


def _fetch(directory: Path) -> Counts:
    data = _first_whole(
        {
            GROUPLENS_ZIP: lambda: from_grouplens(_download(GROUPLENS_ZIP)),
            f"{RECBOLE} from the Python package index": _fetch_recbole,
        }
    )
    return write_movie_lens(data, directory)


def _first_whole(sources: Mapping[str, Callable[[], MovieLens]]) -> MovieLens:
    """What the first source gives that can be reached and holds the whole data set."""
    failures: dict[str, str] = {}
    for name, fetch in sources.items():
        try:
            data = fetch()
            check_ml_100k(data)
        except Exception as error:  # what a damaged download can raise has no common base
            failures[name] = _reason(error)
            _log.info("unusable source=%s reason=%s", name, failures[name])
        else:
            return data
    tried = " nor ".join(f"{name} ({reason})" for name, reason in failures.items())
    raise DataError(
        f"ml-100k: neither {tried} gives the data set; try again where one of them can be reached."
    )


def _reason(error: Exception) -> str:
    said = " ".join(str(error).split()).removeprefix("ml-100k: ").removesuffix(".")
    return said if isinstance(error, DataError) else f"{type(error).__name__}: {said}"


def _download(url: str) -> bytes:
    """The body of `url`, in `_DOWNLOAD_S` altogether: a timeout alone bounds each read only."""
    deadline = time.monotonic() + _DOWNLOAD_S
    body = io.BytesIO()
    with urllib.request.urlopen(url, timeout=_TIMEOUT_S) as response:
        while chunk := response.read1(_CHUNK_BYTES):
            body.write(chunk)
            if time.monotonic() > deadline:
                raise TimeoutError(f"the download did not end within {_DOWNLOAD_S} s")
    return body.getvalue()


def _fetch_recbole() -> MovieLens:
    with tempfile.TemporaryDirectory() as folder:
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
        command += ["--disable-pip-version-check", "--only-binary=:all:", "--dest", folder, RECBOLE]
        try:
            pip = subprocess.run(
                command, capture_output=True, text=True, timeout=_PIP_TIMEOUT_S, check=False
            )
        except subprocess.TimeoutExpired as error:
            raise DataError(f"pip did not end within {_PIP_TIMEOUT_S} s") from error
        wheels = list(Path(folder).glob("*.whl"))
        if pip.returncode or len(wheels) != 1:
            raise DataError(" ".join(pip.stderr.split()[-30:]) or "pip gave no wheel")
        if file_digest(wheels[0]) != RECBOLE_SHA256:
            raise DataError(f"{wheels[0].name} is not the file that was published as {RECBOLE}")
        return from_recbole(wheels[0])


def _movie_lens(
    interactions: Iterable[Row], queries: Iterable[Row], candidates: Iterable[Row]
) -> MovieLens:
    """Builds the tables from rows of text: `title (year)`, and genres joined by `|`."""
    events = sorted((int(t), int(q), int(c), float(rating)) for q, c, rating, t in interactions)
    people = sorted((int(query), int(age), *rest) for query, age, *rest in queries)
    films = sorted(
        (int(candidate), *_title_and_year(title), _known(genres.split("|")))
        for candidate, title, genres in candidates
    )
    return MovieLens(
        interactions=pa.table(
            {
                "query_id": [str(query) for _, query, _, _ in events],
                "candidate_id": [str(candidate) for _, _, candidate, _ in events],
                "rating": pa.array([rating for *_, rating in events], pa.float32()),
                "timestamp": pa.array([time for time, *_ in events], pa.int64()),
            }
        ),
        queries=pa.table(
            {
                "query_id": [str(query) for query, *_ in people],
                "age": pa.array([age for _, age, *_ in people], pa.int64()),
                "gender": [gender for _, _, gender, _ in people],
                "occupation": [occupation for *_, occupation in people],
            }
        ),
        candidates=pa.table(
            {
                "candidate_id": [str(candidate) for candidate, *_ in films],
                "title": pa.array([title for _, title, _, _ in films], pa.string()),
                "year": pa.array([year for _, _, year, _ in films], pa.int64()),
                "genres": pa.array([genres for *_, genres in films], pa.list_(pa.string())),
            }
        ),
    )


def _title_and_year(text: str) -> tuple[str | None, int | None]:
    """Parts `Toy Story (1995)`; the one film without a year has no title either."""
    found = _TITLE_AND_YEAR.fullmatch(" ".join(text.split()))
    return (found["title"], int(found["year"])) if found else (None, None)


def _flagged(flags: Row) -> list[str]:
    return [genre for genre, flag in zip(_GENRES, flags, strict=True) if flag == "1"]


def _known(genres: Iterable[str]) -> list[str]:
    return sorted(set(genres) - {"unknown", ""})


def _rows(data: MovieLens) -> dict[str, int]:
    return {name: getattr(data, name).num_rows for name in MovieLens.__slots__}


def _listed(rows: dict[str, int]) -> str:
    return ", ".join(f"{count} {name}" for name, count in rows.items())
