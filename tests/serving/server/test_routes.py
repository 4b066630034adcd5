import pytest

from serving.server.routes import is_api, route
from serving.server.statuses import StatusError


@pytest.mark.parametrize(
    ("method", "path", "action", "name", "version"),
    [
        ("POST", "/v1/models/m:predict", "predict", "m", None),
        ("POST", "/V1/Models/M:PREDICT", "predict", "M", None),
        ("POST", "/v1/models/m/versions/7:predict", "predict", "m", 7),
        ("POST", "/v1/models/m/versions/0:predict", "predict", "m", 0),
        ("GET", "/v1/models/m", "status", "m", None),
        ("GET", "/v1/models/m/versions/7", "status", "m", 7),
        ("GET", "/v1/models/m/metadata", "metadata", "m", None),
        ("GET", "/v1/models/m/versions/7/metadata", "metadata", "m", 7),
        ("GET", "/v1/models/a%20b%2Fc", "status", "a b/c", None),
    ],
)
def test_a_path_names_action_model_and_version(method, path, action, name, version):
    found = route(method, path)
    assert (found.action, found.spec.name) == (action, name)
    assert found.spec.HasField("version") == (version is not None)
    assert found.spec.version.value == (version or 0)


def test_a_label_is_read():
    assert route("POST", "/v1/models/m/labels/stable:predict").spec.version_label == "stable"


@pytest.mark.parametrize(
    ("method", "path", "message"),
    [
        ("GET", "/v1/models", "Missing model name in request."),
        ("GET", "/v1/models/m:predict", "Malformed request: GET /v1/models/m:predict"),
        ("POST", "/v1/models/m", "Malformed request: POST /v1/models/m"),
        ("PUT", "/v1/models/m", "Malformed request: PUT /v1/models/m"),
        ("POST", "/v1/models/m/versions/x:predict", "Malformed request: POST "),
        (
            "GET",
            "/v1/models/m/versions/9223372036854775808",
            "Failed to convert version: 9223372036854775808 to numeric.",
        ),
    ],
)
def test_other_paths_are_refused(method, path, message):
    with pytest.raises(StatusError) as raised:
        route(method, path)
    assert raised.value.message.startswith(message)
    assert raised.value.http_status == 400


def test_only_v1_is_the_api():
    assert is_api("/v1/anything")
    assert is_api("/V1/")
    assert not is_api("/v1")
    assert not is_api("/v2/v1/")
