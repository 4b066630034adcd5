"""Weights: how much a row counts in training, by its label."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, field_validator

WEIGHT = "weight"
"""Feature of an Example: float32 weight of the row."""

_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class WeightStep(BaseModel):
    """One step of `StepWeights`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    from_label: FiniteFloat
    """The lowest label of the step."""
    weight: _NotNegative
    """What its rows weigh."""


class StepWeights(BaseModel):
    """A weight for each range of labels: that of the last step which the label reaches, or 0."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["steps"]
    steps: Annotated[tuple[WeightStep, ...], Field(min_length=1)]

    @field_validator("steps")
    @classmethod
    def _increasing(cls, steps: tuple[WeightStep, ...]) -> tuple[WeightStep, ...]:
        if any(low.from_label >= high.from_label for low, high in pairwise(steps)):
            raise ValueError("`from_label` must increase from step to step")
        return steps


class LinearWeights(BaseModel):
    """`1 + alpha * max(label, 0)`: confidence that grows with the label."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["linear"]
    alpha: _Positive = 1.0


class LogWeights(BaseModel):
    """`1 + alpha * log(1 + max(label, 0) / epsilon)`: for labels such as seconds or counts."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["log"]
    alpha: _Positive = 1.0
    epsilon: _Positive = 1.0


WeightsConfig = Annotated[StepWeights | LinearWeights | LogWeights, Field(discriminator="kind")]


def weights(labels: np.ndarray, config: WeightsConfig) -> np.ndarray:
    """The weight of each row.

    Args:
      labels: `[rows]` float32 finite labels.
      config: The rule.

    Returns:
      `[rows]` float32, at most the largest finite one.

    Example:
      >>> steps = [{"from_label": 3, "weight": 0.5}, {"from_label": 5, "weight": 1}]
      >>> rule = StepWeights.model_validate({"kind": "steps", "steps": steps})
      >>> print(weights(np.array([1, 3, 4, 5], np.float32), rule))
      [0.  0.5 0.5 1. ]

    References:
      Hu et al., Collaborative Filtering for Implicit Feedback Datasets, ICDM 2008: the linear and
      the logarithmic rule.
    """
    with np.errstate(over="ignore"):
        found = _unbounded(labels.astype(np.float64), config)
        return np.minimum(found, np.finfo(np.float32).max).astype(np.float32)


def _unbounded(labels: np.ndarray, config: WeightsConfig) -> np.ndarray:
    """`[rows]` float64, infinite where a weight is beyond any float."""
    if isinstance(config, StepWeights):
        of_step = np.array([0.0, *(step.weight for step in config.steps)])
        # As labels are: the float32 of 0.7 is less than 0.7, and shall reach a step from there.
        bounds = np.array([step.from_label for step in config.steps], np.float32)
        return of_step[np.searchsorted(bounds, labels, side="right")]
    positive = np.maximum(labels, 0)
    if isinstance(config, LogWeights):
        positive = np.log1p(positive / config.epsilon)
    return 1 + config.alpha * positive
