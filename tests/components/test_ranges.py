import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from components import ranges
from components.columns import is_text
from components.delimited import CsvConfig
from components.errors import DataError
from components.files import InputFile, find_files, pieces, read_piece
from components.malformed import MalformedRows
from tests.preparing import COLUMNS, digests, make_config, run
from tests.world import write_world
from tests.writing import write_table

BYTES = [b"a", b",", b'"', b"\n", b"\r", b"\r\n", b" ", b"'", b"\xff", "é".encode()]
PARTS = [b'""', b',"', b'",', b'"\n', b"x,y\n", b'"a\n""b",c\n', b"\n\n"]
TOKENS = st.sampled_from([*BYTES, *PARTS])
QUOTES = st.sampled_from(['"', "", "'"])


def rows_of(parts, columns, csv):
    """Numbers and values of the rows of pieces, and their malformed rows."""
    read, rows, texts = [], [], []
    for piece in parts:
        malformed = MalformedRows(most_texts=10**6)
        for numbers, batch in read_piece(piece, columns, csv, malformed):
            values = [
                (column.cast(pa.binary()) if is_text(column.type) else column).to_pylist()
                for column in batch.columns
            ]
            read += zip(numbers.tolist(), *values, strict=True)
        rows += malformed.rows
        texts += malformed.texts
    return read, rows, texts


def cut_rows(file, range_bytes, columns, csv):
    """The same from ranges, surveyed one by one in the wrong order."""
    parts = ranges.cut(file, range_bytes)
    surveyed = [(part, ranges.survey_range(part, csv)) for part in reversed(parts)]
    return rows_of(ranges.locate(surveyed, csv), columns, csv)


@settings(max_examples=200)
@given(
    tokens=st.lists(TOKENS, max_size=40),
    quote=QUOTES,
    headed=st.booleans(),
    mark=st.booleans(),
)
def test_the_rows_of_ranges_of_any_size_are_those_of_the_whole_text(
    tokens, quote, headed, mark, tmp_path_factory
):
    csv = CsvConfig(quote=quote, columns=() if headed else ("a", "b"))
    text = b"\xef\xbb\xbf" * mark + b"\na,b\n" * headed + b"".join(tokens) + b"z,z"
    path = tmp_path_factory.mktemp("texts") / "log.csv"
    path.write_bytes(text)
    file = InputFile("log.csv", str(path))
    whole = rows_of(pieces(file), ["a", "b"], csv)
    for range_bytes in range(3, len(text)):
        assert cut_rows(file, range_bytes, ["a", "b"], csv) == whole


LINES = st.sampled_from(
    [b'{"a": 1}', b'{"a": "x"}', b'{"a":\t"\xff"}', b' {"a": 2}', b"", b"  ", b"\r", b"oops", b"[]"]
)


@given(lines=st.lists(LINES, max_size=12), ends=st.booleans(), mark=st.booleans())
def test_the_lines_of_ranges_are_those_of_the_whole_file(lines, ends, mark, tmp_path_factory):
    text = b"\xef\xbb\xbf" * mark + b"\n".join([*lines, b'{"a": 3}']) + b"\n" * ends
    path = tmp_path_factory.mktemp("lines") / "log.jsonl"
    path.write_bytes(text)
    file = InputFile("log.jsonl", str(path))
    number, malformed, texts = rows_of(pieces(file), ["a"], CsvConfig())
    for range_bytes in range(3, len(text)):
        cut = cut_rows(file, range_bytes, ["a"], CsvConfig())
        # An integer in a block of text is its digits.
        assert [(row, as_text(value)) for row, value in cut[0]] == [
            (row, as_text(value)) for row, value in number
        ]
        assert cut[1:] == (malformed, texts)


def as_text(value):
    return str(value).encode() if isinstance(value, int) else value


def records(path, payloads):
    with tf.io.TFRecordWriter(str(path)) as writer:
        for payload in payloads:
            example = tf.train.Example()
            example.features.feature["a"].bytes_list.value.append(payload)
            writer.write(example.SerializeToString())
    return path.read_bytes()


@settings(max_examples=30)
@given(rows=st.lists(st.tuples(st.integers(0, 60), st.booleans()), min_size=1, max_size=8))
def test_the_records_of_ranges_are_those_of_the_whole_file(rows, tmp_path_factory):
    directory = tmp_path_factory.mktemp("records")
    inner = records(directory / "inner.tfrecord", [b"in", b"side"])
    # Some records hold the bytes of whole records, which must not be taken for any.
    payloads = [b"x" * size + inner * holds for size, holds in rows]
    total = len(records(directory / "log.tfrecord", payloads))
    file = InputFile("log.tfrecord", str(directory / "log.tfrecord"))
    expected = list(enumerate(payloads))
    for range_bytes in range(1, total, 3):
        assert cut_rows(file, range_bytes, ["a"], CsvConfig()) == (expected, [], [])


@pytest.mark.parametrize("damage", ["length", "data", "cut"])
def test_a_damaged_record_of_a_range_is_told_by_its_place_in_the_file(tmp_path, damage):
    path = tmp_path / "log.tfrecord"
    data = bytearray(records(path, [b"x" * 50] * 9))
    size = len(data) // 9
    if damage == "cut":
        del data[-1:]
    else:
        data[5 * size + (0 if damage == "length" else 20)] ^= 1
    path.write_bytes(data)
    (file,) = find_files("train", [str(path)])
    place, how = (8 * size, "cut off") if damage == "cut" else (5 * size, "damaged")
    for range_bytes in (7, size, size + 1, 4 * size):
        with pytest.raises(DataError, match=rf"record at byte {place} is {how}"):
            cut_rows(file, range_bytes, ["a"], CsvConfig())


@pytest.mark.parametrize("name", ["a.parquet", "a.csv.gz", "a.jsonl.zst", "a.tfrecord.gz"])
def test_compressed_files_are_not_cut(tmp_path, name):
    (tmp_path / name).write_bytes(b"x" * 100)
    assert ranges.cut(InputFile(name, str(tmp_path / name)), 10) == []


def test_small_files_are_not_cut(tmp_path):
    (tmp_path / "a.csv").write_bytes(b"x" * 10)
    file = InputFile("a.csv", str(tmp_path / "a.csv"))
    assert ranges.cut(file, 10) == []
    assert [(part.start, part.end) for part in ranges.cut(file, 4)] == [(0, 4), (4, 8), (8, 10)]


@pytest.mark.parametrize("ending", [".csv", ".tsv", ".jsonl", ".tfrecord"])
def test_a_preparation_of_cut_files_is_that_of_whole_ones(tmp_path, monkeypatch, ending):
    world = write_world(tmp_path / "world")
    table = pq.read_table(world.interactions)
    for number, part in enumerate((table.slice(0, 300), table.slice(300))):
        write_table(part, tmp_path / f"{number}{ending}")
    if ending != ".tfrecord":
        with (tmp_path / f"0{ending}").open("a") as file:
            file.write("oops\n")
    # Without a timestamp the order of rows counts as time.
    files = [str(tmp_path / f"{number}{ending}") for number in (0, 1)]
    data = {"train": files, "validation": files[:1], "test": files[1:], "max_reject_share": 1}
    data |= {key: COLUMNS[key] for key in ("query", "candidate")}
    config = make_config(world, data=data, split=None)
    counts = run(config, tmp_path / "whole")
    monkeypatch.setattr(ranges, "RANGE_BYTES", 1_000)
    assert run(config, tmp_path / "cut") == counts
    assert digests(tmp_path / "cut") == digests(tmp_path / "whole")
    assert counts["rows_rejected"] == (0 if ending == ".tfrecord" else 2)
    if ending != ".tfrecord":
        (line,) = (tmp_path / "cut/rejects/part-00000.jsonl").read_text().splitlines()
        assert json.loads(line)["row"] == 300
