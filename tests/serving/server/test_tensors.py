import ml_dtypes
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from serving.server import tensors
from serving.server.protos import DT_FLOAT, DT_INT8, DT_STRING, TensorProto

DTYPES = [each.numpy for each in tensors.ELEMENT_TYPES.values() if not each.is_string]
NATIVE = [dtype for dtype in DTYPES if dtype != ml_dtypes.bfloat16]


def written(array):
    proto = TensorProto()
    tensors.to_proto(array, proto)
    return proto


def bits(array):
    return array.shape, array.dtype, array.tobytes()


@given(st.sampled_from(NATIVE).flatmap(lambda d: arrays.arrays(d, arrays.array_shapes(min_side=0))))
def test_numbers_survive_the_round_trip(array):
    assert bits(tensors.to_array(written(array))) == bits(array)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
def test_tensorflow_reads_what_is_written_and_the_other_way_round(dtype):
    array = np.array([[0, 1, 2], [3, 1, 0]]).astype(dtype)
    assert bits(tf.make_ndarray(written(array))) == bits(array)
    packed = TensorProto.FromString(tf.make_tensor_proto(array).SerializeToString())
    assert bits(tensors.to_array(packed)) == bits(array)


@given(st.lists(st.binary(max_size=300), max_size=5))
def test_strings_survive_the_round_trip(values):
    array = np.empty(len(values), object)
    array[:] = values
    proto = written(array)
    assert list(proto.string_val) == values
    assert tensors.to_array(proto).tolist() == values


def test_packed_strings_are_read():
    proto = TensorProto(dtype=DT_STRING)
    proto.tensor_shape.dim.add(size=3)
    proto.tensor_content = bytes([2, 0, 0xC8, 0x01]) + b"ab" + b"x" * 200
    assert tensors.to_array(proto).tolist() == [b"ab", b"", b"x" * 200]


def test_outputs_are_typed_fields_and_not_content():
    proto = written(np.array([1.5, -np.inf], np.float32))
    assert list(proto.float_val) == [1.5, -np.inf]
    assert not proto.tensor_content


@pytest.mark.parametrize(
    ("values", "expected"),
    [([], [0.0, 0.0, 0.0]), ([7.0, 8.0], [7.0, 8.0, 8.0]), ([1.0, 2.0, 3.0, 4.0], [1.0, 2.0, 3.0])],
)
def test_the_last_value_repeats_to_fill_the_shape(values, expected):
    proto = TensorProto(dtype=DT_FLOAT, float_val=values)
    proto.tensor_shape.dim.add(size=3)
    assert tensors.to_array(proto).tolist() == expected


def test_a_missing_string_is_empty():
    proto = TensorProto(dtype=DT_STRING)
    proto.tensor_shape.dim.add(size=2)
    assert tensors.to_array(proto).tolist() == [b"", b""]


def test_narrow_integers_wrap_around():
    proto = TensorProto(dtype=DT_INT8, int_val=[200])
    proto.tensor_shape.dim.add(size=1)
    assert tensors.to_array(proto).tolist() == [200 - 256]


def shaped(*sizes, dtype=DT_FLOAT, **fields):
    proto = TensorProto(dtype=dtype, **fields)
    for size in sizes:
        proto.tensor_shape.dim.add(size=size)
    return proto


@pytest.mark.parametrize(
    "proto",
    [
        shaped(1, dtype=0),
        shaped(-1),
        shaped(10**10),
        shaped(2**62, 4),
        shaped(2, tensor_content=b"1234567"),
        shaped(1, dtype=DT_STRING, tensor_content=b"\x05ab"),
        shaped(1, dtype=DT_STRING, tensor_content=b"\xff\xff\xff\xff\xff\xff"),
    ],
    ids=["no dtype", "unknown size", "40 GB", "overflow", "7 bytes", "short string", "long varint"],
)
def test_a_tensor_that_contradicts_itself_is_refused(proto):
    with pytest.raises(tensors.TensorError):
        tensors.to_array(proto)
