import numpy as np
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from serving import messages
from serving.server.protos import GetModelStatusResponse, PredictRequest, PredictResponse

ids = st.text(max_size=8)


@given(
    st.lists(st.tuples(ids, st.lists(ids, max_size=4)), min_size=1, max_size=4),
    st.integers(1, 2**31 - 1),
)
def test_tf_serving_reads_the_request_as_it_was_meant(rows, k):
    queries, exclude = zip(*rows, strict=True)
    sent = messages.retrieve_request("m", queries, k, exclude).SerializeToString()
    received = PredictRequest.FromString(sent)
    assert (received.model_spec.name, received.model_spec.signature_name) == ("m", "retrieve")
    assert not received.model_spec.HasField("version")
    inputs = {name: tf.make_ndarray(proto) for name, proto in received.inputs.items()}
    width = max(map(len, exclude))
    assert inputs["query_id"].tolist() == [query.encode() for query in queries]
    assert (inputs["k"].tolist(), inputs["k"].dtype) == ([k] * len(queries), np.int32)
    assert inputs["exclude"].shape == (len(queries), width)
    for row, excluded in zip(inputs["exclude"].tolist(), exclude, strict=True):
        padding = [b""] * (width - len(excluded))
        assert row == [each.encode() for each in excluded] + padding


def test_a_request_has_the_bytes_that_tf_serving_would_send():
    theirs = PredictRequest()
    theirs.model_spec.name = "m"
    theirs.model_spec.signature_name = "retrieve"
    theirs.inputs["query_id"].CopyFrom(tf.make_tensor_proto(["196"]))
    ours = messages.PredictRequest()
    ours.model_spec.name = "m"
    ours.model_spec.signature_name = "retrieve"
    ours.inputs["query_id"].dtype = messages.DT_STRING
    ours.inputs["query_id"].tensor_shape.dim.add(size=1)
    ours.inputs["query_id"].string_val.append(b"196")
    assert ours.SerializeToString() == theirs.SerializeToString()


def test_every_field_of_a_tensor_is_read():
    theirs = PredictResponse()
    theirs.model_spec.version.value = 2**62
    values = {
        "float_val": [0.5, -np.inf],
        "double_val": [0.25],
        "int_val": [-3],
        "string_val": [b"\xff", b""],
        "int64_val": [-(2**63)],
        "bool_val": [True, False],
    }
    for field, content in values.items():
        getattr(theirs.outputs["x"], field).extend(content)
    theirs.outputs["x"].tensor_content = b"\x00\x01"
    ours = messages.PredictResponse.FromString(theirs.SerializeToString())
    assert ours.model_spec.version.value == 2**62
    assert ours.outputs["x"].tensor_content == b"\x00\x01"
    for field, content in values.items():
        assert list(getattr(ours.outputs["x"], field)) == content
    assert PredictResponse.FromString(ours.SerializeToString()) == theirs


def test_a_model_spec_holds_a_version_or_a_label():
    spec = messages.ModelSpec(name="m")
    spec.version.value = 0
    assert spec.HasField("version")
    spec.version_label = "stable"
    assert not spec.HasField("version")


def test_a_status_is_read():
    theirs = GetModelStatusResponse()
    version = theirs.model_version_status.add(version=3, state=30)
    version.status.error_message = "none"
    ours = messages.GetModelStatusResponse.FromString(theirs.SerializeToString())
    [status] = ours.model_version_status
    assert (status.version, status.state) == (3, messages.AVAILABLE)
    assert status.status.error_message == "none"
