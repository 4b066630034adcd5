import subprocess
import sys
import time
from concurrent import futures

import grpc
import pytest

from serving.client import (
    BadRequest,
    Candidate,
    DeadlineExceeded,
    ModelNotFound,
    Retries,
    RetrievalClient,
    RetrievalError,
    Unavailable,
)
from tests.serving.harness import free_port, publish

PREDICTION_SERVICE = "tensorflow.serving.PredictionService"


@pytest.fixture
def client(server):
    with RetrievalClient(server.target, deadline_s=30.0) as opened:
        yield opened


@pytest.fixture
def refusing_server():
    """A server that answers each Predict with the next of the given codes."""
    pool = futures.ThreadPoolExecutor(2)
    server = grpc.server(pool)
    codes, calls = [], []

    def predict(request, context):
        calls.append(request)
        context.abort(codes[min(len(calls), len(codes)) - 1], "as told")

    handlers = {"Predict": grpc.unary_unary_rpc_method_handler(predict)}
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(PREDICTION_SERVICE, handlers),)
    )
    port = server.add_insecure_port("localhost:0")
    server.start()
    yield f"localhost:{port}", codes, calls
    server.stop(None).wait()
    pool.shutdown()


def test_candidates_come_best_first(client):
    assert client.retrieve("196", k=2) == (Candidate("c9", 9.0), Candidate("c8", 8.0))


def test_excluded_candidates_do_not_come_back(client):
    found = client.retrieve("196", k=10, exclude=["c9", "c0", "unknown"])
    assert [each.id for each in found] == [f"c{number}" for number in range(8, 0, -1)]


def test_a_batch_answers_each_query_with_its_own_exclusions(client):
    batch = client.retrieve_batch(["a", "b", "c"], k=2, exclude=[[], ["c9", "c8"], ["c7"]])
    assert [[each.id for each in row] for row in batch] == [
        ["c9", "c8"],
        ["c7", "c6"],
        ["c9", "c8"],
    ]
    assert client.retrieve_batch([]) == []


def test_nothing_eligible_is_an_empty_answer(client):
    assert client.retrieve("196", k=3, exclude=[f"c{number}" for number in range(10)]) == ()


def test_the_versions_that_answer_are_told(client):
    assert client.model_versions() == (1,)


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ({"queries": ["a"], "k": 0}, "`k` must be at least 1. Received: 0."),
        (
            {"queries": ["a"], "exclude": [[], []]},
            "`exclude` must hold one list for each query. Received: 2 lists for 1 queries.",
        ),
    ],
)
def test_a_wrong_argument_is_named(client, arguments, named):
    with pytest.raises(ValueError, match="Received") as raised:
        client.retrieve_batch(**arguments)
    assert str(raised.value) == named


def test_an_unknown_model_is_not_found(server):
    with (
        RetrievalClient(server.target, model_name="X", deadline_s=30.0) as client,
        pytest.raises(ModelNotFound, match=r"Servable not found for request: Latest\(X\)"),
    ):
        client.retrieve("196")


def test_no_server_is_unavailable_after_retries():
    target = f"localhost:{free_port()}"
    with (
        RetrievalClient(target, deadline_s=5.0, retries=Retries(2, 0.01)) as client,
        pytest.raises(Unavailable, match=target),
    ):
        client.retrieve("196")


@pytest.mark.parametrize(
    ("code", "error", "tries"),
    [
        (grpc.StatusCode.UNAVAILABLE, Unavailable, 3),
        (grpc.StatusCode.CANCELLED, Unavailable, 3),
        (grpc.StatusCode.DEADLINE_EXCEEDED, DeadlineExceeded, 1),
        (grpc.StatusCode.NOT_FOUND, ModelNotFound, 1),
        (grpc.StatusCode.INVALID_ARGUMENT, BadRequest, 1),
        (grpc.StatusCode.FAILED_PRECONDITION, BadRequest, 1),
        (grpc.StatusCode.INTERNAL, RetrievalError, 1),
    ],
)
def test_each_code_is_its_error_and_only_unavailable_is_tried_again(
    refusing_server, code, error, tries
):
    target, codes, calls = refusing_server
    codes.append(code)
    with RetrievalClient(target, deadline_s=30.0, retries=Retries(2, 0.01)) as client:
        with pytest.raises(RetrievalError) as raised:
            client.retrieve("196")
        assert type(raised.value) is error
        assert str(raised.value) == f"candidates at {target} answered {code.name}: as told"
    assert len(calls) == tries


def test_a_retry_may_meet_another_answer(refusing_server):
    target, codes, calls = refusing_server
    codes += [grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.NOT_FOUND]
    with (
        RetrievalClient(target, deadline_s=30.0, retries=Retries(5, 0.01)) as client,
        pytest.raises(ModelNotFound),
    ):
        client.retrieve("196")
    assert len(calls) == 2


def test_retries_end_with_the_deadline():
    started = time.monotonic()
    patient = Retries(most=1000, first_wait_s=0.01, longest_wait_s=0.05)
    with (
        RetrievalClient(f"localhost:{free_port()}", deadline_s=0.5, retries=patient) as client,
        pytest.raises((Unavailable, DeadlineExceeded)),
    ):
        client.retrieve("196")
    assert time.monotonic() - started < 5.0


def test_pauses_double_up_to_the_longest():
    retries = Retries(most=9, first_wait_s=0.1, longest_wait_s=0.5)
    for retry, longest in enumerate([0.1, 0.2, 0.4, 0.5, 0.5]):
        assert longest / 2 <= retries.wait_s(retry) <= longest


def test_waiting_for_a_server_ends_when_it_is_ready(start_server, tmp_path, version_1):
    publish(version_1, tmp_path / "candidates", 1)
    server = start_server(tmp_path / "candidates")
    with RetrievalClient(server.target, deadline_s=30.0) as client:
        client.wait_until_ready(60.0)
        assert client.retrieve("196", k=1) == (Candidate("c9", 9.0),)


def test_waiting_for_no_server_ends_in_time():
    with (
        RetrievalClient(f"localhost:{free_port()}") as client,
        pytest.raises(Unavailable, match=r"was not ready within 0\.3 s"),
    ):
        client.wait_until_ready(0.3)


def test_the_client_does_not_import_tensorflow():
    program = (
        "import sys, serving.client; "
        "print([m for m in sys.modules if m.split('.')[0] in ('tensorflow', 'numpy', 'scann')])"
    )
    printed = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
    )
    assert printed.stdout == "[]\n"
