import struct

import google_crc32c
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from components.records import Ragged, encode_examples

INTEGERS = st.one_of(st.integers(-(2**63), 2**63 - 1), st.integers(-2, 300))
FLOATS = st.floats(width=32)
NAMES = st.text(min_size=1, max_size=16).filter(lambda name: len(name.encode()) <= 64)


@st.composite
def columns(draw):
    names = draw(st.lists(NAMES, min_size=1, max_size=6, unique=True))
    rows = draw(st.integers(0, 8))
    return {name: draw(column(rows)) for name in names}


@st.composite
def column(draw, rows):
    kind, elements = draw(st.sampled_from([(np.float32, FLOATS), (np.int64, INTEGERS)]))
    if draw(st.booleans()):
        lists = draw(st.lists(st.lists(elements, max_size=40), min_size=rows, max_size=rows))
        return ragged(lists, kind)
    return np.array(draw(st.lists(elements, min_size=rows, max_size=rows)), kind)


def ragged(lists, kind):
    values = np.array([value for entries in lists for value in entries], kind)
    return Ragged(values, np.cumsum([0, *map(len, lists)]))


def entries(column, row):
    if isinstance(column, Ragged):
        return column.values[column.offsets[row] : column.offsets[row + 1]]
    return column[row : row + 1]


def masked_crc(data):
    crc = google_crc32c.value(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) & 0xFFFFFFFF


def framed_by_protobuf(columns):
    records = b""
    for row in range(len(next(iter(columns.values())))):
        example = tf.train.Example()
        for name, values in columns.items():
            feature = example.features.feature[name]
            found = entries(values, row)
            if found.dtype == np.float32:
                feature.float_list.value.extend(found)
            else:
                feature.int64_list.value.extend(found.tolist())
        data = example.SerializeToString(deterministic=True)
        length = struct.pack("<Q", len(data))
        records += length + struct.pack("<I", masked_crc(length))
        records += data + struct.pack("<I", masked_crc(data))
    return records


@given(columns())
def test_records_are_the_bytes_that_protobuf_and_crc32c_give(columns):
    assert encode_examples(columns).tobytes() == framed_by_protobuf(columns)


def test_tensorflow_reads_the_records_back(tmp_path):
    random = np.random.default_rng(0)
    columns = {
        "query": random.integers(0, 2**40, 500),
        "timestamp": random.integers(-(2**62), 2**62, 500),
        "label": random.normal(size=500).astype(np.float32),
    }
    path = tmp_path / "some.tfrecord"
    path.write_bytes(encode_examples(columns))
    features = {
        name: tf.io.FixedLenFeature([], tf.as_dtype(values.dtype))
        for name, values in columns.items()
    }
    records = tf.data.TFRecordDataset(str(path)).batch(500)
    read = tf.io.parse_example(next(iter(records)), features)
    for name, values in columns.items():
        np.testing.assert_array_equal(read[name].numpy(), values)


def test_tensorflow_finds_a_changed_byte(tmp_path):
    record = encode_examples({"query": np.array([7])})
    record[-6] ^= 1
    path = tmp_path / "damaged.tfrecord"
    path.write_bytes(record)
    with pytest.raises(tf.errors.DataLossError):
        list(tf.data.TFRecordDataset(str(path)))


def test_no_rows_are_no_bytes():
    assert encode_examples({"query": np.zeros(0, np.int64)}).tobytes() == b""


def test_a_column_of_another_type_is_refused():
    with pytest.raises(ValueError, match=r"int64 or float32\. Received: int32"):
        encode_examples({"query": np.zeros(1, np.int32)})


def test_a_name_too_long_for_one_byte_lengths_is_refused():
    with pytest.raises(ValueError, match="at most 64 bytes"):
        encode_examples({"x" * 65: np.zeros(1, np.int64)})
