"""The gRPC services of TF Serving that this server speaks."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeVar

import grpc
from google.protobuf.message import Message

from serving.server import metadata
from serving.server.deadlines import Deadline
from serving.server.in_flight import InFlight
from serving.server.manager import Manager
from serving.server.predictor import Predictor
from serving.server.protos import (
    GetModelMetadataRequest,
    GetModelMetadataResponse,
    GetModelStatusRequest,
    GetModelStatusResponse,
    PredictRequest,
    PredictResponse,
)
from serving.server.specs import spec_of
from serving.server.statuses import StatusError

PREDICTION_SERVICE = "tensorflow.serving.PredictionService"
MODEL_SERVICE = "tensorflow.serving.ModelService"

Request = TypeVar("Request", bound=Message)
Response = TypeVar("Response", bound=Message)
Handler = Callable[[Request, grpc.aio.ServicerContext], Awaitable[Response]]


def add_prediction_service(
    server: grpc.aio.Server, predictor: Predictor, manager: Manager, in_flight: InFlight
) -> None:
    """Registers PredictionService, with a count of the requests that it answers."""

    async def predict(
        request: PredictRequest, context: grpc.aio.ServicerContext
    ) -> PredictResponse:
        with in_flight.request():
            return await predictor.predict(request, Deadline.after(context.time_remaining()))

    async def get_model_metadata(
        request: GetModelMetadataRequest, _: grpc.aio.ServicerContext
    ) -> GetModelMetadataResponse:
        return metadata.model_metadata(manager, request)

    _add(
        server,
        PREDICTION_SERVICE,
        {
            "Predict": _unary(predict, PredictRequest.FromString),
            "GetModelMetadata": _unary(get_model_metadata, GetModelMetadataRequest.FromString),
        },
    )


def add_model_service(server: grpc.aio.Server, manager: Manager) -> None:
    """Registers ModelService."""

    async def get_model_status(
        request: GetModelStatusRequest, _: grpc.aio.ServicerContext
    ) -> GetModelStatusResponse:
        return manager.status(spec_of(request))

    _add(
        server,
        MODEL_SERVICE,
        {"GetModelStatus": _unary(get_model_status, GetModelStatusRequest.FromString)},
    )


def _add(server: grpc.aio.Server, service: str, handlers: dict[str, grpc.RpcMethodHandler]) -> None:
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(service, handlers),))


def _unary(
    handle: Handler[Request, Response], read: Callable[[bytes], Request]
) -> grpc.RpcMethodHandler:
    async def answer(request: Request, context: grpc.aio.ServicerContext) -> Response:
        try:
            return await handle(request, context)
        except StatusError as error:
            await context.abort(error.code, error.grpc_details)
            raise  # `abort` has raised already; the type checker cannot know

    return grpc.unary_unary_rpc_method_handler(
        answer,
        request_deserializer=read,
        response_serializer=_serialised,
    )


def _serialised(message: Message) -> bytes:
    return message.SerializeToString()
