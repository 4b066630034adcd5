import itertools
import json

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from components import json_lines
from components.columns import as_ids, as_microseconds, as_numbers, checked_text
from components.json_lines import json_schema, read_json_lines
from components.malformed import MalformedRows

TEXTS = st.one_of(
    st.sampled_from(["2024-01-01", "2024-01-01T10:00:00", "007", "", "é", "a\nb", 'a"b', "\x00"]),
    st.text(max_size=5),
)
INTEGERS = st.one_of(st.integers(-9, 9), st.integers(0, 2**43), st.integers(2**60, 2**70))
FLOATS = st.one_of(
    st.sampled_from([0.5, 1.0, 1e20, 1e-7, -0.0, float("nan"), float("inf")]), st.floats()
)
SCALARS = st.one_of(st.none(), TEXTS, INTEGERS, FLOATS, st.booleans())


def column(values):
    """Values that mostly are of one type."""
    return st.one_of(*(st.lists(each, min_size=8, max_size=8) for each in values))


COLUMN = column([TEXTS, INTEGERS, FLOATS, st.booleans(), st.one_of(st.none(), TEXTS), SCALARS])
LINES = st.sampled_from(
    [
        b"",
        b"  ",
        b"[1]",
        b"7",
        b"null",
        b'{"a": ',
        b'{"a": 01}',
        b'{"a": "x"} {"a": "y"}',
        b'{"a": "x",',
        b'"b": 1}',
        b'{"a": "x"} x',
        b'{"a": {"b": 1}}',
        b'{"a": [1]}',
        b'{"a": "\\ud800"}',
        b'{"a": "\xff"}',
        b'{"z": "\xff"}',
        b'{"a": "x", "a": "y"}',
        b'{"z": NaN, "a": "x"}',
        b'{"z": {"a": [1, {}]}, "a": "x"}',
        b'{"a": "\x01"}',
        b"{'a': 'x'}",
        b"{}",
        b'{"a": "x"}\r',
        b' {"a": "x"}',
        b'{"a": 5}',
    ]
)


def meaning(batch):
    """What a batch means, whichever types carry it."""
    means = []
    for name in batch.schema.names:
        values, wrong = checked_text(batch[name])
        wrong = np.zeros(len(values), bool) if wrong is None else wrong
        times, valid = as_microseconds(values, "ms")
        numbers = as_numbers(values)
        numbers = ["nan" if np.isnan(number) else number for number in numbers.tolist()]
        ids = as_ids(values).to_pylist()
        means.append([*zip(ids, numbers, times.tolist(), valid, wrong, strict=True)])
    return means


def together(batches):
    batches = list(batches)
    numbers = [number for numbers, _ in batches for number in numbers.tolist()]
    means = [meaning(batch) for _, batch in batches]
    return numbers, [list(itertools.chain(*parts)) for parts in zip(*means, strict=True)]


def both_ways(text, columns):
    """What is read with Arrow, and line by line."""
    ways = []
    with pytest.MonkeyPatch.context() as patch:
        for _ in range(2):
            malformed = MalformedRows(most_texts=99)
            read = together(read_json_lines([text], columns, malformed, 5))
            ways.append((read, list(malformed.rows), malformed.texts))
            patch.setattr(json_lines, "_parse", lambda *_, **__: None)
    return ways


@given(COLUMN, COLUMN)
def test_a_value_means_the_same_whoever_parses_its_line(first, second):
    rows = [{"a": a, "b": b} for a, b in zip(first, second, strict=True)]
    text = "\n".join(map(json.dumps, rows)).encode()
    arrow, line_by_line = both_ways(text, ["a", "b", "missing"])
    assert arrow == line_by_line
    assert arrow[0][0] == list(range(5, 5 + len(rows)))


@given(st.lists(LINES, min_size=1, max_size=5), st.booleans())
def test_a_line_means_the_same_whoever_parses_it(lines, ends):
    text = b"\n".join(lines) + b"\n" * ends
    arrow, line_by_line = both_ways(text, ["a"]) if text else (0, 0)
    assert arrow == line_by_line


def test_a_block_of_one_type_is_parsed_by_arrow(monkeypatch):
    monkeypatch.setattr(json_lines, "_parse_lines", None)
    text = b'{"a":"2024-01-01","n":5,"x":[{}]}\n{"n":6,"a":"7"}\r\n{"a":null}\n'
    ((numbers, batch),) = read_json_lines([text], ["a", "n"], None)
    assert batch.to_pydict() == {"a": ["2024-01-01", "7", None], "n": [5, 6, None]}
    assert numbers.tolist() == [0, 1, 2]


def test_malformed_lines_are_noted_and_blank_ones_are_no_rows():
    lines = [b'{"a": 1}', b"", b"oops \xff", b'{"a": 2}', b"[3]", b'{"a": {}}', b'{"a": 4}']
    malformed = MalformedRows(most_texts=2)
    ((numbers, batch),) = read_json_lines([b"\n".join(lines)], ["a"], malformed, 100)
    assert numbers.tolist() == [100, 102, 105]
    assert batch["a"].to_pylist() == [1, 2, 4]
    assert list(malformed.rows) == [101, 103, 104]
    assert malformed.texts == ["oops �", "[3]"]


def test_a_malformed_line_is_an_error_where_none_may_be():
    with pytest.raises(pa.ArrowInvalid, match="row 1 is malformed: oops"):
        list(read_json_lines([b'{"a": 1}\noops\n'], ["a"], None))


@pytest.mark.parametrize("size", [1, 5, 16, 1_000])
def test_lines_may_span_blocks_of_any_size(size):
    text = b"".join(b'{"a": "%s"}\n' % (b"x" * length) for length in range(30))
    blocks = [text[start : start + size] for start in range(0, len(text), size)]
    numbers, (values) = together(read_json_lines(blocks, ["a"], None))
    assert numbers == list(range(30))
    assert [value[0] or "" for value in values[0]] == ["x" * length for length in range(30)]


@pytest.mark.parametrize("values", [["x", "y"], [1, 2], []])
def test_side_tables_may_hold_lists(values):
    text = json.dumps({"tags": values}).encode() + b"\n" + json.dumps({"tags": None}).encode()
    ((_, arrow),) = read_json_lines([text], ["tags"], None, lists=True)
    ((_, by_line),) = read_json_lines([b"\n" + text], ["tags"], None, lists=True)
    assert arrow["tags"].to_pylist() == [values, None]
    as_bytes = [value.encode() if isinstance(value, str) else value for value in values]
    assert by_line["tags"].to_pylist() == [as_bytes, None]


def test_the_schema_is_that_of_the_first_lines():
    lines = [
        b'{"a": "x", "n": 1, "f": 1.5}',
        b'{"b": true, "l": ["x"], "a": null, "m": 1}',
        b"oops",
    ]
    schema = json_schema([b"\n".join([*lines, b'{"m": "x", "none": null}'])])
    assert schema is not None
    assert dict(zip(schema.names, schema.types, strict=True)) == {
        "a": pa.large_binary(),
        "n": pa.int64(),
        "f": pa.float64(),
        "b": pa.bool_(),
        "l": pa.list_(pa.large_binary()),
        "m": pa.large_binary(),
        "none": pa.null(),
    }
    assert json_schema([b"\n \n"]) is None
