"""A JSON value -> a dense array of a dtype, with the complaints of TF Serving's REST API."""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import grpc
import numpy as np

from serving.server.protos import (
    DT_BOOL,
    DT_DOUBLE,
    DT_FLOAT,
    DT_INT8,
    DT_INT16,
    DT_INT32,
    DT_INT64,
    DT_UINT8,
    DT_UINT32,
    DT_UINT64,
)
from serving.server.statuses import StatusError, invalid_argument
from serving.server.tensors import ElementType

ECHO_BYTES = 256
B64 = "b64"

_SPACE = re.compile(r"\s+")
_INTEGERS = {
    DT_INT32: (-(2**31), 2**31 - 1),
    DT_INT16: (-(2**31), 2**31 - 1),
    DT_INT8: (-(2**31), 2**31 - 1),
    DT_UINT8: (-(2**31), 2**31 - 1),
    DT_INT64: (-(2**63), 2**63 - 1),
    DT_UINT32: (0, 2**32 - 1),
    DT_UINT64: (0, 2**64 - 1),
}
"""The JSON integers that each dtype takes; what a narrow one cannot hold wraps around."""


@dataclass(frozen=True, slots=True)
class _Decimal:
    largest_integer: int
    largest: float


_DECIMALS = {
    DT_FLOAT: _Decimal(2**24 - 1, float(np.finfo(np.float32).max)),
    DT_DOUBLE: _Decimal(2**53 - 1, float(np.finfo(np.float64).max)),
}


def echo(value: object) -> str:
    """A value as an error message shows it, cut where it is long."""
    text = json.dumps(value, indent=4, ensure_ascii=False).encode("utf-8", "surrogatepass")
    return text[:ECHO_BYTES].decode("utf-8", "ignore")


def is_base64(value: object) -> bool:
    """Whether a value is bytes in disguise: `{"b64": "..."}`."""
    return isinstance(value, dict) and set(value) == {B64} and isinstance(value[B64], str)


def to_array(value: object, kind: ElementType) -> np.ndarray:
    """Reads a scalar or evenly nested lists.

    Args:
      value: What the parser made of the JSON.
      kind: The dtype to read it as.

    Returns:
      An array with a dimension for each level of lists.

    Raises:
      StatusError: The lists are uneven, or an element is of another type.
    """
    shape = _shape(value)
    elements: list[object] = []
    _fill(value, 0, shape, _element_reader(kind), elements)
    if kind.is_string:
        return np.array(elements, object).reshape(shape)
    wide = np.int64 if kind.field == "int_val" else kind.numpy
    return np.array(elements, wide).astype(kind.numpy).reshape(shape)


def _shape(value: object) -> tuple[int, ...]:
    shape = []
    while isinstance(value, list):
        shape.append(len(value))
        if not value:
            break
        value = value[0]
    return tuple(shape)


def _fill(
    value: object,
    level: int,
    shape: tuple[int, ...],
    read: Callable[[object], object],
    elements: list[object],
) -> None:
    if not isinstance(value, list):
        if level != len(shape):
            raise invalid_argument(
                f"JSON Value: {echo(value)} found at incorrect level: {level + 1} in the JSON "
                f"DOM. Expected at level: {len(shape)}"
            )
        elements.append(read(value))
        return
    if level >= len(shape):
        raise invalid_argument(
            f"Encountered list at unexpected level: {level} expected < {len(shape)}"
        )
    if len(value) != shape[level]:
        raise invalid_argument(
            f"Encountered list at unexpected size: {len(value)} at level: {level} "
            f"expected size: {shape[level]}"
        )
    for each in value:
        _fill(each, level + 1, shape, read, elements)


def _element_reader(kind: ElementType) -> Callable[[object], object]:
    if kind.is_string:
        return lambda value: _string(value, kind)
    if kind.number == DT_BOOL:
        return lambda value: _boolean(value, kind)
    if kind.number in _DECIMALS:
        return lambda value: _decimal(value, kind)
    return lambda value: _integer(value, kind)


def _string(value: object, kind: ElementType) -> bytes:
    if isinstance(value, dict):
        return _base64(value)
    if not isinstance(value, str):
        raise _type_error(value, kind)
    return value.encode("utf-8", "surrogatepass")


def _base64(value: Mapping[str, object]) -> bytes:
    text = value.get(B64)
    if not is_base64(value) or not isinstance(text, str):
        raise invalid_argument(f"JSON Value: {echo(value)} not formatted correctly for base64 data")
    digits = _SPACE.sub("", text).rstrip("=")
    try:
        return base64.b64decode(digits + "=" * (-len(digits) % 4), validate=True)
    except (binascii.Error, ValueError) as error:
        raise invalid_argument("Unable to base64 decode") from error


def _boolean(value: object, kind: ElementType) -> bool:
    if not isinstance(value, bool):
        raise _type_error(value, kind)
    return value


def _decimal(value: object, kind: ElementType) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise _type_error(value, kind)
    if not _is_lossless(value, _DECIMALS[kind.number]):
        raise invalid_argument(
            f"Cannot convert JSON value: {echo(value)} to {kind.name} without loss of precision."
        )
    return float(value)


def _is_lossless(value: float, limits: _Decimal) -> bool:
    if isinstance(value, int) and value.bit_length() <= 64:
        return abs(value) <= limits.largest_integer
    # Integers beyond 64 bits count as decimals, and compare exactly however long they are.
    is_finite = isinstance(value, int) or math.isfinite(value)
    return not is_finite or abs(value) <= limits.largest


def _integer(value: object, kind: ElementType) -> int:
    if kind.number not in _INTEGERS:
        raise StatusError(
            grpc.StatusCode.UNIMPLEMENTED,
            f"Conversion of JSON Value: {echo(value)} to type: {kind.name}",
        )
    lowest, highest = _INTEGERS[kind.number]
    if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
        raise _type_error(value, kind)
    return value


def _type_error(value: object, kind: ElementType) -> StatusError:
    return invalid_argument(
        f"JSON Value: {echo(value)} Type: {_type_name(value)} is not of expected type: {kind.name}"
    )


def _type_name(value: object) -> str:
    if value is None or isinstance(value, bool):
        return "Null" if value is None else str(value)
    names = {dict: "Object", list: "Array", str: "String"}
    return names.get(type(value), "Number")
