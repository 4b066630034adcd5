"""Frequencies: how probable it is that a row of the training data shows a candidate."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field


class FrequenciesConfig(BaseModel):
    """How counts become probabilities."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    smoothing: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.5
    """Added to the count of every candidate, so that none has probability 0."""
