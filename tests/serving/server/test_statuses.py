import grpc
import pytest

from serving.server.statuses import StatusError, numbered


@pytest.mark.parametrize(
    ("name", "http"),
    [
        ("CANCELLED", 499),
        ("INVALID_ARGUMENT", 400),
        ("FAILED_PRECONDITION", 400),
        ("OUT_OF_RANGE", 400),
        ("UNAUTHENTICATED", 401),
        ("PERMISSION_DENIED", 403),
        ("NOT_FOUND", 404),
        ("ALREADY_EXISTS", 409),
        ("ABORTED", 409),
        ("RESOURCE_EXHAUSTED", 429),
        ("UNIMPLEMENTED", 501),
        ("UNAVAILABLE", 503),
        ("DEADLINE_EXCEEDED", 504),
        ("UNKNOWN", 500),
        ("INTERNAL", 500),
        ("DATA_LOSS", 500),
    ],
)
def test_each_code_has_its_http_status(name, http):
    assert StatusError(grpc.StatusCode[name], "").http_status == http


def test_a_long_message_is_cut_at_1024_characters():
    assert StatusError(grpc.StatusCode.INTERNAL, "x" * 1024).grpc_details == "x" * 1024
    cut = StatusError(grpc.StatusCode.INTERNAL, "x" * 1025).grpc_details
    assert cut == "x" * 1024 + "...TRUNCATED"


def test_tensorflows_numbers_are_grpcs():
    assert numbered(3, "m").code is grpc.StatusCode.INVALID_ARGUMENT
    assert numbered(14, "m").code is grpc.StatusCode.UNAVAILABLE
    assert numbered(99, "m").code is grpc.StatusCode.UNKNOWN
    assert str(numbered(5, "no such thing")) == "NOT_FOUND: no such thing"
