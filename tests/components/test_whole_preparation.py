"""The whole preparation against a slow one, which takes tiny random logs a row at a time."""

import json
import math
import random
from collections import Counter
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from components.preparation import PreparationConfig
from components.splits import SPLITS
from tests.preparing import run
from tests.writing import write_table

SECOND = 1_000_000
DAY = 86_400
FIRST = 1_700_000_000
IDS = ["7", "07", "a", "A", "a ", "é", 'q"uote', "a,b", "long" * 50, "日本"]
ENDINGS = [".parquet", ".csv", ".tsv.gz", ".jsonl", ".tfrecord"]
SPLIT_KINDS = [
    {"kind": "per_query_time", "validation": 0.2, "test": 0.3},
    {"kind": "global_time", "validation": 0.2, "test": 0.3},
    {"kind": "leave_last_out"},
    None,
]


@dataclass(frozen=True)
class Row:
    """A usable row of the log; `split` is given where files are ready-made."""

    query: str
    candidate: str
    second: int
    label: float
    split: str = ""

    @property
    def order(self) -> tuple:
        """By which the rows of a query are sorted."""
        id_order = (len(self.candidate.encode()), self.candidate.encode())
        return self.second, *id_order, self.label, SPLITS.index(self.split or "train")


def make_log(dice: random.Random) -> list[dict[str, Any]]:
    """Rows with ties, repeated events and, here and there, a defect."""
    queries, candidates = dice.sample(IDS, dice.randint(1, 7)), dice.sample(IDS, dice.randint(1, 7))
    log = []
    for _ in range(dice.randint(12, 90)):
        row = {
            "query": dice.choice(queries),
            "candidate": dice.choice(candidates),
            "second": str(FIRST + dice.choice([1, 40, DAY]) * dice.randint(0, 12)),
            "label": str(dice.randint(-2, 10) / 2),
        }
        log += [row] * dice.choice([1, 1, 1, 2])
        if dice.random() < 0.05:
            log.append(row | {dice.choice(list(row)): None})
    return log


def make_config(dice: random.Random, split: dict | None) -> dict[str, Any]:
    """Sections of a run file, beside the names of the files."""
    return {
        "split": split,
        "filters": {
            "window_days": dice.choice([None, 0.001, 3]),
            "min_query_rows": dice.randint(1, 4),
            "min_candidate_rows": dice.randint(1, 4),
        },
        "histories": {
            "length": dice.choice([0, 1, 3, 50]),
            "session_gap_s": dice.choice([None, 45, DAY]),
        },
        "frequencies": {"half_life_days": dice.choice([None, 0.5, 30])},
        "examples": {"compression": dice.choice(["none", "gzip"])},
        "shards": dice.choice([1, 2, 11]),
        "seed": dice.randint(0, 2**63 - 1),
    }


def make_data(dice: random.Random) -> dict[str, Any]:
    """What `[data]` says beside the names of the files."""
    steps = [{"from_label": 0.5, "weight": 0.25}, {"from_label": 3, "weight": 2}]
    return {
        "query": "query",
        "candidate": "candidate",
        "timestamp": "second",
        "label": "label",
        "min_label": dice.choice([None, 0]),
        "weights": {"kind": "steps", "steps": steps},
        "max_reject_share": 1,
    }


def write_log(dice: random.Random, log, split, directory) -> dict[str, list[str]]:
    """Writes the log in several files of several forms; gives ready-made rows their split."""
    directory.mkdir()
    if split is not None:
        parts = [("interactions", log[start::2]) for start in range(2)]
    else:
        for row in log:
            row["split"] = dice.choice(SPLITS)
        parts = [(name, [row for row in log if row["split"] == name]) for name in SPLITS]
    files: dict[str, list[str]] = {}
    for number, (section, rows) in enumerate(parts):
        path = directory / f"{section}-{number}{dice.choice(ENDINGS)}"
        names = ["query", "candidate", "second", "label"]
        table = pa.table({name: pa.array([row[name] for row in rows], "string") for name in names})
        if path.suffix == ".parquet":
            pq.write_table(table, path, row_group_size=dice.randint(1, 30))
        else:
            write_table(table, path)
        files.setdefault(section, []).append(str(path))
    return files


def usable(log) -> list[Row]:
    return [
        Row(row["query"], row["candidate"], int(row["second"]), float(row["label"]), row["split"])
        for row in log
        if None not in row.values()
    ]


def filtered(rows: list[Row], config: PreparationConfig) -> list[Row]:
    filters = config.filters
    if filters.window_days is not None:
        newest = max((row.second for row in rows), default=0)
        rows = [row for row in rows if row.second >= newest - filters.window_days * DAY]
    while True:
        of_query = Counter(row.query for row in rows)
        of_candidate = Counter(row.candidate for row in rows)
        kept = [
            row
            for row in rows
            if of_query[row.query] >= filters.min_query_rows
            and of_candidate[row.candidate] >= filters.min_candidate_rows
        ]
        if len(kept) == len(rows):
            return kept
        rows = kept


def split_by_query(rows: list[Row], config) -> list[tuple[Row, str]]:
    found = []
    for query in {row.query for row in rows}:
        own = sorted((row for row in rows if row.query == query), key=lambda row: row.order)
        if config.kind == "leave_last_out":
            test = validation = 1 if len(own) >= 3 else 0
        else:
            test = math.floor(len(own) * round(10 * config.test) / 10)
            validation = math.floor(len(own) * round(10 * config.validation) / 10)
        train = len(own) - test - validation
        names = ["train"] * train + ["validation"] * validation + ["test"] * test
        found += zip(own, names, strict=True)
    return found


def split_by_time(rows: list[Row], config) -> list[tuple[Row, str]]:
    times = sorted(row.second for row in rows)
    test = len(times) * round(10 * config.test) // 10
    validation = len(times) * round(10 * config.validation) // 10
    ends = [*times, math.inf]
    first_test, first_validation = ends[len(times) - test], ends[len(times) - test - validation]
    return [
        (
            row,
            "test"
            if row.second >= first_test
            else "validation"
            if row.second >= first_validation
            else "train",
        )
        for row in rows
    ]


def splitted(rows: list[Row], config: PreparationConfig) -> list[tuple[Row, str]]:
    if config.split is None:
        return [(row, row.split) for row in rows]
    by = split_by_time if config.split.kind == "global_time" else split_by_query
    return by(rows, config.split)


def history(row: Row, split: str, rows: list[tuple[Row, str]], config) -> list[Row]:
    own = sorted(((o, s) for o, s in rows if o.query == row.query), key=lambda pair: pair[0].order)
    seconds = sorted(other.second for other, _ in own if other.second <= row.second)
    start = len(seconds) - 1
    gap = math.inf if config.session_gap_s is None else config.session_gap_s
    while start and seconds[start] - seconds[start - 1] <= gap:
        start -= 1
    shown = {"train", "validation"} if split == "test" else {"train"}
    past = [other for other, s in own if s in shown and seconds[start] <= other.second < row.second]
    return past[max(0, len(past) - config.length) :]


def weight(label: float) -> float:
    return 2.0 if label >= 3 else 0.25 if label >= 0.5 else 0.0


def expected_examples(rows, config) -> dict[str, Counter]:
    """Split to its Examples, ids in place of rows and None for the unknown's."""
    known = {
        name: {getattr(row, name) for row, split in rows if split == "train"}
        for name in ("query", "candidate")
    }

    def shown(row, name):
        value = getattr(row, name)
        return value if value in known[name] else None

    found = {name: Counter() for name in SPLITS}
    for row, split in rows:
        past = history(row, split, rows, config.histories)
        example = (
            shown(row, "query"),
            shown(row, "candidate"),
            row.second * SECOND,
            row.label,
            weight(row.label),
            tuple(shown(other, "candidate") for other in past),
            tuple(1 + math.floor(math.log2(1 + row.second - other.second)) for other in past),
        )
        found[split][example] += 1
    return found


def ids_of(directory, name) -> list[str | None]:
    return [None, *pq.read_table(directory / f"{name}.parquet")["id"].to_pylist()]


def found_examples(directory, split, config) -> Counter:
    queries, candidates = ids_of(directory, "queries"), ids_of(directory, "candidates")
    packing = config.examples.compression.replace("none", "").upper()
    files = [str(path) for path in (directory / "examples").glob(f"{split}-*")]
    assert len(files) == config.shards
    found = Counter()
    for record in tf.data.TFRecordDataset(files, packing).as_numpy_iterator():
        features = tf.train.Example.FromString(record).features.feature
        found[
            (
                queries[features["query"].int64_list.value[0]],
                candidates[features["candidate"].int64_list.value[0]],
                features["timestamp"].int64_list.value[0],
                features["label"].float_list.value[0],
                features["weight"].float_list.value[0],
                tuple(candidates[each] for each in features["history"].int64_list.value),
                tuple(features["history_gaps"].int64_list.value),
            )
        ] += 1
    return found


def expected_weights(rows, config) -> dict[str, float]:
    """Of each candidate, the rows of training by their age."""
    trained = [row for row, split in rows if split == "train"]
    newest = max(row.second for row in trained)
    half_life = config.frequencies.half_life_days
    weights: Counter[str] = Counter()
    for row in trained:
        age_days = (newest - row.second) / DAY
        weights[row.candidate] += 1 if half_life is None else 0.5 ** (age_days / half_life)
    return dict(weights)


def expected_cold(rows) -> Counter:
    trained = [row for row, split in rows if split == "train"]
    queries, candidates = {row.query for row in trained}, {row.candidate for row in trained}
    found = [
        (
            row.query,
            row.candidate,
            row.second * SECOND,
            split,
            row.query not in queries,
            row.candidate not in candidates,
        )
        for row, split in rows
        if split != "train"
    ]
    return Counter(row for row in found if row[-2] or row[-1])


def check_counts(counts, log, kept, rows):
    assert counts["rows_read"] == len(log)
    assert counts["rows_rejected"] == len(log) - len(usable(log))
    assert counts["rows_below_min_label"] == len(usable(log)) - len(kept)
    assert counts["rows_filtered"] == len(kept) - len(rows)
    of_split = Counter(split for _, split in rows)
    assert {name: counts[f"rows_{name}"] for name in SPLITS} == {
        name: of_split[name] for name in SPLITS
    }


@pytest.mark.parametrize("seed", range(8))
def test_every_example_and_count_is_that_of_a_slow_preparation(tmp_path, seed):
    dice = random.Random(seed)
    split = SPLIT_KINDS[seed % len(SPLIT_KINDS)]
    while True:
        log = [{**row, "split": ""} for row in make_log(dice)]
        files = write_log(dice, log, split, tmp_path / f"log{dice.random()}")
        data = make_data(dice) | files
        config = PreparationConfig.model_validate({"data": data, **make_config(dice, split)})
        least = -math.inf if config.data.min_label is None else config.data.min_label
        kept = [row for row in usable(log) if row.label >= least]
        rows = splitted(filtered(kept, config), config)
        if len({split for _, split in rows}) == len(SPLITS):
            break

    counts = run(config, tmp_path / "prepared")

    check_counts(counts, log, kept, rows)
    expected = expected_examples(rows, config)
    for name in SPLITS:
        assert found_examples(tmp_path / "prepared", name, config) == expected[name]
    frequencies = pq.read_table(tmp_path / "prepared" / "frequencies.parquet")
    weights = dict(zip(*frequencies.select(["id", "weight"]).to_pydict().values(), strict=True))
    assert weights == pytest.approx(expected_weights(rows, config), rel=1e-6)
    cold = [pq.read_table(path) for path in (tmp_path / "prepared").glob("cold/*")]
    found = Counter(tuple(row.values()) for table in cold for row in table.to_pylist())
    assert found == expected_cold(rows)
    statistics = json.loads((tmp_path / "prepared" / "statistics.json").read_text())
    for name in SPLITS:
        own = [row for row, split in rows if split == name]
        described = statistics["splits"][name]
        assert described["rows"] == len(own)
        assert described["queries"] == len({row.query for row in own})
        assert described["candidates"] == len({row.candidate for row in own})
        assert described["first"] == SECOND * min(row.second for row in own)
        assert described["last"] == SECOND * max(row.second for row in own)
