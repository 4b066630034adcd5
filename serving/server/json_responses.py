"""Output arrays -> the body of a REST Predict answer, indented as TF Serving indents it."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping, Sequence

import numpy as np

from serving.server.json_values import B64
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
from serving.server.statuses import invalid_argument
from serving.server.tensors import ElementType, TensorError, element_type

BYTES_SUFFIX = "_bytes"
INDENT = "    "

_SPECIAL_DECIMALS = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
_WHOLE_NUMBERS = {
    DT_INT32,
    DT_INT16,
    DT_INT8,
    DT_UINT8,
    DT_INT64,
    DT_UINT32,
    DT_UINT64,
}


def rows(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Lays outputs out by row: `predictions` holds a value, or an object of all outputs, each.

    Raises:
      StatusError: The outputs are not batches of one size, or of a type that JSON lacks.
    """
    batch_size = _batch_size(arrays)
    columns = {alias: _written(alias, array) for alias, array in arrays.items()}
    if len(columns) == 1:
        [column] = columns.values()
        values = ", ".join(_line(column[row]) for row in range(batch_size))
        return _body("predictions", f"[{values}\n{INDENT}]")
    objects = ",\n".join(
        _object({alias: _line(column[row]) for alias, column in columns.items()}, 2)
        for row in range(batch_size)
    )
    return _body("predictions", f"[\n{objects}\n{INDENT}]")


def columns(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Lays outputs out by column: `outputs` is a value, or an object of all outputs.

    Raises:
      StatusError: An output is of a type that JSON lacks.
    """
    written = {alias: _written(alias, array) for alias, array in arrays.items()}
    if len(written) == 1:
        [value] = written.values()
        return _body("outputs", _block(value, 1))
    blocks = {alias: _block(value, 2) for alias, value in written.items()}
    return _body("outputs", _object(blocks, 1).lstrip())


def _body(key: str, value: str) -> bytes:
    # Strings of the model that are no UTF-8 go out byte for byte.
    return f'{{\n{INDENT}"{key}": {value}\n}}'.encode("utf-8", "surrogateescape")


def _batch_size(arrays: Mapping[str, np.ndarray]) -> int:
    expected = 0
    for alias, array in arrays.items():
        if not array.ndim:
            raise invalid_argument(f"Tensor name: {alias} has no shape information ")
        size = array.shape[0]
        if size < 1:
            raise invalid_argument(f"Tensor name: {alias} has invalid batch size: {size}")
        if expected not in (0, size):
            raise invalid_argument(
                f"Tensor name: {alias} has inconsistent batch size: {size} expecting: {expected}"
            )
        expected = size
    if not expected:
        raise invalid_argument("Cannot convert empty tensor map to JSON")
    return expected


Written = str | list["Written"]


def _written(alias: str, array: np.ndarray) -> Written:
    """The array as nested lists of JSON literals."""
    try:
        kind = element_type(array.dtype)
    except TensorError as error:
        raise invalid_argument(str(error)) from error
    literals = np.empty(array.size, object)
    literals[:] = _literals(array.ravel(), kind, alias.endswith(BYTES_SUFFIX))
    return literals.reshape(array.shape).tolist()


def _literals(flat: np.ndarray, kind: ElementType, are_bytes: bool) -> Sequence[str]:
    if kind.is_string:
        return [_string(value, are_bytes) for value in flat]
    if kind.number == DT_BOOL:
        return ["true" if value else "false" for value in flat.tolist()]
    if kind.number in _WHOLE_NUMBERS:
        return [str(value) for value in flat.tolist()]
    if kind.number in (DT_FLOAT, DT_DOUBLE):
        return [_SPECIAL_DECIMALS.get(text, text) for text in map(str, flat.astype(str))]
    raise invalid_argument(f"Failed to write JSON value for tensor type: {kind.name}")


def _string(value: bytes, are_bytes: bool) -> str:
    if are_bytes:
        return json.dumps({B64: base64.b64encode(value).decode()})
    return json.dumps(value.decode("utf-8", "surrogateescape"), ensure_ascii=False)


def _line(value: Written) -> str:
    if isinstance(value, str):
        return value
    return "[" + ", ".join(map(_line, value)) + "]"


def _block(value: Written, level: int) -> str:
    if isinstance(value, str):
        return value
    if not value:
        return "[]"
    inner = INDENT * (level + 1)
    elements = f",\n{inner}".join(_block(each, level + 1) for each in value)
    return f"[\n{inner}{elements}\n{INDENT * level}]"


def _object(members: Mapping[str, str], level: int) -> str:
    outer, inner = INDENT * level, INDENT * (level + 1)
    lines = ",\n".join(f"{inner}{json.dumps(key)}: {value}" for key, value in members.items())
    return f"{outer}{{\n{lines}\n{outer}}}"
