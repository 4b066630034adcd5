"""grpc.health.v1: whether requests may be sent here.

Unlike the servicer that comes with the protocol, a watch ends once the server drains: a client
that watches would otherwise hold up the end of every drain.
"""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from serving.server.grpc_services import MODEL_SERVICE, PREDICTION_SERVICE
from serving.server.manager import Manager

Status = health_pb2.HealthCheckResponse

SERVICES = frozenset(
    {
        "",
        MODEL_SERVICE,
        PREDICTION_SERVICE,
        MODEL_SERVICE.rpartition(".")[2],
        PREDICTION_SERVICE.rpartition(".")[2],
    }
)
"""The server as a whole, and its services by the names that TF Serving gives them and in full."""


class Health(health_pb2_grpc.HealthServicer):
    """Tells SERVING while every model can answer and the server does not drain.

    Args:
      manager: The models.
    """

    def __init__(self, manager: Manager) -> None:
        self._manager = manager
        self._is_draining = False

    def drain(self) -> None:
        """Tells NOT_SERVING from now on, and ends the watches."""
        self._is_draining = True
        self._manager.changes.announce()

    async def Check(  # noqa: N802 - the protocol's name
        self, request: health_pb2.HealthCheckRequest, context: grpc.aio.ServicerContext
    ) -> Status:
        """Answers once."""
        if request.service not in SERVICES:
            await context.abort(grpc.StatusCode.NOT_FOUND, f"Unknown service: {request.service}")
        return self._status(request.service)

    async def Watch(  # noqa: N802 - the protocol's name
        self, request: health_pb2.HealthCheckRequest, context: grpc.aio.ServicerContext
    ) -> AsyncIterator[Status]:
        """Answers at once and after every change, until the server drains."""
        told = None
        while True:
            status = self._status(request.service)
            if status != told:
                yield status
                told = status
            elif self._is_draining:
                return
            else:
                await self._manager.changes.wait()

    def _status(self, service: str) -> Status:
        if service not in SERVICES:
            return Status(status=Status.SERVICE_UNKNOWN)
        if self._is_draining or not self._manager.is_ready:
            return Status(status=Status.NOT_SERVING)
        return Status(status=Status.SERVING)
