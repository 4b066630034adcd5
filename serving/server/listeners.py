"""The two ports: gRPC, and REST over HTTP. Both finish what runs before they close."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import Iterator

import grpc
import uvicorn
from starlette.types import ASGIApp

from serving.server.in_flight import InFlight
from serving.server.statuses import StatusError

ANY_ADDRESS = "0.0.0.0"  # every interface, as TF Serving listens
LARGEST_MESSAGE = 2**31 - 1
LINGER_S = 0.5
"""How long a closing server without running requests waits for its last answers to leave."""


class PortTakenError(StatusError):
    """A port cannot be listened on."""

    def __init__(self, port: int, cause: Exception) -> None:
        super().__init__(grpc.StatusCode.UNAVAILABLE, f"Cannot listen on port {port}: {cause}")


def grpc_server(port: int) -> grpc.aio.Server:
    """A gRPC server bound to a port, not yet started and without services.

    Raises:
      PortTakenError: The port cannot be listened on.
    """
    server = grpc.aio.server(
        options=[
            ("grpc.max_receive_message_length", LARGEST_MESSAGE),
            ("grpc.max_send_message_length", -1),
            # Two servers must not share a port by mistake and answer in turns.
            ("grpc.so_reuseport", 0),
        ]
    )
    try:
        server.add_insecure_port(f"{ANY_ADDRESS}:{port}")
    except RuntimeError as error:
        raise PortTakenError(port, error) from error
    return server


async def stop_grpc(server: grpc.aio.Server, in_flight: InFlight, grace_s: float) -> None:
    """Takes no new requests, and waits for the running ones as long as the grace lasts.

    A request that arrives while the server closes may be lost inside gRPC, neither answered nor
    refused, and would hold up the end for the whole grace. So once nothing has run for a moment,
    what is left is cancelled.

    Args:
      server: A started server.
      in_flight: The requests that it answers.
      grace_s: How long they may take to finish.
    """
    stopping = asyncio.create_task(server.stop(grace_s))
    while not stopping.done():
        quiet = asyncio.create_task(in_flight.wait_until_empty())
        await asyncio.wait({stopping, quiet}, return_when=asyncio.FIRST_COMPLETED)
        quiet.cancel()
        await asyncio.wait({stopping}, timeout=LINGER_S)
        if in_flight.is_empty and not stopping.done():
            await server.stop(None)
    await stopping


class RestServer:
    """Serves an ASGI application on a port.

    Args:
      app: The application.
      port: Where to listen.
      grace_s: How long running requests may take to finish at the end.

    Raises:
      PortTakenError: The port cannot be listened on.
    """

    def __init__(self, app: ASGIApp, port: int, grace_s: float) -> None:
        try:
            self._socket = socket.create_server((ANY_ADDRESS, port))
        except OSError as error:
            raise PortTakenError(port, error) from error
        # An application's own grace is in whole seconds; `stop` holds the exact one.
        self._server = _Uvicorn(
            uvicorn.Config(
                app, lifespan="off", ws="none", log_config=None, access_log=False, loop="none"
            )
        )
        self._grace_s = grace_s
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begins to answer."""
        self._task = asyncio.create_task(self._server.serve(sockets=[self._socket]))

    async def stop(self) -> None:
        """Takes no new requests, and waits for the running ones as long as the grace lasts."""
        self._server.should_exit = True
        if self._task is not None:
            _, late = await asyncio.wait({self._task}, timeout=self._grace_s)
            if late:
                self._server.force_exit = True
                await asyncio.wait(late)


class _Uvicorn(uvicorn.Server):
    """A server that leaves the process's signals alone: the application drains all its parts."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield
