"""A light client: asks a model server for candidates, over gRPC and without TensorFlow.

    RetrievalError
    ├── Unavailable        no server answered, or it is shutting down: try later or elsewhere
    ├── DeadlineExceeded   the answer did not come in time: allow more time, or ask for less
    ├── ModelNotFound      the server does not serve this model: check the name
    └── BadRequest         the server refused the request: correct it

Example:
    with RetrievalClient("localhost:8500", model_name="candidates") as client:
        for candidate in client.retrieve("196", k=10, exclude=["242", "302"]):
            print(candidate.id, candidate.score)
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import grpc
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2

from serving import messages
from serving.signature import CANDIDATE_IDS, COUNT, SCORES

HEALTH_CHECK = "/grpc.health.v1.Health/Check"
READY_POLL_S = 0.1

_CHANNEL_OPTIONS = [
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # A server that restarts is found again at once, not after gRPC's default of seconds.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 1000),
]


class RetrievalError(Exception):
    """Base of everything that a call may raise."""


class Unavailable(RetrievalError):  # noqa: N818 - said as gRPC says it
    """No server answered, again after retries."""


class DeadlineExceeded(RetrievalError):  # noqa: N818 - said as gRPC says it
    """The answer did not come within the deadline."""


class ModelNotFound(RetrievalError):  # noqa: N818 - said as gRPC says it
    """The server has no such model, or no version of it is loaded."""


class BadRequest(RetrievalError):  # noqa: N818 - said as HTTP says it
    """The server refused what was asked."""


_ERRORS: dict[grpc.StatusCode, type[RetrievalError]] = {
    grpc.StatusCode.UNAVAILABLE: Unavailable,
    # This client never cancels: a gRPC server that shuts down does, in its last moment.
    grpc.StatusCode.CANCELLED: Unavailable,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceeded,
    grpc.StatusCode.NOT_FOUND: ModelNotFound,
    grpc.StatusCode.INVALID_ARGUMENT: BadRequest,
    grpc.StatusCode.FAILED_PRECONDITION: BadRequest,
    grpc.StatusCode.OUT_OF_RANGE: BadRequest,
}


@dataclass(frozen=True, slots=True)
class Candidate:
    """One retrieved candidate."""

    id: str
    score: float


@dataclass(frozen=True, slots=True)
class Retries:
    """How a call is tried again while the server is unavailable.

    Args:
      most: The number of tries after the first.
      first_wait_s: The pause before the second try; each further one is twice as long.
      longest_wait_s: No pause is longer.
    """

    most: int = 4
    first_wait_s: float = 0.05
    longest_wait_s: float = 1.0

    def wait_s(self, retry: int) -> float:
        """The pause before a retry, spread so that many clients do not return at once."""
        longest = min(self.longest_wait_s, self.first_wait_s * 2**retry)
        return longest * random.uniform(0.5, 1.0)


class RetrievalClient:
    """A connection to one model of one server; safe to share between threads.

    Args:
      target: Where the server listens, as `host:port`.
      model_name: The model to ask.
      deadline_s: How long a call may take, its retries included.
      retries: How a call is tried again while the server is unavailable.
    """

    def __init__(
        self,
        target: str,
        *,
        model_name: str = "candidates",
        deadline_s: float = 2.0,
        retries: Retries = Retries(),
    ) -> None:
        if deadline_s <= 0:
            raise ValueError(f"`deadline_s` must be positive. Received: {deadline_s}.")
        self.target = target
        self.model_name = model_name
        self._deadline_s = deadline_s
        self._retries = retries
        self._channel = grpc.insecure_channel(target, options=_CHANNEL_OPTIONS)
        self._predict = _method(self._channel, messages.PREDICT, messages.PredictResponse)
        self._status = _method(
            self._channel, messages.GET_MODEL_STATUS, messages.GetModelStatusResponse
        )
        self._health = _method(self._channel, HEALTH_CHECK, health_pb2.HealthCheckResponse)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connection."""
        self._channel.close()

    def retrieve(
        self, query: str, *, k: int = 10, exclude: Sequence[str] = ()
    ) -> tuple[Candidate, ...]:
        """The best candidates for one query.

        Args:
          query: The query's id; an unknown one is answered as a query without a past.
          k: How many candidates to return; fewer come back only where no more are eligible.
          exclude: Candidates that must not come back.

        Returns:
          At most `k` candidates, best first.

        Raises:
          RetrievalError: One of its kinds, as drawn at the top.
        """
        [candidates] = self.retrieve_batch([query], k=k, exclude=[exclude])
        return candidates

    def retrieve_batch(
        self,
        queries: Sequence[str],
        *,
        k: int = 10,
        exclude: Sequence[Sequence[str]] | None = None,
    ) -> list[tuple[Candidate, ...]]:
        """The best candidates for many queries, in one request.

        Args:
          queries: The queries' ids.
          k: How many candidates each query asks for.
          exclude: For each query, the candidates that must not come back.

        Returns:
          For each query at most `k` candidates, best first.

        Raises:
          RetrievalError: One of its kinds, as drawn at the top.
        """
        excluded = [()] * len(queries) if exclude is None else exclude
        if len(excluded) != len(queries):
            raise ValueError(
                "`exclude` must hold one list for each query. "
                f"Received: {len(excluded)} lists for {len(queries)} queries."
            )
        if k < 1:
            raise ValueError(f"`k` must be at least 1. Received: {k}.")
        if not queries:
            return []
        request = messages.retrieve_request(self.model_name, queries, k, excluded)
        return _candidates(self._call(self._predict, request))

    def model_versions(self) -> tuple[int, ...]:
        """The versions of the model that can answer now, latest first.

        Raises:
          RetrievalError: One of its kinds, as drawn at the top.
        """
        request = messages.GetModelStatusRequest()
        request.model_spec.name = self.model_name
        response = self._call(self._status, request)
        return tuple(
            each.version
            for each in response.model_version_status
            if each.state == messages.AVAILABLE
        )

    def wait_until_ready(self, timeout_s: float = 60.0) -> None:
        """Waits until the server says that it can answer.

        A server without the health protocol is ready once a version of the model is available.

        Raises:
          Unavailable: It did not say so in time.
        """
        end = time.monotonic() + timeout_s
        while not self._is_ready(min(self._deadline_s, timeout_s)):
            if time.monotonic() >= end:
                raise Unavailable(f"{self.target} was not ready within {timeout_s:g} s.")
            time.sleep(READY_POLL_S)

    def _is_ready(self, deadline_s: float) -> bool:
        try:
            response: Any = self._health(health_pb2.HealthCheckRequest(), timeout=deadline_s)
        except grpc.RpcError as error:
            if _code(error) != grpc.StatusCode.UNIMPLEMENTED:
                return False
        else:
            return response.status == health_pb2.HealthCheckResponse.SERVING
        try:
            return bool(self.model_versions())
        except RetrievalError:
            return False

    def _call(self, method: Callable[..., Any], request: Any) -> Any:  # noqa: ANN401 - messages
        end = time.monotonic() + self._deadline_s
        retry = 0
        while True:
            try:
                return method(request, timeout=max(0.0, end - time.monotonic()))
            except grpc.RpcError as error:
                wait_s = self._retries.wait_s(retry)
                is_over = retry == self._retries.most or time.monotonic() + wait_s >= end
                failure = self._error(error)
                if not isinstance(failure, Unavailable) or is_over:
                    raise failure from error
            time.sleep(wait_s)
            retry += 1

    def _error(self, error: grpc.RpcError) -> RetrievalError:
        code = _code(error)
        details = error.details() if isinstance(error, grpc.Call) else str(error)
        return _ERRORS.get(code, RetrievalError)(
            f"{self.model_name} at {self.target} answered {code.name}: {details}"
        )


def _method(channel: grpc.Channel, path: str, response: Any) -> Callable[..., Any]:  # noqa: ANN401
    return channel.unary_unary(
        path,
        request_serializer=_serialised,
        response_deserializer=response.FromString,
    )


def _serialised(message: Message) -> bytes:
    return message.SerializeToString()


def _code(error: grpc.RpcError) -> grpc.StatusCode:
    return error.code() if isinstance(error, grpc.Call) else grpc.StatusCode.UNKNOWN


def _candidates(response: Any) -> list[tuple[Candidate, ...]]:  # noqa: ANN401 - PredictResponse
    missing = {CANDIDATE_IDS, SCORES, COUNT} - set(response.outputs)
    if missing:
        raise RetrievalError(f"The answer lacks {', '.join(sorted(missing))}.")
    if any(response.outputs[name].tensor_content for name in (CANDIDATE_IDS, SCORES, COUNT)):
        raise RetrievalError(
            "The answer holds its tensors as bytes, which this client does not read; start the "
            "server without --enable_serialization_as_tensor_content."
        )
    ids = response.outputs[CANDIDATE_IDS].string_val
    scores = response.outputs[SCORES].float_val
    counts = response.outputs[COUNT].int_val
    width = len(ids) // max(1, len(counts))
    return [
        tuple(
            Candidate(ids[at].decode(), scores[at])
            for at in range(row * width, row * width + count)
        )
        for row, count in enumerate(counts)
    ]
