import json

import pyarrow.parquet as pq
import pytest

from benchmarks.beam import at_least, at_most
from benchmarks.contenders import CONTENDERS
from benchmarks.synthetic import write_interactions


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    return write_interactions(tmp_path_factory.mktemp("data"), 3_000, files=2)


def run(name, job, paths, directory):
    (directory / name).mkdir()
    CONTENDERS[name](job, paths, directory / name)()
    return directory / name


def test_all_contenders_count_the_same(paths, tmp_path):
    text = run("elementwise", "frequencies", paths, tmp_path) / "frequencies-00000-of-00001"
    lines = map(json.loads, text.read_text().splitlines())
    expected = {name: (count, log_q) for name, count, log_q in lines}
    for name in ("shortlist", "polars", "duckdb"):
        table = pq.read_table(run(name, "frequencies", paths, tmp_path) / "frequencies.parquet")
        rows = [tuple(row.values()) for row in table.to_pylist()]
        found = {row[0]: (row[1], pytest.approx(row[-1], rel=1e-5)) for row in rows}
        assert found == expected


def test_both_write_a_history_for_each_usable_row(paths, tmp_path):
    ours = run("shortlist", "histories", paths, tmp_path)
    theirs = pq.read_table(run("duckdb", "histories", paths, tmp_path) / "histories.parquet")
    statistics = json.loads((ours / "statistics.json").read_text())["splits"]
    assert sum(split["rows"] for split in statistics.values()) == theirs.num_rows
    assert statistics["train"]["history_lengths"]["max"] == 20


def test_a_bar_holds_where_the_ratio_meets_it():
    assert at_most("", ours=3.0, theirs=1.0, bar=3).holds
    assert not at_most("", ours=3.1, theirs=1.0, bar=3).holds
    assert at_least("", ours=1.0, theirs=10.0, bar=10).holds
    assert not at_least("", ours=1.0, theirs=9.9, bar=10).holds
