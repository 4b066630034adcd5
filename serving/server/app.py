"""The whole server: puts the parts together, and takes them through start, work and drain."""

from __future__ import annotations

import asyncio
import logging
import signal
from functools import partial
from pathlib import Path

import grpc
from grpc_health.v1 import health_pb2_grpc

from serving.server import warmup
from serving.server.flags import Flags
from serving.server.grpc_services import add_model_service, add_prediction_service
from serving.server.health import Health
from serving.server.in_flight import InFlight
from serving.server.listeners import ANY_ADDRESS, RestServer, grpc_server, stop_grpc
from serving.server.manager import Changes, Manager
from serving.server.model import Model, Retries
from serving.server.predictor import Predictor
from serving.server.rest import rest_app
from serving.server.runner import Runner
from serving.server.saved_model import load_custom_ops

logger = logging.getLogger(__name__)


async def serve(flags: Flags) -> None:
    """Serves until SIGTERM or SIGINT, then drains.

    Args:
      flags: The command line.

    Raises:
      StatusError: No version of the model could be loaded, or a port is taken.
    """
    load_custom_ops()
    stop = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    manager = _manager(flags)
    runner = Runner(flags.grpc_max_threads)
    watch = asyncio.create_task(manager.watch(flags.file_system_poll_wait_seconds))
    try:
        if await _started(manager, stop):
            await _answer(flags, manager, runner, stop)
    finally:
        watch.cancel()
        await manager.close()
        runner.close()
    logger.info("stopped")


def _manager(flags: Flags) -> Manager:
    iterations = max(1, flags.num_request_iterations_for_warmup)
    changes = Changes()
    model = Model(
        flags.model_name,
        Path(flags.model_base_path),
        partial(warmup.load, warmup_iterations=iterations if flags.enable_model_warmup else 0),
        Retries(flags.max_num_load_retries, flags.load_retry_interval_micros / 1e6),
        changes.announce,
    )
    return Manager({flags.model_name: model}, changes)


async def _started(manager: Manager, stop: asyncio.Event) -> bool:
    """Whether every model came up before the signal to stop."""
    ready = asyncio.ensure_future(manager.wait_until_ready())
    stopping = asyncio.ensure_future(stop.wait())
    await asyncio.wait({ready, stopping}, return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not ready.done():
        ready.cancel()
        return False
    await ready
    return True


async def _answer(flags: Flags, manager: Manager, runner: Runner, stop: asyncio.Event) -> None:
    predictor = Predictor(manager, runner)
    health = Health(manager)
    in_flight = InFlight()
    grpc_port = _grpc(flags, predictor, manager, health, in_flight) if flags.port else None
    rest_port = _rest(flags, predictor, manager) if flags.rest_api_port else None
    if grpc_port:
        await grpc_port.start()
    if rest_port:
        rest_port.start()
    for model in manager.models.values():
        logger.info(
            "serving grpc=%s rest=%s model=%s version=%d",
            _address(flags.port),
            _address(flags.rest_api_port),
            model.name,
            max(model.available),
        )
    await stop.wait()
    logger.info("draining grace_s=%g", flags.shutdown_grace_seconds)
    health.drain()
    async with asyncio.TaskGroup() as stops:
        if grpc_port:
            stops.create_task(stop_grpc(grpc_port, in_flight, flags.shutdown_grace_seconds))
        if rest_port:
            stops.create_task(rest_port.stop())


def _grpc(
    flags: Flags, predictor: Predictor, manager: Manager, health: Health, in_flight: InFlight
) -> grpc.aio.Server:
    server = grpc_server(flags.port)
    add_prediction_service(server, predictor, manager, in_flight)
    add_model_service(server, manager)
    health_pb2_grpc.add_HealthServicer_to_server(health, server)
    return server


def _rest(flags: Flags, predictor: Predictor, manager: Manager) -> RestServer:
    app = rest_app(predictor, manager, flags.rest_api_timeout_in_ms / 1000)
    return RestServer(app, flags.rest_api_port, flags.shutdown_grace_seconds)


def _address(port: int) -> str:
    return f"{ANY_ADDRESS}:{port}" if port else "off"
