# pyright: reportAttributeAccessIssue=false
# (protobuf makes its message classes when it is imported)
"""From logs to answers: Beam, training, export, a server of its own, gRPC and REST, a hot swap."""

import threading

import grpc
import httpx
import pytest
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    predict_pb2,
    prediction_service_pb2_grpc,
)

from components.artifacts import Checkpoint, Prepared
from components.holdout import read_queries
from components.recommendations import recommend
from pipeline import config, steps
from pipeline.runners import pipeline_options
from serving.client import RetrievalClient
from serving.signature import CANDIDATE_IDS, COUNT, EXCLUDE, QUERY_ID, RETRIEVE, K
from tests.conftest import write_run
from tests.preparing import read_examples, rows_of
from tests.serving.harness import ServerProcess, wait_for
from tests.world import write_world

K_ASKED = 10


def publish(small, *overrides):
    run = config.load(small.config, overrides)
    prepared = steps.prepare(run, pipeline_options([]))
    checkpoint = steps.train(run, prepared)
    return steps.publish(run, steps.export(run, prepared, checkpoint))


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """A world of its own, with version 1 published."""
    directory = tmp_path_factory.mktemp("whole_way")
    small = write_run(directory, write_world(directory / "world", seed=5))
    assert publish(small).name == "1"
    return small


@pytest.fixture(scope="module")
def expected(world):
    """What the trainer would answer each query of the test split, what it saw left out."""
    run = config.load(world.config)
    prepared = Prepared.open(world.work_dir / "prepared")
    embedded = steps.embedded(run, prepared, Checkpoint.open(world.work_dir / "checkpoint"))
    queries = read_queries(prepared, "test")
    return dict(recommend(embedded, prepared, "test", queries, K_ASKED))


@pytest.fixture(scope="module")
def seen(world):
    """What each query interacted with, up to the test split."""
    prepared = Prepared.open(world.work_dir / "prepared")
    queries = [row["id"] for row in rows_of(prepared.queries)]
    candidates = [row["id"] for row in rows_of(prepared.candidates)]
    past = {}
    for split in ("train", "validation"):
        for candidate, query, _ in read_examples(prepared.path, split):
            past.setdefault(queries[query - 1], set()).add(candidates[candidate - 1])
    return past


@pytest.fixture(scope="module")
def server(world, tmp_path_factory):
    log = tmp_path_factory.mktemp("server") / "log"
    process = ServerProcess(world.work_dir / "published", log)
    try:
        with RetrievalClient(process.target) as client:
            client.wait_until_ready()
        yield process
    finally:
        process.stop()


def request_for(query, exclude):
    request = predict_pb2.PredictRequest()
    request.model_spec.name = "candidates"
    request.model_spec.signature_name = RETRIEVE
    request.inputs[QUERY_ID].CopyFrom(tf.make_tensor_proto([query]))
    request.inputs[K].CopyFrom(tf.make_tensor_proto([K_ASKED], tf.int32))
    request.inputs[EXCLUDE].CopyFrom(tf.make_tensor_proto([sorted(exclude)], tf.string))
    return request


def test_a_stock_grpc_client_gets_the_trainers_candidates(server, expected, seen):
    with grpc.insecure_channel(server.target) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        for query, candidates in expected.items():
            answer = stub.Predict(request_for(query, seen[query]), timeout=30)
            got = [value.decode() for value in answer.outputs[CANDIDATE_IDS].string_val]
            count = answer.outputs[COUNT].int_val[0]
            assert got[:count] == candidates
            assert not set(got[:count]) & seen[query]


def test_rest_gives_the_same_candidates(server, expected, seen):
    query, candidates = next(iter(expected.items()))
    answer = httpx.post(
        f"{server.url}/v1/models/candidates:predict",
        json={
            "signature_name": RETRIEVE,
            "instances": [{QUERY_ID: query, K: K_ASKED, EXCLUDE: sorted(seen[query])}],
        },
        timeout=30,
    )
    (row,) = answer.json()["predictions"]
    assert row[CANDIDATE_IDS][: row[COUNT]] == candidates


def test_our_client_gets_them_in_a_batch(server, expected, seen):
    with RetrievalClient(server.target) as client:
        answers = client.retrieve_batch(
            list(expected), k=K_ASKED, exclude=[sorted(seen[query]) for query in expected]
        )
    assert [[each.id for each in answer] for answer in answers] == list(expected.values())


def test_the_metadata_names_the_signatures(server):
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = "candidates"
    with grpc.insecure_channel(server.target) as channel:
        stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
        answer = stub.GetModelMetadata(request, timeout=30)
    described = get_model_metadata_pb2.SignatureDefMap()
    answer.metadata["signature_def"].Unpack(described)
    assert {"serving_default", "retrieve", "embed_query"} <= set(described.signature_def)


def test_a_new_version_takes_over_while_requests_run_and_none_fails(world, server, expected, seen):
    query = next(iter(expected))
    versions, failures, done = [], [], threading.Event()

    def ask():
        with grpc.insecure_channel(server.target) as channel:
            stub = prediction_service_pb2_grpc.PredictionServiceStub(channel)
            while not done.is_set():
                try:
                    answer = stub.Predict(request_for(query, seen[query]), timeout=30)
                    versions.append(answer.model_spec.version.value)
                except grpc.RpcError as error:
                    failures.append(error)

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        wait_for(lambda: versions, "the first answer")
        assert publish(world, "train.epochs=1").name == "2"
        wait_for(lambda: versions[-1] == 2 and failures == [], "an answer of version 2")
        asked = len(versions)
        wait_for(lambda: len(versions) > asked + 20, "answers after the swap")
    finally:
        done.set()
        for thread in threads:
            thread.join()
    assert failures == []
    assert set(versions) == {1, 2}
    with RetrievalClient(server.target) as client:
        wait_for(lambda: client.model_versions() == (2,), "version 1 to be unloaded")


def test_the_server_drains_and_ends_well_when_told_to(server):
    server.send_sigterm()
    assert server.exit_code() == 0
