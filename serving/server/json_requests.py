"""The body of a REST Predict request -> the call that it asks for.

{"signature_name": S, "instances": [...]}    rows: a value, or an object of all inputs, each
{"signature_name": S, "inputs": ...}         columns: a value, or an object of all inputs
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import grpc
import numpy as np

from serving.server.json_values import echo, is_base64, to_array
from serving.server.predict import Call
from serving.server.saved_model import Input, SavedModel, Signature
from serving.server.statuses import StatusError, invalid_argument
from serving.signature import SERVING_DEFAULT

SIGNATURE_NAME = "signature_name"
INSTANCES = "instances"
INPUTS = "inputs"

_PARSE_ERRORS = {
    "Expecting property name enclosed in double quotes": "Missing a name for object member.",
    "Expecting ':' delimiter": "Missing a colon after a name of object member.",
    "Unterminated string starting at": "Missing a closing quotation mark in string.",
}

Document = Mapping[str, object]
Layout = Literal["rows", "columns"]


@dataclass(frozen=True, slots=True)
class JsonCall:
    """A call, and how its answer is to be laid out."""

    call: Call
    layout: Layout


def parse(body: bytes) -> Document:
    """Parses a body; what follows the first JSON value is ignored.

    Raises:
      StatusError: The body is not JSON, or no object.
    """
    if not body:
        raise invalid_argument("JSON Parse error: The document is empty")
    try:
        text = body.decode("utf-8-sig")
        document, _ = json.JSONDecoder().raw_decode(text, len(text) - len(text.lstrip()))
    except UnicodeDecodeError as error:
        raise _parse_error("Invalid encoding in string.", error.start) from error
    except json.JSONDecodeError as error:
        raise _parse_error(_PARSE_ERRORS.get(error.msg, "Invalid value."), error.pos) from error
    except RecursionError as error:
        raise _parse_error("Lists or objects are nested too deeply.", 0) from error
    except ValueError as error:
        raise _parse_error("Number too big to be stored in double.", 0) from error
    if not isinstance(document, dict):
        raise invalid_argument(f"JSON Value: {echo(document)} Is not object")
    return document


def call_of(model: SavedModel, document: Document) -> JsonCall:
    """Reads a document for a model.

    Raises:
      StatusError: The document does not fit the signature that it names.
    """
    signature = _signature(model, document)
    layout = _layout(document)
    if layout == "rows":
        inputs = _rows(document[INSTANCES], signature)
    else:
        inputs = _columns(document[INPUTS], signature)
    return JsonCall(Call(signature, inputs, list(signature.outputs)), layout)


def _parse_error(reason: str, offset: int) -> StatusError:
    return invalid_argument(f"JSON Parse error: {reason} at offset: {offset}")


def _signature(model: SavedModel, document: Document) -> Signature:
    asked = document.get(SIGNATURE_NAME, "")
    if not isinstance(asked, str):
        raise invalid_argument(
            f"JSON Value: {echo(document)} not formatted correctly. 'signature_name' key must be "
            "a string value."
        )
    name = asked or SERVING_DEFAULT
    if name not in model.signatures:
        raise invalid_argument(f'Serving signature name: "{name}" not found in signature def')
    if not model.signatures[name].inputs:
        raise invalid_argument(f"Failed to get input map for signature: {asked or 'DEFAULT'}")
    return model.signatures[name]


def _layout(document: Document) -> Layout:
    if INSTANCES in document and INPUTS in document:
        raise _format_error(
            document,
            "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist ",
        )
    if INPUTS in document:
        return "columns"
    if INSTANCES not in document:
        raise invalid_argument("Missing 'inputs' or 'instances' key")
    instances = document[INSTANCES]
    if not isinstance(instances, list):
        raise _format_error(document, "Excepting 'instances' to be an list/array")
    if not instances:
        raise _format_error(document, "No values in 'instances' array")
    return "rows"


def _format_error(document: Document, complaint: str) -> StatusError:
    return invalid_argument(f"JSON Value: {echo(document)} {complaint}")


def _columns(value: object, signature: Signature) -> dict[str, np.ndarray]:
    if not isinstance(value, dict) or is_base64(value):
        if len(signature.inputs) > 1:
            raise invalid_argument(
                "inputs is a plain value/list, but expecting an object as multiple input tensors "
                "required as per tensorinfo_map"
            )
        return {alias: _array(value, each) for alias, each in signature.inputs.items()}
    for alias in signature.inputs:
        if alias not in value:
            raise invalid_argument(f"Missing named input: {alias} in 'inputs' object.")
    return {alias: _array(value[alias], each) for alias, each in signature.inputs.items()}


def _rows(instances: object, signature: Signature) -> dict[str, np.ndarray]:
    rows: list[object] = instances if isinstance(instances, list) else []
    if not isinstance(rows[0], dict) and len(signature.inputs) > 1:
        raise invalid_argument(
            "instances is a plain list, but expecting list of objects as multiple input tensors "
            "required as per tensorinfo_map"
        )
    are_objects = _is_named(rows[0])
    stacks: dict[str, list[np.ndarray]] = {alias: [] for alias in signature.inputs}
    for position, row in enumerate(rows):
        if are_objects:
            _add_named(row, position, signature, stacks)
        else:
            _add_plain(row, position, signature, stacks)
    return {alias: np.stack(arrays) for alias, arrays in stacks.items()}


def _is_named(row: object) -> bool:
    return isinstance(row, dict) and not is_base64(row)


def _add_named(
    row: object, position: int, signature: Signature, stacks: dict[str, list[np.ndarray]]
) -> None:
    if not isinstance(row, dict) or is_base64(row):
        raise invalid_argument(f"Expecting object but got list at item {position} of input list")
    for key, value in row.items():
        try:
            if key not in signature.inputs:
                raise invalid_argument(f"JSON object: does not have named input: {key}")
            _add(stacks[key], _array(value, signature.inputs[key]))
        except StatusError as error:
            raise invalid_argument(
                f"Failed to process element: {position} key: {key} of 'instances' list. "
                f"Error: {error}"
            ) from error
    if set(row) != set(signature.inputs):
        raise invalid_argument(
            f"Failed to process element: {position} of 'instances' list. JSON object: {echo(row)} "
            f"must only have keys: {','.join(signature.inputs)}"
        )


def _add_plain(
    row: object, position: int, signature: Signature, stacks: dict[str, list[np.ndarray]]
) -> None:
    if _is_named(row):
        raise invalid_argument(
            f"Expecting value/list but got object at item {position} of input list"
        )
    [(alias, each)] = signature.inputs.items()
    try:
        _add(stacks[alias], _array(row, each))
    except StatusError as error:
        raise invalid_argument(
            f"Failed to process element: {position} of 'instances' list. Error: {error}"
        ) from error


def _add(stack: list[np.ndarray], array: np.ndarray) -> None:
    if stack and stack[0].size != array.size:
        raise invalid_argument(f"Expecting tensor size: {stack[0].size} but got: {array.size}")
    if stack and stack[0].shape != array.shape:
        raise invalid_argument(
            f"Expecting shape {_shown(stack[0].shape)} but got: {_shown(array.shape)}"
        )
    stack.append(array)


def _shown(shape: tuple[int, ...]) -> str:
    return "[" + ",".join(map(str, shape)) + "]"


def _array(value: object, each: Input) -> np.ndarray:
    if each.dtype is None:
        raise StatusError(
            grpc.StatusCode.UNIMPLEMENTED,
            f"Conversion of JSON Value: {echo(value)} to the type of input: {each.alias}",
        )
    return to_array(value, each.dtype)
