import json
from collections import Counter, defaultdict

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.splits import SPLITS
from components.statistics import merge_statistics, split_statistics, summary
from tests.preparing import make_config, read_examples, run
from tests.world import write_world

ROWS = st.lists(
    st.tuples(st.integers(0, 3), st.integers(0, 9), st.integers(0, 2), st.booleans()), max_size=30
)


def counted(rows):
    queries, times, splits = (np.array([row[at] for row in rows], np.int64) for at in range(3))
    flag = np.array([row[3] for row in rows], bool)
    return split_statistics(queries, times, splits, times % 3, {"flagged": flag})


@given(ROWS)
def test_rows_are_counted_by_split_as_a_loop_counts_them(rows):
    found = counted(rows)
    trained = {query for query, _, split, _ in rows if split == 0}
    for index, split in enumerate(SPLITS):
        own = [row for row in rows if row[2] == index]
        of_query = Counter(query for query, *_ in own)
        assert found[split]["rows"] == len(own)
        assert found[split]["queries"] == len(of_query)
        assert found[split]["cold_queries"] == len(of_query.keys() - trained)
        assert found[split]["flagged"] == sum(flag for *_, flag in own)
        assert found[split]["rows_of_query"] == Counter(str(rows) for rows in of_query.values())
        assert found[split]["history_lengths"] == Counter(str(time % 3) for _, time, *_ in own)
        assert found[split].get("first") == min((time for _, time, *_ in own), default=None)
        assert found[split].get("last") == max((time for _, time, *_ in own), default=None)


@given(ROWS, ROWS)
def test_shards_add_up(first, second):
    # The queries of two shards are different ones.
    moved = [(query + 10, *rest) for query, *rest in second]
    merged = merge_statistics(json.loads(json.dumps([counted(first), counted(moved)])))
    assert merged == counted(first + moved)


@given(st.lists(st.integers(0, 20), min_size=1))
def test_a_summary_is_that_of_the_values(values):
    found = summary(Counter(map(str, values)))
    ordered = sorted(values)
    assert found["mean"] == pytest.approx(sum(values) / len(values))
    assert found["max"] == ordered[-1]
    for name, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99)):
        value = found[name]
        assert value in ordered
        assert sum(each <= value for each in ordered) >= share * len(ordered) - 1e-9
        assert sum(each < value for each in ordered) < share * len(ordered)


def test_prepared_data_is_described(tmp_path):
    world = write_world(tmp_path / "world")
    directory = tmp_path / "out"
    run(make_config(world, histories={"length": 4}, split={"kind": "global_time"}), directory)
    found = json.loads((directory / "statistics.json").read_text())
    rows = {split: read_examples(directory, split) for split in SPLITS}
    for split in SPLITS:
        assert found["splits"][split]["rows"] == len(rows[split])
        assert found["splits"][split]["first"] == min(time for *_, time in rows[split])
        assert found["splits"][split]["history_lengths"]["max"] == 4
    trained = Counter(candidate for candidate, *_ in rows["train"])
    assert found["splits"]["train"]["candidates"] == len(trained)
    queries = {query for _, query, _ in rows["train"]}
    assert found["density"] == len(rows["train"]) / (len(queries) * len(trained))
    catalogue = pq.read_metadata(directory / "candidates.parquet").num_rows
    (_, most), *_ = trained.most_common(1)
    assert found["popularity_curve"]["0.01"] == most / len(rows["train"])
    assert catalogue == 30
    table = pq.read_table(directory / "candidates.parquet").to_pylist()
    has_year = [row for row in table if row["year"]]
    assert found["features"]["candidates"]["year"] == {
        "coverage": len(has_year) / len(table),
        "coverage_of_rows": sum(row["count"] for row in has_year) / len(rows["train"]),
    }


def test_cold_candidates_are_those_that_training_lacks(tmp_path):
    world = write_world(tmp_path / "world", candidates=60)
    directory = tmp_path / "out"
    config = make_config(world, candidates={}, split={"kind": "global_time"})
    run(config, directory)
    found = json.loads((directory / "statistics.json").read_text())["splits"]
    shown = defaultdict(set)
    for row in pq.read_table(directory / "occurrences" / "candidates.parquet").to_pylist():
        shown[row["split"]].add(row["value"])
    for index, split in enumerate(SPLITS):
        assert found[split]["candidates"] == len(shown[index])
        assert found[split]["cold_candidates"] == len(shown[index] - shown[0])
