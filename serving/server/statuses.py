"""The one error that crosses the server: a gRPC status code and a message for the caller."""

from __future__ import annotations

import grpc

MESSAGE_LIMIT = 1024
TRUNCATED = "...TRUNCATED"

_CODES = {code.value[0]: code for code in grpc.StatusCode}

_HTTP = {
    grpc.StatusCode.OK: 200,
    grpc.StatusCode.CANCELLED: 499,
    grpc.StatusCode.INVALID_ARGUMENT: 400,
    grpc.StatusCode.FAILED_PRECONDITION: 400,
    grpc.StatusCode.OUT_OF_RANGE: 400,
    grpc.StatusCode.UNAUTHENTICATED: 401,
    grpc.StatusCode.PERMISSION_DENIED: 403,
    grpc.StatusCode.NOT_FOUND: 404,
    grpc.StatusCode.ALREADY_EXISTS: 409,
    grpc.StatusCode.ABORTED: 409,
    grpc.StatusCode.RESOURCE_EXHAUSTED: 429,
    grpc.StatusCode.UNIMPLEMENTED: 501,
    grpc.StatusCode.UNAVAILABLE: 503,
    grpc.StatusCode.DEADLINE_EXCEEDED: 504,
    grpc.StatusCode.UNKNOWN: 500,
    grpc.StatusCode.INTERNAL: 500,
    grpc.StatusCode.DATA_LOSS: 500,
}


class StatusError(Exception):
    """A request, a load or the start ended otherwise than well.

    Args:
      code: What kind of failure it is, in gRPC's terms.
      message: What went wrong, word for word as the caller reads it.
    """

    def __init__(self, code: grpc.StatusCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message

    def __str__(self) -> str:
        return f"{self.code.name}: {self.message}"

    @property
    def number(self) -> int:
        """The code's number on the wire."""
        return self.code.value[0]

    @property
    def http_status(self) -> int:
        """The code as an HTTP status."""
        return _HTTP[self.code]

    @property
    def grpc_details(self) -> str:
        """The message at the length that fits the trailers of a gRPC call."""
        if len(self.message) <= MESSAGE_LIMIT:
            return self.message
        return self.message[:MESSAGE_LIMIT] + TRUNCATED


def invalid_argument(message: str) -> StatusError:
    """The caller sent something that can never be answered."""
    return StatusError(grpc.StatusCode.INVALID_ARGUMENT, message)


def not_found(message: str) -> StatusError:
    """The caller named a model or a version that is not here."""
    return StatusError(grpc.StatusCode.NOT_FOUND, message)


def deadline_exceeded(message: str) -> StatusError:
    """The caller has stopped waiting."""
    return StatusError(grpc.StatusCode.DEADLINE_EXCEEDED, message)


def numbered(number: int, message: str) -> StatusError:
    """The error of a library that numbers its codes as gRPC does, TensorFlow for one."""
    return StatusError(_CODES.get(number, grpc.StatusCode.UNKNOWN), message)
