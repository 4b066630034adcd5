"""Frequencies: how probable it is that a row of the training data shows a candidate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

SHORTEST_HALF_LIFE_DAYS = 0.002
"""Days of the shortest half-life: the number of such ones since 1970 is an int32 for 9999 years."""


class FrequenciesConfig(BaseModel):
    """How counts become probabilities."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    smoothing: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.5
    """Added to the weight of every candidate, so that none has probability 0."""
    half_life_days: (
        Annotated[float, Field(ge=SHORTEST_HALF_LIFE_DAYS, allow_inf_nan=False)] | None
    ) = None
    """A row that is this much older than the newest one counts half; all count 1 without it."""


@dataclass(frozen=True, slots=True)
class Frequencies:
    """Log probabilities of the candidates of a catalogue."""

    log_q: np.ndarray
    """`[catalogue]` float32."""
    log_q_unknown: float
    """Of a candidate that the catalogue lacks: as if it were in it, with weight 0."""


def frequencies(weights: np.ndarray, smoothing: float) -> Frequencies:
    """Smoothed log probability of each candidate among the training rows.

        log_q_i = log( (weight_i + smoothing) / (sum_j weight_j + smoothing * catalogue) )

    Args:
      weights: `[catalogue]` training rows of each candidate, each counted by its weight.
      smoothing: Positive weight that every candidate starts with.

    Example:
      >>> print(np.exp(frequencies(np.array([7, 2, 1, 0]), smoothing=0.5).log_q).round(4))
      [0.625  0.2083 0.125  0.0417]
    """
    log_mass = np.log(weights.sum() + smoothing * max(len(weights), 1))
    return Frequencies(
        log_q=(np.log(weights + smoothing) - log_mass).astype(np.float32),
        log_q_unknown=float(np.log(smoothing) - log_mass),
    )
