"""How many requests are being answered at this moment."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager


class InFlight:
    """Counts requests on one event loop."""

    def __init__(self) -> None:
        self._count = 0
        self._none = asyncio.Event()
        self._none.set()

    @property
    def is_empty(self) -> bool:
        """Whether no request is being answered."""
        return self._count == 0

    @contextmanager
    def request(self) -> Iterator[None]:
        """Counts a request from its beginning to its end."""
        self._count += 1
        self._none.clear()
        try:
            yield
        finally:
            self._count -= 1
            if self.is_empty:
                self._none.set()

    async def wait_until_empty(self) -> None:
        """Returns once no request is being answered."""
        await self._none.wait()
