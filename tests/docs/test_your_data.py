"""What docs/your-data.md shows and promises is so."""

import contextlib
import csv
import io
import json
import logging
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import get_args

import pyarrow.parquet as pq
import pytest
from pydantic import BaseModel

from components.delimited import CsvConfig
from components.drift import DriftLimits
from components.filters import FiltersConfig
from components.frequencies import FrequenciesConfig
from components.histories import HistoriesConfig
from components.interactions import InteractionsConfig
from components.splits import PerQueryTime, SplitConfig
from components.validation import REASONS
from components.weights import WeightsConfig
from models.features import Feature
from pipeline import __main__ as cli
from pipeline.config import Run

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "docs" / "examples" / "shop"
PAGE = (ROOT / "docs" / "your-data.md").read_text(encoding="utf-8")
PYTHON = ".venv/bin/python "


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


COMMANDS = [line for block in blocks("sh") for line in block.splitlines()]
PIPELINE_COMMANDS = [line for line in COMMANDS if line.startswith(f"{PYTHON}-m pipeline ")]
(RUN, LIKED, BY_TIME, FREQUENCIES, SINCE, REJECTED, COMPARE, RECOMMEND, PRECOMPUTE) = (
    PIPELINE_COMMANDS
)


@dataclass(frozen=True)
class Done:
    """How a command ended, and what it printed."""

    code: int | str | None
    out: str
    err: str


@dataclass(frozen=True)
class Shop:
    """A directory in which every command of the page was run, in the order of the page."""

    directory: Path
    done: dict[str, Done]


@pytest.fixture(scope="module")
def shop(tmp_path_factory) -> Shop:
    directory = tmp_path_factory.mktemp("shop")
    shutil.copytree(ROOT / "docs" / "examples", directory / "docs" / "examples")
    first, *others = PIPELINE_COMMANDS
    done = {first: run_process(first, directory)}
    with contextlib.chdir(directory):
        done |= {line: run_here(line) for line in others}
    return Shop(directory, done)


def run_process(line: str, directory: Path) -> Done:
    done = subprocess.run(
        [sys.executable, *shlex.split(line.removeprefix(PYTHON))],
        cwd=directory,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    return Done(done.returncode, done.stdout, done.stderr)


def run_here(line: str) -> Done:
    """Runs a command in this process: a new one takes long to import TensorFlow and Beam."""
    arguments = shlex.split(line.removeprefix(f"{PYTHON}-m "))
    out, err = io.StringIO(), io.StringIO()
    with (
        pytest.MonkeyPatch.context() as patch,
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        patch.setattr(sys, "argv", arguments)
        patch.setattr(logging.getLogger(), "handlers", [])
        with pytest.raises(SystemExit) as end:
            cli.main()
    return Done(end.value.code, out.getvalue(), err.getvalue())


@pytest.fixture(scope="module")
def orders() -> list[dict[str, str]]:
    with (EXAMPLE / "orders.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def counts(printed: str) -> dict[str, int]:
    return {
        name: int(count) for name, count in re.findall(r"^(\w+)\t(\d+)$", printed, re.MULTILINE)
    }


# The commands


def test_every_command_is_of_the_pipeline_or_make():
    others = [line for line in COMMANDS if line not in PIPELINE_COMMANDS]
    assert others == ["make serve MODEL_DIR=runs/shop/published"]
    assert "$(abspath $(MODEL_DIR))" in (ROOT / "Makefile").read_text(encoding="utf-8")


def test_every_command_ends_well_but_the_one_that_shows_an_error(shop):
    for line, done in shop.done.items():
        assert done.code == (2 if line == REJECTED else 0), done.err


def test_a_run_prints_metrics_customers_places_and_the_next_commands(shop):
    printed = shop.done[RUN].out
    assert all(f"\n{system} " in printed for system in ("two_tower", "popularity", "random"))
    assert len(re.findall(r"^query c\d\d +candidates$", printed, re.MULTILINE)) == 5
    assert "published       runs/shop/published/1\n" in printed
    assert "\nnext:\n" in printed


def test_everything_lies_where_the_page_says(shop):
    paths = re.findall(r"^\| `(runs/\S+)` \|", PAGE, re.MULTILINE)
    assert len(paths) == 6
    assert all((shop.directory / path).exists() for path in paths)
    assert (shop.directory / "runs/shop/checkpoint/metrics.jsonl").exists()
    for path in paths[:2]:
        assert json.loads((shop.directory / path / "manifest.json").read_text())["counts"]


def test_the_model_of_the_shop_is_far_better_than_popularity(shop):
    measured = json.loads((shop.directory / "runs/shop/metrics/metrics.json").read_text())
    model, popular = (measured["systems"][name]["recall@5"] for name in ("two_tower", "popularity"))
    assert model["low"] > popular["high"]


def test_few_stars_are_left_out(shop, orders):
    low = [row for row in orders if int(row["stars"]) < 4 and row["product"] and row["customer"]]
    counted = counts(shop.done[LIKED].out)
    assert counted["rows_below_min_label"] == len(low)
    assert counted["rows_read"] == len(orders)


def test_a_split_by_time_takes_the_newest_rows_of_the_log(shop, orders):
    counted = counts(shop.done[BY_TIME].out)
    usable = len(orders) - 3
    assert counted["rows_rejected"] == 3
    assert usable * 0.2 - 1 < counted["rows_test"] < usable * 0.2 + 5
    assert usable * 0.1 - 1 < counted["rows_validation"] < usable * 0.1 + 5


def test_rejects_look_as_shown(shop):
    (shown,) = blocks("json")
    kept = (shop.directory / "runs/shop/prepared/rejects/part-00000.jsonl").read_text()
    assert kept.splitlines(keepends=True)[0] == shown
    assert len(kept.splitlines()) == 3


def test_too_many_rejects_end_as_shown(shop):
    assert shop.done[REJECTED].err == blocks("text")[0]
    assert shop.done[REJECTED].out == ""
    kept = (shop.directory / "runs/shop/rejects/part-00000.jsonl").read_text()
    assert len(kept.splitlines()) == 3


def test_frequencies_are_those_of_all_usable_rows(shop, orders):
    assert counts(shop.done[FREQUENCIES].out)["rows_read"] == len(orders)
    table = pq.read_table(shop.directory / "runs/shop/frequencies/frequencies.parquet")
    assert sum(table["count"].to_pylist()) == len(orders) - 3


def test_the_past_counts_beside_the_new_rows(shop, orders):
    trained = counts(shop.done[SINCE].out)["rows_train"]
    table = pq.read_table(shop.directory / "runs/shop-next-day/prepared/frequencies.parquet")
    assert sum(table["count"].to_pylist()) == len(orders) - 3 + trained


def test_a_comparison_prints_each_measure_beside_its_limit(shop):
    printed = shop.done[COMPARE].out.splitlines()
    assert [line.split("\t")[0] for line in printed] == list(DriftLimits.model_fields)
    assert "lost_candidates\t0.0000\tlimit 0.5" in printed


def test_recommendations_are_one_line_a_customer(shop, orders):
    assert shop.done[RECOMMEND].out == blocks("text")[1]
    lines = (shop.directory / "runs/shop/test.tsv").read_text().splitlines()
    bought = {row["customer"]: set() for row in orders}
    assert {line.split("\t")[0] for line in lines} == bought.keys() - {""}
    assert {len(line.split("\t")[1].split(" ")) for line in lines} == {5}
    assert "made artifact" not in shop.done[RECOMMEND].err


def test_precomputed_candidates_are_one_row_a_customer(shop, orders):
    rate = r" at \d+ rows/s"
    shown, told = blocks("text")[2], shop.done[PRECOMPUTE].out
    assert re.sub(rate, "", told) == re.sub(rate, "", shown)
    assert len(re.findall(rate, told)) == len(re.findall(rate, shown)) == 1
    rows = pq.read_table(shop.directory / "runs/shop/precomputed/candidates").to_pylist()
    bought = {row["customer"]: set() for row in orders}
    for row in orders:
        if row["bought_at"] != "yesterday":  # a bad row, which is left out
            bought[row["customer"]].add(row["product"])
    assert {row["query_id"] for row in rows} == bought.keys() - {""}
    assert {len(row["candidate_ids"]) for row in rows} == {5}
    assert list(rows[0]) == ["query_id", "candidate_ids", "scores"]
    assert all(not bought[row["query_id"]] & set(row["candidate_ids"]) for row in rows)


# What the page shows of the example


def test_the_example_is_as_large_as_the_page_says(orders):
    assert len(orders) == 734
    for name in ("customers.csv", "products.csv"):
        assert len((EXAMPLE / name).read_text(encoding="utf-8").splitlines()) == 1 + 60
    assert sum(path.stat().st_size for path in EXAMPLE.iterdir()) < 30_000


def test_the_rows_shown_are_the_first_of_the_file():
    (shown,) = blocks("csv")
    assert (EXAMPLE / "orders.csv").read_text(encoding="utf-8").startswith(shown)


@pytest.mark.parametrize("block", blocks("toml"))
def test_every_section_shown_makes_a_valid_run(block):
    example = tomllib.loads((EXAMPLE / "shop.toml").read_text(encoding="utf-8"))
    shown = tomllib.loads(block)
    merged = {**example, **shown}
    if shown.keys() == {"data"} and "query" not in shown["data"]:
        merged["data"] = {**example["data"], **shown["data"]}
    if "train" in merged["data"]:
        del merged["split"]
    Run.model_validate({"work_dir": "runs/shop", "model_dir": "runs/shop/published", **merged})
    for section in shown.keys() & {"queries", "candidates"}:
        assert shown[section] == example[section]


def test_the_first_section_shown_is_the_example_s():
    example = tomllib.loads((EXAMPLE / "shop.toml").read_text(encoding="utf-8"))
    assert tomllib.loads(blocks("toml")[0])["data"] == example["data"]


def test_the_shares_shown_are_the_defaults():
    (split,) = (each["split"] for each in map(tomllib.loads, blocks("toml")) if "split" in each)
    assert PerQueryTime.model_validate(split) == PerQueryTime(kind="per_query_time")


def test_every_reason_is_told_in_its_order():
    (table,) = re.findall(r"^\| reason \|.*?\n\n", PAGE, re.MULTILINE | re.DOTALL)
    rows = [line.split("|")[1] for line in table.splitlines()[2:] if line]
    assert [name for row in rows for name in re.findall(r"`(\w+)`", row)] == list(REASONS)


@pytest.mark.parametrize(
    ("section", "config"),
    [
        ("filters", FiltersConfig),
        ("histories", HistoriesConfig),
        ("frequencies", FrequenciesConfig),
    ],
)
def test_every_key_of_a_section_is_told_with_its_default(section, config):
    told = dict(re.findall(rf"^\| `{section}\.(\w+)` \| (\S+) \|", PAGE, re.MULTILINE))
    assert told == {
        key: "none" if field.default is None else f"`{json.dumps(field.default)}`"
        for key, field in config.model_fields.items()
    }


def test_every_measure_of_drift_is_told_with_its_limit():
    told = re.findall(r"^\| `(0\.\d+)` \| `(\w+)` \|", PAGE, re.MULTILINE)
    assert told == [
        (json.dumps(field.default), name) for name, field in DriftLimits.model_fields.items()
    ]


def test_every_key_of_delimited_text_is_told():
    told = re.findall(r"^\| `csv\.(\w+)` \| ", PAGE, re.MULTILINE)
    assert told == list(CsvConfig.model_fields)


def test_every_key_of_the_data_is_told_with_its_default():
    told = dict(re.findall(r"^\| `(\w+)` \| (\S+) \|", PAGE, re.MULTILINE))
    assert told.keys() == InteractionsConfig.model_fields.keys()
    for key, field in InteractionsConfig.model_fields.items():
        if field.is_required():
            assert told[key] == "required"
        elif isinstance(field.default, BaseModel):
            assert told[key] == "section"
        elif field.default in (None, ()):
            assert told[key] == "none"
        else:
            assert told[key] == f"`{json.dumps(field.default)}`"


@pytest.mark.parametrize("union", [SplitConfig, Feature, WeightsConfig])
def test_every_kind_is_told(union):
    for kind in get_args(get_args(union)[0]):
        (name,) = get_args(kind.model_fields["kind"].annotation)
        assert f"\n- `{name}`: " in PAGE
