import json

import numpy as np
import pytest

from serving.server.json_responses import columns, rows
from serving.server.statuses import StatusError

IDS = np.array([[b"a", b"b"], [b"c", b""]], object)
SCORES = np.array([[2.0, 0.1], [1e-7, -np.inf]], np.float32)


def test_rows_of_many_outputs_are_objects():
    assert rows({"ids": IDS, "scores": SCORES}).decode() == (
        '{\n    "predictions": [\n'
        '        {\n            "ids": ["a", "b"],\n            "scores": [2.0, 0.1]\n        },\n'
        '        {\n            "ids": ["c", ""],\n            "scores": [1e-07, -Infinity]\n'
        "        }\n    ]\n}"
    )


def test_rows_of_one_output_are_values():
    assert json.loads(rows({"ids": IDS})) == {"predictions": [["a", "b"], ["c", ""]]}
    assert json.loads(rows({"n": np.array([3, 4])})) == {"predictions": [3, 4]}


def test_columns_of_many_outputs_are_one_object():
    body = json.loads(columns({"ids": IDS, "scores": SCORES}))
    assert body["outputs"]["ids"] == [["a", "b"], ["c", ""]]
    assert body["outputs"]["scores"] == [[2.0, 0.1], [1e-07, float("-inf")]]


def test_columns_of_one_output_are_its_value():
    assert columns({"n": np.array([3, 4])}).decode() == (
        '{\n    "outputs": [\n        3,\n        4\n    ]\n}'
    )
    assert columns({"n": np.array(3, np.float32)}).decode() == ('{\n    "outputs": 3.0\n}')


def test_special_numbers_are_written_bare():
    values = np.array([np.nan, np.inf, -np.inf, 3.0], np.float64)
    assert b"[NaN, Infinity, -Infinity, 3.0" in rows({"x": values})


def test_strings_named_bytes_are_base64():
    body = json.loads(columns({"raw_bytes": np.array([b"\xff\x00"], object)}))
    assert body == {"outputs": [{"b64": "/wA="}]}


def test_a_string_that_is_no_utf_8_goes_out_as_it_is():
    assert b'"\xff"' in columns({"raw": np.array([b"\xff"], object)})


def test_booleans_and_whole_numbers_are_literals():
    body = json.loads(rows({"b": np.array([True, False]), "n": np.array([1, 2], np.uint8)}))
    assert body == {"predictions": [{"b": True, "n": 1}, {"b": False, "n": 2}]}


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"X": np.array(1)}, "Tensor name: X has no shape information "),
        ({"X": np.zeros([0, 2])}, "Tensor name: X has invalid batch size: 0"),
        (
            {"W": np.zeros([2]), "X": np.zeros([3])},
            "Tensor name: X has inconsistent batch size: 3 expecting: 2",
        ),
        ({"X": np.zeros([1], np.float16)}, "Failed to write JSON value for tensor type: half"),
    ],
)
def test_outputs_that_are_no_rows_are_refused(arrays, message):
    with pytest.raises(StatusError) as raised:
        rows(arrays)
    assert raised.value.message == message
