"""Answers Predict requests of any transport."""

from __future__ import annotations

import asyncio

from serving.server import json_requests, json_responses, predict
from serving.server.deadlines import Deadline
from serving.server.manager import Manager
from serving.server.protos import ModelSpec, PredictRequest, PredictResponse
from serving.server.runner import Runner
from serving.server.specs import spec_of


class Predictor:
    """Finds the version that a request means, and has it run.

    Args:
      manager: The models.
      runner: What runs them.
    """

    def __init__(self, manager: Manager, runner: Runner) -> None:
        self._manager = manager
        self._runner = runner

    async def predict(self, request: PredictRequest, deadline: Deadline) -> PredictResponse:
        """Answers a request.

        Raises:
          StatusError: The request is wrong, the model failed, or the deadline passed.
        """
        served = self._manager.resolve(spec_of(request))
        with served.in_use() as model:
            call = predict.call_of(model, request)
            arrays = await self._runner.run(served, call, deadline)
        return predict.response(request, served.version, call, arrays)

    async def predict_json(self, spec: ModelSpec, body: bytes, deadline: Deadline) -> bytes:
        """Answers a request of the REST API; a large body does not hold up other requests.

        Raises:
          StatusError: The request is wrong, the model failed, or the deadline passed.
        """
        document = await asyncio.to_thread(json_requests.parse, body)
        served = self._manager.resolve(spec)
        with served.in_use() as model:
            asked = await asyncio.to_thread(json_requests.call_of, model, document)
            arrays = await self._runner.run(served, asked.call, deadline)
        write = json_responses.rows if asked.layout == "rows" else json_responses.columns
        return await asyncio.to_thread(write, arrays)
