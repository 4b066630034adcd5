import json

import pytest

from serving.server.json_requests import call_of, parse
from serving.server.statuses import StatusError


def read(model, body):
    return call_of(model, parse(body if isinstance(body, bytes) else json.dumps(body).encode()))


def test_rows_of_plain_values_feed_the_one_input(saved_model):
    asked = read(saved_model, {"instances": ["a", {"b64": "Yg=="}]})
    assert asked.layout == "rows"
    assert asked.call.signature.name == "serving_default"
    assert asked.call.inputs["query_id"].tolist() == [b"a", b"b"]


def test_rows_of_objects_feed_all_inputs(saved_model):
    rows = [
        {"query_id": "a", "k": 2, "exclude": ["c9", ""]},
        {"query_id": "b", "k": 1, "exclude": ["c1", "c2"]},
    ]
    inputs = read(saved_model, {"signature_name": "retrieve", "instances": rows}).call.inputs
    assert inputs["query_id"].tolist() == [b"a", b"b"]
    assert inputs["k"].tolist() == [2, 1]
    assert inputs["exclude"].tolist() == [[b"c9", b""], [b"c1", b"c2"]]


def test_columns_feed_all_inputs_and_further_keys_are_ignored(saved_model):
    columns = {"query_id": ["a"], "k": [2], "exclude": [["c9"]], "extra": 1}
    asked = read(saved_model, {"signature_name": "retrieve", "inputs": columns})
    assert asked.layout == "columns"
    assert set(asked.call.inputs) == {"query_id", "k", "exclude"}
    assert read(saved_model, {"inputs": ["a"]}).call.inputs["query_id"].tolist() == [b"a"]


def test_what_follows_the_first_document_is_ignored(saved_model):
    assert read(saved_model, b' {"inputs": ["a"]} }garbage').layout == "columns"


ROW = {"query_id": "a", "k": 2, "exclude": ["c9"]}


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "JSON Parse error: The document is empty"),
        (b"x", "JSON Parse error: Invalid value. at offset: 0"),
        (b"{1: 2}", "JSON Parse error: Missing a name for object member. at offset: 1"),
        (b'{"a" 2}', "JSON Parse error: Missing a colon after a name of object member. at"),
        (b'{"a\xff": 2}', "JSON Parse error: Invalid encoding in string. at offset: 3"),
        (b"[" * 100_000, "JSON Parse error: Lists or objects are nested too deeply."),
        (b'{"inputs": ' + b"9" * 5000 + b"}", "JSON Parse error: Number too big to be stored"),
        ([1], "JSON Value: [\n    1\n] Is not object"),
        ({"signature_name": 1, "inputs": 1}, "JSON Value: {"),
        (
            {"signature_name": "S", "inputs": 1},
            'Serving signature name: "S" not found in signature def',
        ),
        ({}, "Missing 'inputs' or 'instances' key"),
        ({"instances": ["a"], "inputs": ["a"]}, "JSON Value: {"),
        ({"instances": "a"}, "JSON Value: {"),
        ({"instances": []}, 'JSON Value: {\n    "instances": []\n} No values in'),
        (
            {"instances": [["a"], ["a", "b"]]},
            "Failed to process element: 1 of 'instances' list. Error: INVALID_ARGUMENT: Expecting "
            "tensor size: 1 but got: 2",
        ),
        (
            {"instances": [["a", "b"], [["a"], ["b"]]]},
            "Failed to process element: 1 of 'instances' list. Error: INVALID_ARGUMENT: Expecting "
            "shape [2] but got: [2,1]",
        ),
        (
            {"instances": [1]},
            "Failed to process element: 0 of 'instances' list. Error: INVALID_ARGUMENT: JSON "
            "Value: 1 Type: Number is not of expected type: string",
        ),
        ({"instances": ["a", {"query_id": "b"}]}, "Expecting value/list but got object at item 1"),
        ({"instances": [{"query_id": "b"}, "a"]}, "Expecting object but got list at item 1 of"),
        (
            {"instances": [{"query_id": "b", "z": 1}]},
            "Failed to process element: 0 key: z of 'instances' list. Error: INVALID_ARGUMENT: "
            "JSON object: does not have named input: z",
        ),
        (
            {"signature_name": "retrieve", "instances": [{"query_id": "b"}]},
            "Failed to process element: 0 of 'instances' list. JSON object: {\n",
        ),
        (
            {"signature_name": "retrieve", "instances": ["a"]},
            "instances is a plain list, but expecting list of objects as multiple input tensors "
            "required as per tensorinfo_map",
        ),
        (
            {"signature_name": "retrieve", "inputs": ["a"]},
            "inputs is a plain value/list, but expecting an object as multiple input tensors "
            "required as per tensorinfo_map",
        ),
        (
            {"signature_name": "retrieve", "inputs": {"query_id": ["a"], "k": [1]}},
            "Missing named input: exclude in 'inputs' object.",
        ),
    ],
)
def test_a_body_that_does_not_fit_is_refused(saved_model, body, message):
    with pytest.raises(StatusError) as raised:
        read(saved_model, body)
    assert raised.value.message.startswith(message)
    assert raised.value.http_status == 400


def test_both_keys_are_one_too_many(saved_model):
    with pytest.raises(StatusError) as raised:
        read(saved_model, {"instances": ["a"], "inputs": ["a"]})
    assert raised.value.message.endswith(
        "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist "
    )
