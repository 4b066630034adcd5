"""Frequencies: how probable it is that a row of the training data shows a candidate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field


class FrequenciesConfig(BaseModel):
    """How counts become probabilities."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    smoothing: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.5
    """Added to the count of every candidate, so that none has probability 0."""


@dataclass(frozen=True, slots=True)
class Frequencies:
    """Log probabilities of the candidates of a catalogue."""

    log_q: np.ndarray
    """`[catalogue]` float32."""
    log_q_unknown: float
    """Of a candidate that the catalogue lacks: as if it were in it, with count 0."""
    total: int
    catalogue: int
    smoothing: float

    @property
    def totals(self) -> dict[str, int | float]:
        """What `artifacts.Prepared.frequency_totals` holds."""
        return {
            "total": self.total,
            "catalogue": self.catalogue,
            "smoothing": self.smoothing,
            "log_q_unknown": self.log_q_unknown,
        }


def frequencies(counts: np.ndarray, smoothing: float) -> Frequencies:
    """Smoothed log probability of each candidate among the training rows.

        log_q_i = log( (count_i + smoothing) / (sum_j count_j + smoothing * catalogue) )

    Args:
      counts: `[catalogue]` training rows of each candidate.
      smoothing: Positive count that every candidate starts with.

    Example:
      >>> print(np.exp(frequencies(np.array([7, 2, 1, 0]), smoothing=0.5).log_q).round(4))
      [0.625  0.2083 0.125  0.0417]
    """
    total, catalogue = int(counts.sum()), len(counts)
    log_mass = np.log(total + smoothing * max(catalogue, 1))
    return Frequencies(
        log_q=(np.log(counts + smoothing) - log_mass).astype(np.float32),
        log_q_unknown=float(np.log(smoothing) - log_mass),
        total=total,
        catalogue=catalogue,
        smoothing=smoothing,
    )
