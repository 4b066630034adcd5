import json
import math
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components.artifacts import Manifest, Prepared, Recipe
from components.drift import DriftLimits, check_drift, drift, jensen_shannon, parse_limits
from components.errors import ArtifactError, ConfigError, DriftError

ROWS = st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=30)


def prepared(directory, rows, coverage=1.0):
    """Prepared data of the training rows that name these candidates."""
    directory.mkdir()
    counts = Counter(rows)
    table = pa.table({"id": list(counts), "count": pa.array(counts.values(), pa.int64())})
    pq.write_table(table, directory / "frequencies.parquet")
    features = {"queries": {}, "candidates": {"genres": {"coverage_of_rows": coverage}}}
    (directory / "statistics.json").write_text(json.dumps({"features": features}))
    return Prepared(directory, Manifest(Recipe("prepared", {}, {}, {}), "", {}))


def measured(tmp_path, old, new, coverage=(1.0, 1.0)):
    before = prepared(tmp_path / "old", old, coverage[0])
    after = prepared(tmp_path / "new", new, coverage[1])
    return {each.name: each.value for each in drift(before, after, DriftLimits())}


def test_equal_data_has_not_moved(tmp_path):
    assert measured(tmp_path, "aab", "aab") == dict.fromkeys(DriftLimits.model_fields, 0.0)


def test_each_measure_is_what_it_says(tmp_path):
    found = measured(tmp_path, "aabc", "aadddd", coverage=(0.9, 0.6))
    assert found["oov_rate"] == 4 / 6
    assert found["new_candidates"] == 1 / 2
    assert found["lost_candidates"] == 2 / 3
    assert found["coverage_change"] == pytest.approx(0.3)
    p, q = {"a": 2 / 4, "b": 1 / 4, "c": 1 / 4}, {"a": 2 / 6, "d": 4 / 6}
    mean = {name: (p.get(name, 0) + q.get(name, 0)) / 2 for name in "abcd"}
    expected = sum(
        share * math.log2(share / mean[name]) / 2 for each in (p, q) for name, share in each.items()
    )
    assert found["divergence"] == pytest.approx(expected)


@given(ROWS, ROWS)
def test_divergence_is_symmetric_and_a_share(first, second):
    p, q = (
        np.array([rows.count(name) for name in "abcdefgh"]) / len(rows) for rows in (first, second)
    )
    assert 0 <= jensen_shannon(p, q) <= 1
    assert jensen_shannon(p, q) == pytest.approx(jensen_shannon(q, p))
    assert jensen_shannon(p, p) == 0


def test_beyond_a_limit_is_an_error_that_names_all_of_them(tmp_path):
    old, new = prepared(tmp_path / "old", "aabc"), prepared(tmp_path / "new", "aadddd")
    with pytest.raises(DriftError, match=r"oov_rate is 0\.6667 where 0\.1 .* lost_candidates"):
        check_drift(drift(old, new, DriftLimits()))
    wide = dict.fromkeys(DriftLimits.model_fields, 1.0)
    check_drift(drift(old, new, DriftLimits.model_validate(wide)))


@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("statistics.json", None),
        ("statistics.json", b"{}"),
        ("statistics.json", b"nothing"),
        ("frequencies.parquet", None),
        ("frequencies.parquet", b"PAR1"),
    ],
)
def test_data_that_an_older_version_prepared_is_told_in_one_sentence(tmp_path, name, data):
    old, new = prepared(tmp_path / "old", "aab"), prepared(tmp_path / "new", "aab")
    (tmp_path / "old" / name).unlink()
    if data is not None:
        (tmp_path / "old" / name).write_bytes(data)
    for pair in ((old, new), (new, old)):
        with pytest.raises(ArtifactError, match=rf"old/{name}: it is \w+, or was prepared"):
            drift(*pair, DriftLimits())


def test_limits_are_overridden_by_name():
    assert parse_limits(["oov_rate=0.5"]) == DriftLimits(oov_rate=0.5)
    assert parse_limits([]) == DriftLimits()


@pytest.mark.parametrize("wrong", ["speed=1", "oov_rate=2", "oov_rate=much", "oov_rate"])
def test_a_wrong_limit_is_told_in_one_sentence(wrong):
    with pytest.raises(ConfigError, match=rf"--limit {wrong.partition('=')[0]}=.*: give one of"):
        parse_limits([wrong])
