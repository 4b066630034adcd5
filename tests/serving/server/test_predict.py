import numpy as np
import pytest
import tensorflow as tf

from serving.server.deadlines import Deadline
from serving.server.predict import call_of, predict, run
from serving.server.protos import PredictRequest
from serving.server.statuses import StatusError


def request(signature="", outputs=(), **inputs):
    made = PredictRequest()
    made.model_spec.name = "candidates"
    made.model_spec.signature_name = signature
    made.output_filter.extend(outputs)
    for alias, value in inputs.items():
        made.inputs[alias].CopyFrom(tf.make_tensor_proto(value))
    return made


def test_the_answer_names_model_signature_and_version(saved_model):
    response = predict(saved_model, 7, request(query_id=["196"]))
    spec = response.model_spec
    assert (spec.name, spec.signature_name) == ("candidates", "serving_default")
    assert spec.version.value == 7
    assert not spec.version_label
    assert list(response.outputs["candidate_ids"].string_val) == [b"c9", b"c8", b"c7"]
    assert list(response.outputs["scores"].float_val) == [9.0, 8.0, 7.0]


def test_retrieve_takes_k_and_exclusions(saved_model):
    asked = request("retrieve", query_id=["a", "b"], k=[2, 3], exclude=[["c9", "c8"], ["c7", ""]])
    outputs = predict(saved_model, 1, asked).outputs
    assert list(outputs["count"].int_val) == [2, 3]
    assert list(outputs["candidate_ids"].string_val) == [b"c7", b"c6", b"", b"c9", b"c8", b"c6"]


def test_the_output_filter_chooses(saved_model):
    response = predict(saved_model, 1, request(outputs=["scores"], query_id=["a"]))
    assert list(response.outputs) == ["scores"]


@pytest.mark.parametrize(
    ("asked", "code", "message"),
    [
        (
            request("KEY", query_id=["a"]),
            "FAILED_PRECONDITION",
            'Serving signature key "KEY" not found.',
        ),
        (
            request(),
            "INVALID_ARGUMENT",
            "input size does not match signature: 0!=1 len({}) != len({query_id}). "
            "Sent extra: {}. Missing but required: {query_id}.",
        ),
        (
            request(query_id=["a"], z=[1], y=[1]),
            "INVALID_ARGUMENT",
            "input size does not match signature: 3!=1 len({query_id,y,z}) != len({query_id}). "
            "Sent extra: {y,z}. Missing but required: {}.",
        ),
        (
            request(y=["a"]),
            "INVALID_ARGUMENT",
            "Signature input alias: query_id(feed name: serving_default_query_id:0) not found in "
            "request and no default value provided. Inputs expected to be in the request {y}, or "
            "default input alias set: ",
        ),
        (
            request(query_id=["a"], outputs=["zz"]),
            "INVALID_ARGUMENT",
            "output tensor alias not found in signature: zz Outputs expected to be in the set "
            "{candidate_ids,scores}.",
        ),
        (
            request(query_id=["a"], outputs=["scores", "scores"]),
            "INVALID_ARGUMENT",
            "duplicate output tensor alias: scores",
        ),
    ],
)
def test_a_request_that_does_not_fit_is_refused(saved_model, asked, code, message):
    with pytest.raises(StatusError) as raised:
        call_of(saved_model, asked)
    assert (raised.value.code.name, raised.value.message) == (code, message)


def test_a_tensor_that_cannot_be_parsed_is_named(saved_model):
    asked = request(query_id=["a"])
    asked.inputs["query_id"].tensor_shape.unknown_rank = True
    with pytest.raises(StatusError, match="tensor parsing error: query_id"):
        call_of(saved_model, asked)


def test_a_request_whose_deadline_has_passed_is_not_run(saved_model):
    call = call_of(saved_model, request(query_id=["a"]))
    with pytest.raises(StatusError) as raised:
        run(saved_model, call, Deadline.after(-0.001))
    assert raised.value.code.name == "DEADLINE_EXCEEDED"
    assert np.isfinite(run(saved_model, call, Deadline.after(60))["scores"]).all()
