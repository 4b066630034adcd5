import json
from array import array
from collections import Counter

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from components.files import MalformedRows
from components.interactions import (
    REJECT_SAMPLES,
    InteractionsConfig,
    interactions_schema,
    malformed_rejects,
    normalise,
    wanted_columns,
)

NAMES = {"query": "user", "candidate": "film", "timestamp": "at"}
CONFIG = InteractionsConfig.model_validate({"interactions": ["log.csv"], **NAMES})
LABELLED = InteractionsConfig.model_validate(
    {"interactions": ["log.csv"], "label": "stars", "min_label": 3, **NAMES}
)

ROWS = st.fixed_dictionaries(
    {
        "user": st.sampled_from(["u1", "u2", "", None]),
        "film": st.sampled_from(["f1", "f2", "", None]),
        "at": st.sampled_from(["1", "2.5", "", "soon", "inf", None, "2024-01-01"]),
        "stars": st.sampled_from(["5", "3", "2.9", "", "good", None, "nan", "1e39"]),
    }
)


def batch(**columns):
    return pa.RecordBatch.from_pydict(columns)


def normalised_from(first_row, rows, config, **given):
    return normalise(rows, np.arange(first_row, first_row + rows.num_rows), config, **given)


def reasons(normalised):
    return normalised.rejects["reason"].to_pylist()


def slow_reason(row):
    if not row["user"]:
        return "missing_query"
    if not row["film"]:
        return "missing_candidate"
    if row["at"] not in ("1", "2.5", "2024-01-01"):
        return "bad_timestamp"
    if row["stars"] not in ("5", "3", "2.9"):
        return "bad_label"
    return "below" if float(row["stars"]) < 3 else None


def test_usable_rows_are_ids_microseconds_and_labels():
    rows = batch(user=[7, 8], film=["x", "y"], at=[1, 2], stars=[3.0, 5.0])
    normalised = normalised_from(0, rows, LABELLED)
    assert normalised.kept.schema == interactions_schema(labelled=True)
    assert normalised.kept.to_pylist() == [
        {"query": "7", "candidate": "x", "timestamp": 1_000_000, "label": 3.0},
        {"query": "8", "candidate": "y", "timestamp": 2_000_000, "label": 5.0},
    ]


@given(st.lists(ROWS, max_size=12))
def test_every_row_is_kept_rejected_or_below_the_least_label(rows):
    columns = {
        name: pa.array([row[name] for row in rows], pa.string()) for name in LABELLED.columns
    }
    normalised = normalised_from(0, pa.RecordBatch.from_pydict(columns), LABELLED)
    expected = [slow_reason(row) for row in rows]
    assert normalised.kept.num_rows == expected.count(None)
    assert normalised.below_min_label == expected.count("below")
    rejected = [reason for reason in expected if reason not in (None, "below")]
    assert reasons(normalised) == rejected
    assert normalised.rejected == Counter(rejected)
    assert normalised.rows_read == len(rows)


def test_a_reject_carries_its_row_and_its_raw_values():
    rows = batch(user=["a", None], film=["x", "y"], at=[1.0, float("nan")])
    (reject,) = normalised_from(100, rows, CONFIG).rejects.to_pylist()
    assert (reject["row"], reject["reason"]) == (101, "missing_query")
    assert json.loads(reject["values"]) == {"user": None, "film": "y", "at": "nan"}


def test_all_rejects_are_counted_and_the_first_of_each_reason_kept():
    count = 2 * REJECT_SAMPLES
    rows = batch(user=["a", ""] * count, film=["x"] * 2 * count, at=["soon"] * 2 * count)
    normalised = normalised_from(7, rows, CONFIG)
    assert normalised.rejected == {"bad_timestamp": count, "missing_query": count}
    assert normalised.rejects["row"].to_pylist() == list(range(7, 7 + 2 * REJECT_SAMPLES))
    assert Counter(reasons(normalised)) == dict.fromkeys(normalised.rejected, REJECT_SAMPLES)


def test_malformed_rows_are_rejects_with_their_text():
    malformed = MalformedRows(1, array("q", [4, 9]), ['a,"b"'])
    assert malformed_rejects(malformed).to_pylist() == [
        {"row": 4, "reason": "malformed_row", "values": '{"text": "a,\\"b\\""}'}
    ]


def test_a_label_of_negative_zero_is_zero():
    rows = batch(user=["a", "a"], film=["x", "x"], at=[1, 1], stars=[-0.0, -1e-60])
    config = LABELLED.model_copy(update={"min_label": None})
    labels = normalised_from(0, rows, config).kept["label"].to_numpy()
    assert not np.signbit(labels).any()


def test_without_a_timestamp_the_order_of_rows_is_the_time():
    config = InteractionsConfig(
        train=("a.csv",), validation=("b.csv",), test=("c.csv",), query="user", candidate="film"
    )
    rows = batch(user=["a", "b"], film=["x", "y"])
    assert normalised_from(5, rows, config, order=1_000).kept["timestamp"].to_pylist() == [
        1_005,
        1_006,
    ]


def test_the_columns_wanted_are_those_the_config_names():
    assert [(want.key, want.column) for want in wanted_columns(LABELLED)] == [
        ("data.query", "user"),
        ("data.candidate", "film"),
        ("data.timestamp", "at"),
        ("data.label", "stars"),
    ]


@pytest.mark.parametrize("config", [CONFIG, LABELLED])
def test_the_config_survives_a_round_trip(config):
    assert InteractionsConfig.model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"interactions": ["a"], "train": ["b"]}, "not both"),
        ({"train": ["a"], "test": ["b"]}, "`validation` names no file"),
        ({}, "`train` names no file"),
        ({"interactions": ["a"], "timestamp": None}, "`timestamp` must name a column"),
        ({"interactions": ["a"], "min_label": 3}, "`min_label` needs `label`"),
        ({"interactions": ["a"], "label": "user"}, "must name different columns"),
        ({"interactions": ["a"], "max_reject_share": 1.5}, "less than or equal to 1"),
        ({"interactions": ["a"], "nickname": "x"}, "Extra inputs are not permitted"),
    ],
)
def test_a_config_that_breaks_a_rule_is_refused_with_the_rule(given, sentence):
    with pytest.raises(ValidationError, match=sentence):
        InteractionsConfig.model_validate({**NAMES, **given})
