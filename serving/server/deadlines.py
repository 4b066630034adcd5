"""The moment at which a caller stops waiting."""

from __future__ import annotations

import time
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Deadline:
    """A moment of the monotonic clock; None is never."""

    at: float | None = None

    @classmethod
    def after(cls, seconds: float | None) -> Deadline:
        """The deadline of a request that may take `seconds` from now on."""
        return cls(None if seconds is None else time.monotonic() + seconds)

    @property
    def remaining_s(self) -> float | None:
        """How long the caller still waits, negative once it has stopped."""
        return None if self.at is None else self.at - time.monotonic()

    @property
    def has_passed(self) -> bool:
        """Whether nobody waits for the answer any more."""
        remaining_s = self.remaining_s
        return remaining_s is not None and remaining_s <= 0
