import gzip
import struct

import numpy as np
import pyarrow as pa
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from components.delimited import CsvConfig
from components.errors import DataError
from components.files import find_files, read_file
from components.malformed import MalformedRows
from components.tfrecords import read_records, record_schema

INTEGERS = st.integers(-(2**63), 2**63 - 1)
FLOATS = st.floats(width=32, allow_nan=False)
VALUES = {
    "user": st.lists(st.binary(max_size=300), max_size=3),
    "at": st.lists(INTEGERS, max_size=3),
    "stars": st.lists(FLOATS, max_size=3),
    "other": st.lists(INTEGERS, max_size=40),
}
ROWS = st.lists(st.fixed_dictionaries({}, optional=VALUES), max_size=12)
KINDS = {"user": "bytes_list", "at": "int64_list", "stars": "float_list", "other": "int64_list"}
COLUMNS = ("stars", "user", "at")


def example(row):
    message = tf.train.Example()
    for name, values in row.items():
        getattr(message.features.feature[name], KINDS[name]).value.extend(values)
    return message


def first(row, name):
    return row[name][0] if row.get(name) else None


def write(path, records, *, packed=False):
    options = tf.io.TFRecordOptions(compression_type="GZIP" if packed else "")
    with tf.io.TFRecordWriter(str(path), options) as writer:
        for record in records:
            writer.write(record)
    return find_files("train", [str(path)])[0]


def frame(path, record):
    """The bytes of a file of one record, as TensorFlow frames it."""
    write(path, [record])
    return path.read_bytes()


def field(number, wire, content):
    tag = varint(number << 3 | wire)
    return tag + (varint(len(content)) if wire == 2 else b"") + content


def varint(value):
    out = b""
    while value >= 128:
        out, value = out + bytes([value & 127 | 128]), value >> 7
    return out + bytes([value])


def read(data, columns, malformed=None):
    tables = [
        pa.Table.from_batches([batch]) for _, batch in read_records([data], columns, malformed)
    ]
    return pa.concat_tables(tables, promote_options="permissive").to_pydict() if tables else {}


@settings(max_examples=30)
@given(rows=ROWS, packed=st.booleans())
def test_what_tensorflow_writes_is_read_first_value_by_first_value(rows, packed, tmp_path_factory):
    name = "log.tfrecord.gz" if packed else "log.tfrecord"
    path = tmp_path_factory.mktemp("records") / name
    records = [example(row).SerializeToString() for row in rows]
    write(path, records, packed=packed)
    data = gzip.decompress(path.read_bytes()) if packed else path.read_bytes()
    found = read(data, COLUMNS)
    for column in COLUMNS:
        assert found.get(column, []) == [first(row, column) for row in rows]


@settings(max_examples=30)
@given(rows=ROWS, seed=st.integers(0, 2**32 - 1))
def test_fields_may_come_in_any_order_unpacked_twice_and_among_others(rows, seed, tmp_path_factory):
    random = np.random.default_rng(seed)
    noise = [field(15, 0, varint(300)), field(16, 2, b"\x0a\x02xx"), field(17, 5, b"1234"),
             field(18, 1, b"12345678")]  # fmt: skip

    def shuffled(fields):
        fields = [*fields, *(noise[place] for place in random.integers(0, 4, 2))]
        return b"".join(fields[place] for place in random.permutation(len(fields)))

    def among(fields):
        """In their order, with others between."""
        return b"".join(noise[random.integers(0, 4)] + each for each in fields)

    def entry(name, values):
        if name == "user":
            number, items = 1, [field(1, 2, value) for value in values]
        elif name == "stars":
            number, items = 2, [field(1, 5, struct.pack("<f", value)) for value in values]
        else:
            number, items = 3, [field(1, 0, varint(value % 2**64)) for value in values]
        value = among([field(number, 2, among(items))])
        # None of them here: Python's protobuf takes such an entry for unknown itself.
        parts = [field(1, 2, name.encode()), field(2, 2, value)]
        return field(1, 2, b"".join(parts[part] for part in random.permutation(2)))

    records = []
    for row in rows:
        entries = [entry(name, values) for name, values in row.items()]
        stale = [entry(name, [b"stale"] if name == "user" else [3]) for name in row]
        features = among(stale) + shuffled(entries)
        half = among([features])
        records.append(b"".join([noise[1], field(1, 2, half), noise[0]]))
    for row, record in zip(rows, records, strict=True):
        parsed = tf.train.Example.FromString(record)
        for name, values in row.items():
            assert list(getattr(parsed.features.feature[name], KINDS[name]).value) == values
    path = tmp_path_factory.mktemp("records") / "log.tfrecord"
    write(path, records)
    found = read(path.read_bytes(), COLUMNS)
    for column in COLUMNS:
        assert found.get(column, []) == [first(row, column) for row in rows]


def test_records_may_span_blocks_of_any_size(tmp_path):
    rows = [{"user": [b"u" * size], "at": [size]} for size in range(40)]
    write(tmp_path / "log.tfrecord", [example(row).SerializeToString() for row in rows])
    data = (tmp_path / "log.tfrecord").read_bytes()
    for size in (1, 7, 100, len(data)):
        blocks = [data[start : start + size] for start in range(0, len(data), size)]
        read_rows = [
            (int(number), user, at)
            for numbers, batch in read_records(blocks, ["user", "at"], None)
            for number, user, at in zip(
                numbers, batch["user"].to_pylist(), batch["at"].to_pylist(), strict=True
            )
        ]
        assert read_rows == [(size, b"u" * size, size) for size in range(40)]


def test_values_of_several_types_are_text(tmp_path):
    records = [
        example({"user": [b"a"]}),
        example({"at": [-5]}),
        tf.train.Example(),
        tf.train.Example(),
    ]
    records[2].features.feature["user"].int64_list.value.append(7)
    records[3].features.feature["user"].float_list.value.append(0.5)
    write(tmp_path / "log.tfrecord", [record.SerializeToString() for record in records])
    data = (tmp_path / "log.tfrecord").read_bytes()
    assert read(data, ["user", "at"]) == {
        "user": [b"a", None, b"7", b"0.5"],
        "at": [None, -5, None, None],
    }


def test_the_schema_names_the_features_and_their_types(tmp_path):
    rows = [{"user": [b"a"]}, {"at": [1], "stars": [0.5]}]
    write(tmp_path / "log.tfrecord", [example(row).SerializeToString() for row in rows])
    schema = record_schema([(tmp_path / "log.tfrecord").read_bytes()])
    assert schema is not None
    assert dict(zip(schema.names, schema.types, strict=True)) == {
        "user": pa.large_binary(),
        "at": pa.int64(),
        "stars": pa.float32(),
    }
    assert record_schema([]) is None


@pytest.mark.parametrize("flipped", [0, 9, 12, 20, -1])
def test_a_damaged_record_is_an_error_that_names_file_and_offset(tmp_path, flipped):
    record = example({"user": [b"a"]}).SerializeToString()
    size = len(frame(tmp_path / "one.tfrecord", record))
    write(tmp_path / "log.tfrecord", [record] * 3)
    data = bytearray((tmp_path / "log.tfrecord").read_bytes())
    data[size + (flipped % size)] ^= 0x40
    (tmp_path / "log.tfrecord").write_bytes(data)
    (file,) = find_files("train", [str(tmp_path / "log.tfrecord")])
    with pytest.raises(DataError, match=rf"log\.tfrecord: .*record at byte {size} is damaged"):
        read_file(file, ["user"], CsvConfig())


def test_a_record_that_is_cut_off_is_an_error(tmp_path):
    data = frame(tmp_path / "a.tfrecord", example({"user": [b"a"]}).SerializeToString())
    (tmp_path / "log.tfrecord").write_bytes(data + data[:-3])
    (file,) = find_files("train", [str(tmp_path / "log.tfrecord")])
    with pytest.raises(DataError, match=rf"record at byte {len(data)} is cut off"):
        read_file(file, ["user"], CsvConfig())


def test_a_record_that_is_no_example_is_malformed(tmp_path):
    good = example({"user": [b"a"], "at": [1]}).SerializeToString()
    write(tmp_path / "log.tfrecord", [good, b"\x0a\xff\xff", good, good[:-1], good])
    malformed = MalformedRows(most_texts=1)
    data = (tmp_path / "log.tfrecord").read_bytes()
    ((numbers, batch),) = read_records([data], ["user"], malformed, first_row=10)
    assert numbers.tolist() == [10, 12, 14]
    assert batch["user"].to_pylist() == [b"a"] * 3
    assert list(malformed.rows) == [11, 13]
    assert malformed.texts == ["\n��"]
