import json
from array import array
from collections import Counter

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from components.interactions import InteractionsConfig, interactions_schema
from components.malformed import LONGEST_TEXT, MalformedRows
from components.validation import REJECT_SAMPLES, malformed_rejects, normalise

NAMES = {"query": "user", "candidate": "film", "timestamp": "at"}
CONFIG = InteractionsConfig.model_validate({"interactions": ["log.csv"], **NAMES})
LABELLED = InteractionsConfig.model_validate(
    {"interactions": ["log.csv"], "label": "stars", "min_label": 3, **NAMES}
)
RULED = InteractionsConfig.model_validate(
    {
        "interactions": ["log.csv"],
        "label": "stars",
        "min_label": 3,
        "earliest": "1971-01-01",
        "latest": "2024-01-01",
        "max_id_bytes": 3,
        **NAMES,
    }
)

ROWS = st.fixed_dictionaries(
    {
        "user": st.sampled_from([b"u1", "éé".encode()[:3], b"\xff", b"four", b"", None]),
        "film": st.sampled_from([b"f1", b"f\x80", b"f234", b"", None]),
        "at": st.sampled_from(
            [
                *(b"31536000", b"99999999.5", b"2023-12-31T23:59:59", b"2024-01-01"),
                *(b"31535999.999999", b"2024-01-02", b"", b"soon", b"inf", None, b"\xe9"),
            ]
        ),
        "stars": st.sampled_from(
            [b"5", b"3", b"2.9", b"", b"good", None, b"nan", b"1e39", b"\xff"]
        ),
    }
)


def batch(**columns):
    return pa.RecordBatch.from_pydict(columns)


def normalised_from(first_row, rows, config, **given):
    return normalise(rows, np.arange(first_row, first_row + rows.num_rows), config, **given)


def reasons(normalised):
    return normalised.rejects["reason"].to_pylist()


def is_utf8(value):
    try:
        return value is None or bool(value.decode()) or True
    except UnicodeDecodeError:
        return False


def slow_reason(row):
    if not all(map(is_utf8, row.values())):
        return "invalid_utf8"
    if not row["user"]:
        return "missing_query"
    if not row["film"]:
        return "missing_candidate"
    if len(row["user"]) > 3:
        return "long_query"
    if len(row["film"]) > 3:
        return "long_candidate"
    if row["at"] in (b"", b"soon", b"inf", None):
        return "bad_timestamp"
    if row["at"] == b"31535999.999999":
        return "too_early"
    if row["at"] == b"2024-01-02":
        return "too_late"
    if row["stars"] not in (b"5", b"3", b"2.9"):
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


@given(
    st.lists(ROWS, max_size=12),
    st.sampled_from([pa.binary(), pa.string(), pa.dictionary(pa.int32(), pa.string())]),
)
def test_every_row_is_kept_rejected_or_below_the_least_label(rows, kind):
    columns = {name: pa.array([row[name] for row in rows], pa.binary()) for name in RULED.columns}
    if kind != pa.binary():  # Arrow takes bytes for strings without a look
        columns = {name: column.view(pa.string()) for name, column in columns.items()}
    if kind == pa.dictionary(pa.int32(), pa.string()):
        columns = {name: column.dictionary_encode() for name, column in columns.items()}
    normalised = normalised_from(0, pa.RecordBatch.from_pydict(columns), RULED)
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


def test_a_reject_shows_what_can_be_shown_of_its_text():
    rows = batch(user=[b"\xffu", b"u" * 9_999], film=[b"x", b"y"], at=[1, 1])
    shown = [
        json.loads(each) for each in normalised_from(0, rows, CONFIG).rejects["values"].to_pylist()
    ]
    assert shown[0] == {"user": "\ufffdu", "film": "x", "at": 1}
    assert shown[1] == {"user": "u" * LONGEST_TEXT, "film": "y", "at": 1}


def test_an_id_may_be_as_long_as_the_limit():
    rows = batch(user=["é" * 512, "é" * 512 + "x"], film=["x", "y"], at=[1, 1])
    assert normalised_from(0, rows, CONFIG).rejected == {"long_query": 1}
