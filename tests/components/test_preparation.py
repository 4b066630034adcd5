import hashlib
import json
import math
from collections import Counter, defaultdict
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from components.artifacts import Prepared
from components.beam.job import prepare
from components.preparation import (
    PreparationConfig,
    describe,
    input_digests,
    input_files,
)
from components.splits import SPLITS
from pipeline.runners import pipeline_options
from tests.preparing import COLUMNS, digests, make_config, planted, read_examples, rows_of, run
from tests.world import write_world

SECOND = 1_000_000


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return write_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def prepared(world, tmp_path_factory):
    directory = tmp_path_factory.mktemp("prepared") / "prepared"
    counts = run(make_config(world), directory)
    return directory, counts


@pytest.fixture(scope="module")
def expected(world):
    """The split, by a loop over queries."""
    by_query = defaultdict(list)
    for row in rows_of(world.interactions):
        by_query[row["query_id"]].append((row["timestamp"], row["candidate_id"]))
    split = {name: [] for name in SPLITS}
    for query, events in by_query.items():
        events.sort(key=lambda event: (event[0], len(event[1]), event[1]))
        test = math.floor(0.2 * len(events))
        validation = math.floor(0.1 * len(events))
        for place, event in enumerate(events):
            left = len(events) - place
            name = (
                "test" if left <= test else "validation" if left <= test + validation else "train"
            )
            split[name].append((query, *event))
    return split


def test_the_world_holds_ties_and_ten_rows_a_query(world):
    rows = rows_of(world.interactions)
    assert min(Counter(row["query_id"] for row in rows).values()) >= 10
    assert max(Counter((row["query_id"], row["timestamp"]) for row in rows).values()) > 1


def test_examples_are_the_split_rows_with_ids_as_rows_of_their_tables(prepared, expected):
    directory, _ = prepared
    queries = [row["id"] for row in rows_of(directory / "queries.parquet")]
    candidates = [row["id"] for row in rows_of(directory / "candidates.parquet")]
    for split in SPLITS:
        read = [
            (queries[query - 1], time // SECOND, candidates[candidate - 1])
            for candidate, query, time in read_examples(directory, split)
        ]
        assert sorted(read) == sorted(expected[split])


def test_a_query_has_all_its_rows_in_one_shard(prepared):
    directory, _ = prepared
    shards = defaultdict(set)
    for path in (directory / "examples").iterdir():
        for record in tf.data.TFRecordDataset(str(path)):
            example = tf.train.Example.FromString(record.numpy())
            query = example.features.feature["query"].int64_list.value[0]
            shards[query].add(path.name.partition("-")[2])
    assert {len(names) for names in shards.values()} == {1}


def test_every_shard_of_every_split_has_its_file(prepared):
    directory, _ = prepared
    assert sorted(path.name for path in (directory / "examples").iterdir()) == sorted(
        f"{split}-{shard:05d}-of-00003.tfrecord" for split in SPLITS for shard in range(3)
    )


def test_tables_are_ranked_by_training_rows_and_ties_by_id(prepared, expected):
    directory, counts = prepared
    trained = expected["train"]
    for name, place in (("queries", 0), ("candidates", 2)):
        counted = Counter(row[place] for row in trained)
        rows = rows_of(directory / f"{name}.parquet")
        ranked = sorted(counted.items(), key=lambda pair: (-pair[1], len(pair[0]), pair[0]))
        assert [(row["id"], row["count"]) for row in rows if row["count"]] == ranked
        assert counts[name] == len(rows)


def test_frequencies_are_those_of_the_training_rows(prepared):
    directory, counts = prepared
    rows = rows_of(directory / "frequencies.parquet")
    candidates = rows_of(directory / "candidates.parquet")
    assert [row["id"] for row in rows] == [row["id"] for row in candidates]
    mass = counts["rows_train"] + 0.5 * len(rows)
    log_q = [math.log((row["count"] + 0.5) / mass) for row in rows]
    np.testing.assert_allclose([row["log_q"] for row in rows], log_q, rtol=1e-6)
    assert json.loads((directory / "frequencies.json").read_text()) == {
        "total": counts["rows_train"],
        "weight": counts["rows_train"],
        "catalogue": len(rows),
        "smoothing": 0.5,
        "half_life_days": None,
        "newest": max(time for _, _, time in read_examples(directory, "train")),
        "log_q_unknown": pytest.approx(math.log(0.5 / mass)),
    }


def test_features_are_rows_of_their_vocabularies(prepared, world):
    directory, _ = prepared
    genres = [row["value"] for row in rows_of(directory / "vocabularies" / "genres.parquet")]
    raw = {row["candidate_id"]: row for row in rows_of(world.candidates)}
    for row in rows_of(directory / "candidates.parquet"):
        assert [genres[rank - 1] for rank in row["genres"]] == raw[row["id"]]["genres"]
        assert row["title"] == raw[row["id"]]["title"]
        year = raw[row["id"]]["year"]
        assert row["year"] == (0 if year is None else 1 + (year >= 1960) + (year >= 1975))


def test_counts_reconcile(prepared, world):
    _, counts = prepared
    kept = sum(counts[f"rows_{split}"] for split in SPLITS)
    assert counts["rows_read"] == pq.read_metadata(world.interactions).num_rows
    assert counts["rows_read"] == kept + counts["rows_rejected"] + counts["rows_below_min_label"]


def test_the_bytes_do_not_depend_on_files_row_groups_or_the_order_of_rows(
    prepared, world, tmp_path
):
    directory, counts = prepared
    table = pq.read_table(world.interactions)
    mixed = table.take(np.random.default_rng(5).permutation(table.num_rows))
    pq.write_table(mixed.slice(0, 100), tmp_path / "z.parquet", row_group_size=7)
    pq.write_table(mixed.slice(100), tmp_path / "a.parquet", row_group_size=31)
    data = {"interactions": [str(tmp_path / "z.parquet"), str(tmp_path / "a.parquet")], **COLUMNS}
    assert run(make_config(world, data=data), tmp_path / "out") == counts
    assert digests(tmp_path / "out") == digests(directory)


@pytest.mark.parametrize("kind", [pa.string_view(), pa.binary_view(), pa.large_string()])
def test_text_of_any_type_gives_the_same_bytes(prepared, world, tmp_path, kind):
    table = pq.read_table(world.interactions)
    for index, name in enumerate(["query_id", "candidate_id"]):
        table = table.set_column(index, name, table[name].cast(kind))
    pq.write_table(table, tmp_path / "log.parquet")
    data = {"interactions": [str(tmp_path / "log.parquet")], **COLUMNS}
    run(make_config(world, data=data), tmp_path / "typed")
    assert digests(tmp_path / "typed") == digests(prepared[0])


def test_csv_gives_the_bytes_that_parquet_gives(prepared, tmp_path):
    directory, _ = prepared
    run(make_config(write_world(tmp_path / "csv", format="csv")), tmp_path / "out")
    assert digests(tmp_path / "out") == digests(directory)


def test_another_seed_changes_the_order_of_examples_alone(prepared, world, tmp_path):
    directory, _ = prepared
    run(make_config(world, seed=8), tmp_path / "out")
    first, second = digests(directory), digests(tmp_path / "out")
    changed = {name for name in first if first[name] != second[name]}
    assert changed
    assert all(name.startswith("examples/") for name in changed)
    assert sorted(read_examples(directory, "train")) == sorted(
        read_examples(tmp_path / "out", "train")
    )


def test_a_global_split_puts_every_test_row_after_every_training_row(world, tmp_path):
    counts = run(make_config(world, split={"kind": "global_time"}), tmp_path / "out")
    times = {split: [row[2] for row in read_examples(tmp_path / "out", split)] for split in SPLITS}
    assert max(times["train"]) < min(times["validation"])
    assert max(times["validation"]) < min(times["test"])
    assert len(times["test"]) == counts["rows_test"] >= math.floor(0.2 * counts["rows_read"])


def test_ready_made_splits_are_kept_and_the_unknown_is_row_zero(world, tmp_path):
    table = pq.read_table(world.interactions, columns=["query_id", "candidate_id"])
    strangers = pa.table({"query_id": ["stranger", "q1"], "candidate_id": ["c1", "strange"]})
    parts = {"train": table.slice(0, 400), "validation": table.slice(400), "test": strangers}
    data: dict[str, object] = {"query": "query_id", "candidate": "candidate_id"}
    for name, part in parts.items():
        pq.write_table(part, tmp_path / f"{name}.parquet")
        data[name] = [str(tmp_path / f"{name}.parquet")]
    counts = run(make_config(world, data=data, split=None), tmp_path / "out")
    assert [counts[f"rows_{split}"] for split in SPLITS] == [400, table.num_rows - 400, 2]
    assert counts["rows_test_unknown_query"] == counts["rows_test_unknown_candidate"] == 1
    tested = read_examples(tmp_path / "out", "test")
    assert sorted((candidate == 0, query == 0) for candidate, query, _ in tested) == [
        (False, True),
        (True, False),
    ]
    order = [time for _, _, time in read_examples(tmp_path / "out", "train")]
    assert sorted(order) == list(range(400))


def test_rows_without_a_timestamp_have_histories_by_their_order_and_no_gaps(world, tmp_path):
    names = {"train": ["b", "a"], "validation": ["c"], "test": ["d"]}
    data: dict[str, object] = {"query": "query", "candidate": "candidate"}
    for split, candidates in names.items():
        table = pa.table({"query": ["q"] * len(candidates), "candidate": candidates})
        pq.write_table(table, tmp_path / f"{split}.parquet")
        data[split] = [str(tmp_path / f"{split}.parquet")]
    out = tmp_path / "out"
    run(make_config(world, data=data, split=None, histories={"length": 9}), out)
    ids = ["", *(row["id"] for row in rows_of(out / "candidates.parquet"))]
    files = [str(path) for path in sorted((out / "examples").glob("train-*"))]
    found = {}
    for record in tf.data.TFRecordDataset(files).as_numpy_iterator():
        features = tf.train.Example.FromString(record).features.feature
        assert "history_gaps" not in features
        past = [ids[row] for row in features["history"].int64_list.value]
        found[ids[features["candidate"].int64_list.value[0]]] = past
    assert found == {"b": [], "a": ["b"]}


def test_planted_defects_are_rejected_with_their_reasons(world, tmp_path):
    data = planted(world, tmp_path / "log.parquet") | {"min_label": 3}
    counts = run(make_config(world, data=data), tmp_path / "out")
    lines = (tmp_path / "out" / "rejects" / "part-00000.jsonl").read_text().splitlines()
    found = [json.loads(line) for line in lines]
    assert [(reject["row"], reject["reason"]) for reject in found] == [
        (3, "missing_query"),
        (5, "missing_candidate"),
        (8, "bad_timestamp"),
        (13, "bad_label"),
        (21, "missing_query"),
    ]
    assert {reject["file"] for reject in found} == {"interactions/log.parquet"}
    assert found[2]["values"]["timestamp"] == "soon"
    assert counts["rejected_missing_query"] == 2
    bad = {reject["row"] for reject in found}
    ratings = [row["rating"] for row in rows_of(world.interactions)]
    low = sum(rating < 3 for place, rating in enumerate(ratings) if place not in bad)
    assert counts["rows_below_min_label"] == low > 0
    kept = sum(counts[f"rows_{split}"] for split in SPLITS)
    assert counts["rows_read"] == kept + counts["rows_rejected"] + low
    labels = {label for _, label, _, _ in read_examples(tmp_path / "out", "train", label=True)}
    assert labels == {3.0, 4.0, 5.0}


def test_candidates_nobody_took_are_in_the_catalogue(world, tmp_path):
    table = pq.read_table(world.candidates)
    extra = table.slice(0, 1).set_column(0, "candidate_id", pa.array(["new"]))
    pq.write_table(pa.concat_tables([table, extra]), tmp_path / "candidates.parquet")
    config = make_config(world)
    candidates = config.candidates.model_copy(
        update={"files": (str(tmp_path / "candidates.parquet"),)}
    )
    run(config.model_copy(update={"candidates": candidates}), tmp_path / "out")
    *_, last = rows_of(tmp_path / "out" / "candidates.parquet")
    assert (last["id"], last["count"], last["title"]) == ("new", 0, "Candidate 0")


def test_side_tables_are_not_needed(world, tmp_path):
    counts = run(make_config(world, queries={}, candidates={}), tmp_path / "out")
    assert counts["candidates"] == 30
    table = pq.read_table(tmp_path / "out" / "candidates.parquet")
    assert table.column_names == ["id", "count"]


def test_inputs_are_named_without_a_path_and_known_by_their_bytes(world):
    config = make_config(world)
    assert set(input_files(config)) == {
        "interactions/interactions.parquet",
        "queries/queries.parquet",
        "candidates/candidates.parquet",
    }
    for name, digest in input_digests(config).items():
        assert digest == hashlib.sha256(Path(input_files(config)[name]).read_bytes()).hexdigest()


def test_the_description_is_the_same_wherever_the_files_lie(world, tmp_path):
    elsewhere = write_world(tmp_path)
    assert describe(make_config(world)) == describe(make_config(elsewhere))
    assert str(world.queries.parent) not in json.dumps(describe(make_config(world)))
    assert describe(make_config(world)) != describe(make_config(world, shards=4))


def test_an_artifact_is_made_of_it(world, tmp_path):
    config = make_config(world)
    made = Prepared.make(
        tmp_path / "prepared",
        describe(config),
        input_digests(config),
        lambda directory: prepare(config, directory, pipeline_options([])),
    )
    assert len(made.examples("train")) == 3
    assert made.frequency_totals.exists()
    assert made.vocabulary("gender").exists()


def test_the_config_survives_a_round_trip(world):
    config = make_config(world)
    assert PreparationConfig.model_validate_json(config.model_dump_json()) == config
