"""Yesterday's counts and today's rows give today's table, as a full recount gives it."""

import json

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from components.artifacts import Manifest, Prepared, Recipe
from components.beam.job import count_candidates, prepare
from components.catalogue import Past
from components.errors import ConfigError
from pipeline.runners import pipeline_options
from tests.preparing import COLUMNS, make_config, read_examples, rows_of, run
from tests.world import write_world

TABLES = ("frequencies.parquet", "frequencies.json", "candidates.parquet", "queries.parquet")


@pytest.fixture(scope="module")
def days(tmp_path_factory):
    """The log of a world in two days, the second one split into three."""
    directory = tmp_path_factory.mktemp("days")
    world = write_world(directory / "world", interactions=800)
    table = pq.read_table(world.interactions).sort_by("timestamp")
    cuts = [0, 400, 600, 700, table.num_rows]
    for name, start, end in zip("abcd", cuts[:-1], cuts[1:], strict=True):
        pq.write_table(table.slice(start, end - start), directory / f"{name}.parquet")
    return directory, world


def config_of(days, train, validation, test, half_life):
    directory, world = days
    data = {**COLUMNS, "train": train, "validation": validation, "test": test}
    for split in ("train", "validation", "test"):
        data[split] = [str(directory / f"{name}.parquet") for name in data[split]]
    return make_config(world, data=data, split=None, frequencies={"half_life_days": half_life})


def opened(directory):
    return Prepared(directory, Manifest(Recipe("prepared", {}, {}, {}), "", {}))


@pytest.mark.parametrize("half_life", [None, 0.002])
def test_yesterday_and_today_are_exactly_a_full_recount(days, tmp_path, half_life):
    # Yesterday the rows of `a` were split anyhow: today all of them are of the past.
    _, world = days
    log = {"interactions": [str(days[0] / "a.parquet")], **COLUMNS}
    run(make_config(world, data=log, frequencies={"half_life_days": half_life}), tmp_path / "past")
    run(config_of(days, "ab", "c", "d", half_life), tmp_path / "full")
    today = tmp_path / "today"
    today.mkdir()
    prepare(
        config_of(days, "b", "c", "d", half_life),
        today,
        pipeline_options([]),
        Past.of(opened(tmp_path / "past"), half_life),
    )
    for name in (*TABLES, "occurrences/candidates.parquet", "occurrences/queries.parquet"):
        assert (today / name).read_bytes() == (tmp_path / "full" / name).read_bytes(), name
    assert read_examples(today, "test") == read_examples(tmp_path / "full", "test")
    assert len(read_examples(today, "train")) == 200


def test_a_half_life_changes_the_table(days, tmp_path):
    for name, half_life in (("none", None), ("short", 0.002)):
        run(config_of(days, "ab", "c", "d", half_life), tmp_path / name)
    plain, decayed = (
        {row["id"]: row for row in rows_of(tmp_path / name / "frequencies.parquet")}
        for name in ("none", "short")
    )
    table = pa.concat_tables([pq.read_table(days[0] / f"{name}.parquet") for name in "ab"])
    newest = max(table["timestamp"].to_pylist())
    weights = dict.fromkeys(plain, 0.0)
    for row in table.to_pylist():
        weights[row["candidate_id"]] += 0.5 ** ((newest - row["timestamp"]) / 86_400 / 0.002)
    mass = sum(weights.values()) + 0.5 * len(weights)
    for name, row in decayed.items():
        assert row["count"] == plain[name]["count"]
        assert row["weight"] == pytest.approx(weights[name], rel=1e-7, abs=1e-12)
        assert row["log_q"] == pytest.approx(np.log((weights[name] + 0.5) / mass), rel=1e-5)


def test_another_half_life_than_the_past_s_is_refused(days, tmp_path):
    run(config_of(days, "ab", "c", "d", 7.0), tmp_path / "past")
    with pytest.raises(ConfigError, match=r"`frequencies\.half_life_days` was 7\.0 there and is"):
        Past.of(opened(tmp_path / "past"), None)


def test_candidates_of_all_rows_are_counted_alone(days, tmp_path):
    _, world = days
    tmp_path.joinpath("out").mkdir()
    config = make_config(world, frequencies={"half_life_days": 30.0})
    counts = count_candidates(config, tmp_path / "out", pipeline_options([]))
    raw = pq.read_table(world.interactions)["candidate_id"].value_counts().to_pylist()
    found = rows_of(tmp_path / "out" / "frequencies.parquet")
    assert {row["id"]: row["count"] for row in found} == {
        row["values"]: row["counts"] for row in raw
    }
    assert counts["candidates"] == len(found)
    assert counts["rows_read"] == sum(row["count"] for row in found)
    totals = json.loads((tmp_path / "out" / "frequencies.json").read_text())
    probabilities = [np.exp(row["log_q"]) for row in found]
    assert sum(probabilities) == pytest.approx(1, rel=1e-5)
    assert totals["half_life_days"] == 30.0


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"filters": {"min_query_rows": 2}}, "`since` and `filters` cannot go together"),
        ({"histories": {"length": 3}}, "`since` and `histories.length` cannot go together"),
    ],
)
def test_what_needs_the_rows_of_the_past_is_refused(days, change, sentence):
    with pytest.raises(ValueError, match=sentence):
        make_config(days[1], since="somewhere", **change)
