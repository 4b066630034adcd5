"""TensorProto <-> NumPy, by the rules of TensorFlow's own parser and without its slow helpers.

A proto holds its values either in the typed field of its dtype or, packed, in `tensor_content`.
Fewer typed values than elements means that the last one repeats; none means zeros. Arrays of
strings are object arrays of `bytes`, which is what a session takes and returns.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import ml_dtypes
import numpy as np

from serving.server.protos import (
    DT_BFLOAT16,
    DT_BOOL,
    DT_COMPLEX64,
    DT_COMPLEX128,
    DT_DOUBLE,
    DT_FLOAT,
    DT_HALF,
    DT_INT8,
    DT_INT16,
    DT_INT32,
    DT_INT64,
    DT_STRING,
    DT_UINT8,
    DT_UINT16,
    DT_UINT32,
    DT_UINT64,
    TensorProto,
)

LARGEST_TENSOR_BYTES = 2**31 - 1
"""No tensor may be larger than the largest message, whatever its shape claims."""


@dataclass(frozen=True, slots=True)
class ElementType:
    """How a dtype lies in memory and in a proto.

    Args:
      number: The value of `DataType`.
      name: TensorFlow's short name, as error messages have it.
      numpy: The array's dtype.
      field: The proto's typed field.
      stored: What a value of the field is, where that differs from the array's dtype: the bits
        of a half, the real and imaginary parts of a complex number.
    """

    number: int
    name: str
    numpy: np.dtype
    field: str
    stored: np.dtype | None = None

    @property
    def is_string(self) -> bool:
        """Whether an element has no fixed size."""
        return self.number == DT_STRING


_HALF_BITS = np.dtype(np.uint16)
_WIDENED = ("int_val", "half_val")
_ELEMENT_TYPES = (
    ElementType(DT_FLOAT, "float", np.dtype(np.float32), "float_val"),
    ElementType(DT_DOUBLE, "double", np.dtype(np.float64), "double_val"),
    ElementType(DT_INT32, "int32", np.dtype(np.int32), "int_val"),
    ElementType(DT_UINT8, "uint8", np.dtype(np.uint8), "int_val"),
    ElementType(DT_INT16, "int16", np.dtype(np.int16), "int_val"),
    ElementType(DT_INT8, "int8", np.dtype(np.int8), "int_val"),
    ElementType(DT_STRING, "string", np.dtype(object), "string_val"),
    ElementType(
        DT_COMPLEX64,
        "complex64",
        np.dtype(np.complex64),
        "scomplex_val",
        np.dtype(np.float32),
    ),
    ElementType(DT_INT64, "int64", np.dtype(np.int64), "int64_val"),
    ElementType(DT_BOOL, "bool", np.dtype(np.bool_), "bool_val"),
    ElementType(DT_BFLOAT16, "bfloat16", np.dtype(ml_dtypes.bfloat16), "half_val", _HALF_BITS),
    ElementType(DT_UINT16, "uint16", np.dtype(np.uint16), "int_val"),
    ElementType(
        DT_COMPLEX128,
        "complex128",
        np.dtype(np.complex128),
        "dcomplex_val",
        np.dtype(np.float64),
    ),
    ElementType(DT_HALF, "half", np.dtype(np.float16), "half_val", _HALF_BITS),
    ElementType(DT_UINT32, "uint32", np.dtype(np.uint32), "uint32_val"),
    ElementType(DT_UINT64, "uint64", np.dtype(np.uint64), "uint64_val"),
)
ELEMENT_TYPES: Mapping[int, ElementType] = {each.number: each for each in _ELEMENT_TYPES}
_BY_NUMPY: Mapping[np.dtype, ElementType] = {each.numpy: each for each in _ELEMENT_TYPES}


class TensorError(ValueError):
    """A TensorProto contradicts itself, or is of a type that cannot be sent."""


def element_type(dtype: np.dtype) -> ElementType:
    """How arrays of `dtype` travel."""
    found = _BY_NUMPY.get(dtype)
    if found is None:
        raise TensorError(f"Tensors of type {dtype} cannot be sent.")
    return found


def to_array(proto: TensorProto) -> np.ndarray:
    """Reads a TensorProto.

    Args:
      proto: Values in the typed field of its dtype, or in `tensor_content`.

    Returns:
      An array of the proto's shape and dtype, of `bytes` objects where the dtype is string.

    Raises:
      TensorError: The dtype is unknown, the shape is not fully known, or `tensor_content` does
        not fit them.
    """
    kind = ELEMENT_TYPES.get(proto.dtype)
    if kind is None:
        raise TensorError(f"Unknown dtype: {proto.dtype}.")
    shape = _shape(proto, kind)
    if proto.tensor_content:
        return _from_content(proto.tensor_content, shape, kind)
    return _from_field(proto, shape, kind)


def to_proto(array: np.ndarray, proto: TensorProto) -> None:
    """Writes an array into an empty TensorProto, as values of the typed field of its dtype."""
    kind = element_type(array.dtype)
    proto.dtype = kind.number
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    flat = array.ravel()
    values = flat if kind.stored is None else flat.view(kind.stored)
    getattr(proto, kind.field).extend(values.tolist())


def _shape(proto: TensorProto, kind: ElementType) -> tuple[int, ...]:
    if proto.tensor_shape.unknown_rank:
        raise TensorError("The rank is not known.")
    shape = tuple(dim.size for dim in proto.tensor_shape.dim)
    if any(size < 0 for size in shape):
        raise TensorError(f"The shape is not fully known: {list(shape)}.")
    if math.prod(shape) * kind.numpy.itemsize > LARGEST_TENSOR_BYTES:
        raise TensorError(f"The shape is larger than a message may be: {list(shape)}.")
    return shape


def _from_content(content: bytes, shape: tuple[int, ...], kind: ElementType) -> np.ndarray:
    size = math.prod(shape)
    if kind.is_string:
        return np.array(list(_packed_strings(content, size)), object).reshape(shape)
    if len(content) != size * kind.numpy.itemsize:
        raise TensorError(
            f"tensor_content holds {len(content)} bytes, the shape needs "
            f"{size * kind.numpy.itemsize}."
        )
    return np.frombuffer(content, kind.numpy).reshape(shape)


def _from_field(proto: TensorProto, shape: tuple[int, ...], kind: ElementType) -> np.ndarray:
    size = math.prod(shape)
    values = list(getattr(proto, kind.field))
    if kind.is_string:
        array = np.array(values, object)
    else:
        stored = kind.stored or kind.numpy
        # Narrow integers and halves travel as 32 bits; what does not fit wraps around.
        travelling = np.dtype(np.int32) if kind.field in _WIDENED else stored
        array = np.array(values, travelling).astype(stored, copy=False).view(kind.numpy)
    if len(array) < size:
        array = _extended(array, size, kind)
    return array[:size].reshape(shape)


def _extended(array: np.ndarray, size: int, kind: ElementType) -> np.ndarray:
    longer = np.full(size, b"", object) if kind.is_string else np.zeros(size, kind.numpy)
    longer[: len(array)] = array
    if len(array):
        longer[len(array) :] = array[-1]
    return longer


def _packed_strings(content: bytes, count: int) -> Iterator[bytes]:
    """Reads `count` varint lengths, then the strings end to end."""
    position = 0
    lengths = []
    for _ in range(count):
        length, position = _varint(content, position)
        lengths.append(length)
    if position + sum(lengths) != len(content):
        raise TensorError(f"tensor_content does not hold {count} strings.")
    for length in lengths:
        yield content[position : position + length]
        position += length


def _varint(content: bytes, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 35, 7):
        if position >= len(content):
            break
        byte = content[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise TensorError("tensor_content ends within a length.")
