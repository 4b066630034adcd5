"""The server as a process, called by TF Serving's own stubs and over HTTP."""

import socket
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import grpc
import httpx
import numpy as np
import pytest
import tensorflow as tf
from grpc_health.v1 import health_pb2, health_pb2_grpc
from tensorflow_serving.apis import model_service_pb2_grpc, prediction_service_pb2_grpc

from serving.server.protos import (
    GetModelMetadataRequest,
    GetModelStatusRequest,
    ModelVersionStatus,
    PredictRequest,
    SignatureDefMap,
)
from tests.serving.harness import COUNT_TO, DEADLINE_S, SLOW_N, publish, wait_for

SERVING = health_pb2.HealthCheckResponse.SERVING
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING
GRACE_S = 30.0
AVAILABLE = ModelVersionStatus.AVAILABLE
END = ModelVersionStatus.END


def request(signature="", **inputs):
    made = PredictRequest()
    made.model_spec.name = "candidates"
    made.model_spec.signature_name = signature
    for alias, value in inputs.items():
        made.inputs[alias].CopyFrom(tf.make_tensor_proto(value))
    return made


def slow_request():
    return request(COUNT_TO, n=np.int32(SLOW_N))


def predict(channel, asked):
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    return stub.Predict(asked, timeout=DEADLINE_S)


def refusal(channel):
    end = time.monotonic() + DEADLINE_S
    while time.monotonic() < end:
        try:
            predict(channel, request(query_id=["196"]))
        except grpc.RpcError as error:
            return error.code()
    raise TimeoutError("The server went on taking requests.")


def states(channel, name="candidates"):
    asked = GetModelStatusRequest()
    asked.model_spec.name = name
    stub = model_service_pb2_grpc.ModelServiceStub(channel)
    response = stub.GetModelStatus(asked, timeout=DEADLINE_S)
    return {each.version: each.state for each in response.model_version_status}


def test_predict_answers_tf_servings_stub(channel):
    response = predict(channel, request(query_id=["196", "nobody"]))
    assert response.model_spec.version.value == 1
    assert response.outputs["scores"].float_val[:3] == [9.0, 8.0, 7.0]
    assert tf.make_ndarray(response.outputs["candidate_ids"]).tolist() == [
        [b"c9", b"c8", b"c7"],
        [b"c9", b"c8", b"c7"],
    ]


@pytest.mark.parametrize(
    ("asked", "code", "details"),
    [
        (PredictRequest(), "INVALID_ARGUMENT", "Missing ModelSpec"),
        (
            request("KEY", query_id=["a"]),
            "FAILED_PRECONDITION",
            'Serving signature key "KEY" not found.',
        ),
        (
            request(query_id=[1]),
            "INVALID_ARGUMENT",
            "Type mismatch: actual int32 vs. expect string\n"
            "\t [[{{node _arg_serving_default_query_id_0_0}}]]",
        ),
    ],
)
def test_a_refused_request_carries_code_and_message(channel, asked, code, details):
    with pytest.raises(grpc.RpcError) as raised:
        predict(channel, asked)
    assert (raised.value.code().name, raised.value.details()) == (code, details)


def test_the_clients_deadline_ends_the_run(channel):
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    with pytest.raises(grpc.RpcError) as raised:
        stub.Predict(request(COUNT_TO, n=np.int32(1000 * SLOW_N)), timeout=0.3)
    assert raised.value.code() is grpc.StatusCode.DEADLINE_EXCEEDED


def test_a_request_above_grpcs_default_limit_is_answered(channel):
    query = b"q" * 5_000_000
    assert predict(channel, request("embed_query", query_id=[query])).outputs["embedding"].float_val


def test_metadata_tells_the_signatures(channel):
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    asked = GetModelMetadataRequest(metadata_field=["signature_def"])
    asked.model_spec.name = "candidates"
    response = stub.GetModelMetadata(asked, timeout=DEADLINE_S)
    signatures = SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(signatures)
    assert response.model_spec.version.value == 1
    assert set(signatures.signature_def["retrieve"].inputs) == {"query_id", "k", "exclude"}


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ([], "GetModelMetadataRequest must specify at least one metadata_field"),
        (["X"], "Metadata field X is not supported"),
    ],
)
def test_other_metadata_is_refused(channel, fields, message):
    stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
    asked = GetModelMetadataRequest(metadata_field=fields)
    asked.model_spec.name = "candidates"
    with pytest.raises(grpc.RpcError) as raised:
        stub.GetModelMetadata(asked, timeout=DEADLINE_S)
    assert (raised.value.code().name, raised.value.details()) == ("INVALID_ARGUMENT", message)


def test_status_tells_the_version(channel):
    assert states(channel) == {1: AVAILABLE}
    with pytest.raises(grpc.RpcError) as raised:
        states(channel, "X")
    assert raised.value.details() == "Could not find any versions of model X"


def test_health_names_the_server_and_its_services(channel):
    stub: Any = health_pb2_grpc.HealthStub(channel)
    for service in (
        "",
        "PredictionService",
        "ModelService",
        "tensorflow.serving.PredictionService",
        "tensorflow.serving.ModelService",
    ):
        asked = health_pb2.HealthCheckRequest(service=service)
        assert stub.Check(asked, timeout=DEADLINE_S).status == SERVING
    with pytest.raises(grpc.RpcError) as raised:
        stub.Check(health_pb2.HealthCheckRequest(service="nobody"), timeout=DEADLINE_S)
    assert raised.value.code() is grpc.StatusCode.NOT_FOUND


def test_rest_answers_rows_columns_status_and_metadata(server):
    with httpx.Client(base_url=server.url, timeout=DEADLINE_S) as http:
        rows = http.post("/v1/models/candidates:predict", json={"instances": ["196"]})
        assert rows.headers["content-type"] == "application/json"
        assert rows.json() == {
            "predictions": [{"candidate_ids": ["c9", "c8", "c7"], "scores": [9.0, 8.0, 7.0]}]
        }
        columns = http.post(
            "/v1/models/candidates/versions/1:predict",
            json={
                "signature_name": "retrieve",
                "inputs": {"query_id": ["196"], "k": [1], "exclude": [["c9"]]},
            },
        )
        assert columns.json()["outputs"]["candidate_ids"] == [["c8"]]
        assert http.get("/v1/models/candidates").json() == {
            "model_version_status": [
                {
                    "version": "1",
                    "state": "AVAILABLE",
                    "status": {"error_code": "OK", "error_message": ""},
                }
            ]
        }
        metadata = http.get("/v1/models/candidates/metadata").json()
        assert metadata["model_spec"] == {
            "name": "candidates",
            "signature_name": "",
            "version": "1",
        }
        signature = metadata["metadata"]["signature_def"]["signature_def"]["serving_default"]
        assert signature["inputs"]["query_id"]["dtype"] == "DT_STRING"
        assert signature["defaults"] == {}


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "message"),
    [
        ("GET", "/v1/models", None, 400, "Missing model name in request."),
        ("GET", "/v1/models/X", None, 404, "Could not find any versions of model X"),
        ("DELETE", "/v1/x", None, 400, "Malformed request: DELETE /v1/x"),
        (
            "POST",
            "/v1/models/X:predict",
            {"instances": ["a"]},
            404,
            "Servable not found for request: Latest(X)",
        ),
        (
            "POST",
            "/v1/models/candidates/versions/7:predict",
            {"instances": ["a"]},
            404,
            "Servable not found for request: Specific(candidates, 7)",
        ),
        (
            "POST",
            "/v1/models/candidates:predict",
            {"signature_name": "S", "instances": ["a"]},
            400,
            'Serving signature name: "S" not found in signature def',
        ),
    ],
)
def test_rest_tells_errors_as_json(server, method, path, body, status, message):
    response = httpx.request(method, server.url + path, json=body, timeout=DEADLINE_S)
    assert (response.status_code, response.json()) == (status, {"error": message})
    assert response.headers["content-type"] == "application/json"


def test_rest_knows_nothing_beside_v1(server):
    assert httpx.get(f"{server.url}/v2/models", timeout=DEADLINE_S).status_code == 404


def test_a_new_version_takes_over_while_requests_are_answered(
    start_server, tmp_path, version_1, version_2
):
    base_path = tmp_path / "candidates"
    publish(version_1, base_path, 1)
    server = start_server(base_path)
    server.wait_for_log("serving grpc=0.0.0.0:")
    answered, failures, enough = [], [], threading.Event()

    def keep_asking():
        with grpc.insecure_channel(server.target) as own_channel:
            while not enough.is_set():
                try:
                    response = predict(own_channel, request(query_id=["196"]))
                except grpc.RpcError as error:
                    failures.append(error)
                    return
                best = response.outputs["scores"].float_val[0]
                answered.append((response.model_spec.version.value, best))

    asking = [threading.Thread(target=keep_asking) for _ in range(2)]
    for thread in asking:
        thread.start()
    try:
        wait_for(lambda: answered, "the first answer")
        publish(version_2, base_path, 2)
        with grpc.insecure_channel(server.target) as channel:
            wait_for(lambda: states(channel) == {1: END, 2: AVAILABLE}, "the swap")
        seen = len(answered)
        wait_for(lambda: failures or len(answered) > seen + 10, "answers after the swap")
    finally:
        enough.set()
        for thread in asking:
            thread.join()
    assert not failures
    assert set(answered) == {(1, 9.0), (2, 109.0)}
    assert "unloaded model=candidates version=1" in server.log


def test_a_drain_answers_what_runs_and_ends_well(start_server, tmp_path, version_1):
    publish(version_1, tmp_path / "candidates", 1)
    server = start_server(tmp_path / "candidates")
    server.wait_for_log("serving grpc=")
    with grpc.insecure_channel(server.target) as channel:
        health: Any = health_pb2_grpc.HealthStub(channel)
        watch = health.Watch(health_pb2.HealthCheckRequest())
        assert next(watch).status == SERVING
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        running = stub.Predict.future(slow_request(), timeout=DEADLINE_S)
        # One connection keeps the order of requests: once this is answered, the slow one runs.
        predict(channel, request(query_id=["196"]))
        assert not running.done()
        signalled = time.monotonic()
        server.send_sigterm()
        assert next(watch).status == NOT_SERVING
        assert not running.done()
        # gRPC cancels what arrives while it closes, and refuses what comes after.
        assert refusal(channel) in (grpc.StatusCode.CANCELLED, grpc.StatusCode.UNAVAILABLE)
        assert running.result().outputs["reached"].int_val == [SLOW_N]
    assert server.exit_code() == 0
    assert time.monotonic() - signalled < GRACE_S
    assert "stopped" in server.log
    assert "Traceback" not in server.log


def test_rest_requests_are_drained_too(start_server, tmp_path, version_1):
    publish(version_1, tmp_path / "candidates", 1)
    server = start_server(tmp_path / "candidates", ["--port=0"])
    server.wait_for_log("serving grpc=off rest=")
    url = f"{server.url}/v1/models/candidates:predict"
    body = {"signature_name": COUNT_TO, "inputs": SLOW_N}
    with ThreadPoolExecutor(1) as pool:
        idle_s = server.cpu_seconds
        running = pool.submit(httpx.post, url, json=body, timeout=DEADLINE_S)
        wait_for(lambda: server.cpu_seconds > idle_s + 0.3, "the slow request to run")
        server.send_sigterm()
        assert server.exit_code() == 0
        assert running.result().json() == {"outputs": SLOW_N}


def test_a_request_that_outlasts_the_grace_is_given_up(start_server, tmp_path, version_1):
    publish(version_1, tmp_path / "candidates", 1)
    server = start_server(tmp_path / "candidates", ["--shutdown_grace_seconds=0.2"])
    server.wait_for_log("serving grpc=")
    with grpc.insecure_channel(server.target) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        endless = request(COUNT_TO, n=np.int32(2**31 - 1))
        running = stub.Predict.future(endless, timeout=10 * DEADLINE_S)
        predict(channel, request(query_id=["196"]))
        server.send_sigterm()
        assert server.exit_code() == 0
        assert running.exception().code() in (
            grpc.StatusCode.UNAVAILABLE,
            grpc.StatusCode.CANCELLED,
        )


def test_a_model_that_cannot_be_loaded_ends_the_start(start_server, tmp_path):
    (tmp_path / "candidates" / "1").mkdir(parents=True)
    (tmp_path / "candidates" / "1" / "saved_model.pb").write_bytes(b"garbage")
    server = start_server(tmp_path / "candidates", ["--max_num_load_retries=0", "--bogus=1"])
    assert server.exit_code() == 255
    assert "unknown argument: --bogus=1\nusage: " in server.log
    assert (
        "Failed to start server. Error: UNKNOWN: 1 servable(s) did not become available: "
        "{{name: candidates version: 1} due to error: " in server.log
    )


def test_a_taken_port_ends_the_start(start_server, tmp_path, version_1):
    publish(version_1, tmp_path / "candidates", 1)
    with socket.create_server(("0.0.0.0", 0)) as taken:
        port = taken.getsockname()[1]
        server = start_server(tmp_path / "candidates", [f"--rest_api_port={port}"])
        assert server.exit_code() == 255
    assert f"Failed to start server. Error: UNAVAILABLE: Cannot listen on port {port}" in server.log
    assert "Traceback" not in server.log


def test_a_server_that_still_waits_for_a_model_can_be_stopped(start_server, tmp_path):
    server = start_server(tmp_path / "candidates")
    server.wait_for_log(f"Could not find base path {tmp_path / 'candidates'} for servable")
    server.send_sigterm()
    assert server.exit_code() == 0
