import numpy as np
import pytest

from serving.server import protos
from serving.server.json_values import echo, to_array
from serving.server.statuses import StatusError
from serving.server.tensors import ELEMENT_TYPES

FLOAT = ELEMENT_TYPES[protos.DT_FLOAT]
DOUBLE = ELEMENT_TYPES[protos.DT_DOUBLE]
INT32 = ELEMENT_TYPES[protos.DT_INT32]
INT64 = ELEMENT_TYPES[protos.DT_INT64]
UINT8 = ELEMENT_TYPES[protos.DT_UINT8]
BOOL = ELEMENT_TYPES[protos.DT_BOOL]
STRING = ELEMENT_TYPES[protos.DT_STRING]
HALF = ELEMENT_TYPES[protos.DT_HALF]


@pytest.mark.parametrize(
    ("value", "kind", "expected"),
    [
        (1, FLOAT, np.float32(1)),
        ([[1, 2.5], [3, 4]], FLOAT, np.array([[1, 2.5], [3, 4]], np.float32)),
        ([float("inf"), float("-inf")], FLOAT, np.array([np.inf, -np.inf], np.float32)),
        ([[], []], INT64, np.zeros((2, 0), np.int64)),
        (2**63 - 1, INT64, np.int64(2**63 - 1)),
        ([True, False], BOOL, np.array([True, False])),
        ([300], UINT8, np.array([300 - 256], np.uint8)),
    ],
)
def test_numbers_become_arrays(value, kind, expected):
    array = to_array(value, kind)
    assert array.dtype == expected.dtype
    np.testing.assert_array_equal(array, expected)


def test_strings_are_utf_8_and_base64_is_decoded():
    assert to_array(["é", {"b64": "aGk="}, {"b64": "aGk"}], STRING).tolist() == [
        "é".encode(),
        b"hi",
        b"hi",
    ]


@pytest.mark.parametrize(
    ("value", "kind", "message"),
    [
        ("x", FLOAT, 'JSON Value: "x" Type: String is not of expected type: float'),
        (1, STRING, "JSON Value: 1 Type: Number is not of expected type: string"),
        (1.0, INT32, "JSON Value: 1.0 Type: Number is not of expected type: int32"),
        (2**31, INT32, "JSON Value: 2147483648 Type: Number is not of expected type: int32"),
        (True, INT32, "JSON Value: true Type: True is not of expected type: int32"),
        (None, FLOAT, "JSON Value: null Type: Null is not of expected type: float"),
        (1, BOOL, "JSON Value: 1 Type: Number is not of expected type: bool"),
        ({"a": 1}, FLOAT, 'JSON Value: {\n    "a": 1\n} Type: Object is not of expected'),
        ({"a": 1}, STRING, 'JSON Value: {\n    "a": 1\n} not formatted correctly for base64 data'),
        ({"b64": "a"}, STRING, "Unable to base64 decode"),
        (
            2**24,
            FLOAT,
            "Cannot convert JSON value: 16777216 to float without loss of precision.",
        ),
        (1e39, FLOAT, "Cannot convert JSON value: 1e+39 to float without loss of precision."),
        (10**400, DOUBLE, "Cannot convert JSON value: 1"),
        (2**53, DOUBLE, "Cannot convert JSON value: 9007199254740992 to double without loss"),
        ([[1], 2], INT32, "JSON Value: 2 found at incorrect level: 2 in the JSON DOM. Expected"),
        ([1, [2]], INT32, "Encountered list at unexpected level: 1 expected < 1"),
        ([[1, 2], [3]], INT32, "Encountered list at unexpected size: 1 at level: 1 expected size"),
        (1, HALF, "Conversion of JSON Value: 1 to type: half"),
    ],
)
def test_what_does_not_fit_is_named(value, kind, message):
    with pytest.raises(StatusError) as raised:
        to_array(value, kind)
    assert raised.value.message.startswith(message)


def test_an_echo_is_at_most_256_bytes():
    assert len(echo("é" * 500).encode()) <= 256
