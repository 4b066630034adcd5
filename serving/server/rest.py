"""TF Serving's REST API as an ASGI application."""

from __future__ import annotations

import json
import logging

from google.protobuf import json_format
from google.protobuf.message import Message
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from serving.server import metadata, routes
from serving.server.deadlines import Deadline
from serving.server.manager import Manager
from serving.server.predictor import Predictor
from serving.server.protos import GetModelMetadataRequest, SignatureDefMap
from serving.server.statuses import StatusError

logger = logging.getLogger(__name__)

JSON = "application/json"


def rest_app(predictor: Predictor, manager: Manager, timeout_s: float) -> ASGIApp:
    """The application.

    Args:
      predictor: Answers predict requests.
      manager: The models.
      timeout_s: How long a predict request may take.

    Returns:
      An ASGI application for HTTP.
    """

    async def body(request: Request, path: str) -> bytes:
        route = routes.route(request.method, path)
        if route.action == "predict":
            deadline = Deadline.after(timeout_s)
            return await predictor.predict_json(route.spec, await request.body(), deadline)
        if route.action == "metadata":
            return _metadata(manager, route)
        return _json(_fields(manager.status(route.spec)))

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        path = scope["raw_path"].decode("latin-1")
        if not routes.is_api(path):
            response = Response("Not Found", 404, media_type="text/plain")
        else:
            try:
                response = Response(await body(request, path), media_type=JSON)
            except StatusError as error:
                response = _error(error.http_status, error.message)
            except ClientDisconnect:
                return
            except Exception:
                logger.exception("request failed method=%s path=%s", request.method, path)
                response = _error(500, "Internal error")
        await response(scope, receive, send)

    return app


def _metadata(manager: Manager, route: routes.Route) -> bytes:
    request = GetModelMetadataRequest(
        model_spec=route.spec, metadata_field=[metadata.SIGNATURE_DEF]
    )
    response = metadata.model_metadata(manager, request)
    signatures = SignatureDefMap()
    response.metadata[metadata.SIGNATURE_DEF].Unpack(signatures)
    return _json(
        {
            "model_spec": _fields(response.model_spec),
            "metadata": {metadata.SIGNATURE_DEF: _fields(signatures)},
        }
    )


def _fields(message: Message) -> dict[str, object]:
    return json_format.MessageToDict(
        message, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
    )


def _json(value: object) -> bytes:
    return json.dumps(value, indent=4, ensure_ascii=False).encode("utf-8", "replace")


def _error(status: int, message: str) -> Response:
    return Response(_json({"error": message}), status, media_type=JSON)
