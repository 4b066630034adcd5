"""Runs calls of loaded versions in threads, so that the event loop is free meanwhile."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from serving.server import predict
from serving.server.deadlines import Deadline
from serving.server.predict import Call
from serving.server.served import ServedVersion


class Runner:
    """A pool of threads for TensorFlow.

    Args:
      threads: How many calls run at the same time; more wait for their turn.
    """

    def __init__(self, threads: int) -> None:
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="run")

    async def run(
        self, served: ServedVersion, call: Call, deadline: Deadline
    ) -> dict[str, np.ndarray]:
        """Runs a call.

        The version stays in memory until the thread is done with it, even where the caller has
        gone and this coroutine was cancelled.

        Args:
          served: An available version.
          call: What to run on it.
          deadline: When to give up, before or during the run.

        Returns:
          The outputs by alias.

        Raises:
          StatusError: The model failed, or the deadline passed.
        """
        served.acquire()
        future = self._pool.submit(predict.run, served.model, call, deadline)
        future.add_done_callback(lambda _: served.release())
        return await asyncio.wrap_future(future)

    def close(self) -> None:
        """Ends the threads, once their sessions are closed; calls that wait are dropped."""
        self._pool.shutdown(cancel_futures=True)
