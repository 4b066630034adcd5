"""Objectives: what a run's config says of the loss, and the function that follows from it."""

from __future__ import annotations

from typing import Annotated, Literal

import tensorflow as tf
from pydantic import BaseModel, ConfigDict, Field, model_validator

from models import losses, negatives


class InBatchSoftmax(BaseModel):
    """Each row's candidate against the candidates of the whole batch, corrected for popularity."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["in_batch_softmax"] = "in_batch_softmax"
    temperature: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.2
    """Divisor of the similarity, applied before the correction."""
    learn_temperature: bool = False
    """Whether training moves the temperature, within [0.01, 1]."""
    log_q: Literal["classic", "none"] = "classic"
    """`classic` learns the probability of a candidate; `none` its lift over its popularity."""
    mask_accidental_hits: bool = False
    """Whether a row's own candidate, met again in the batch, is left out of its negatives."""

    @model_validator(mode="after")
    def _learnable(self) -> InBatchSoftmax:
        if self.learn_temperature and not 0.01 <= self.temperature <= 1:
            raise ValueError("a learned temperature must start within [0.01, 1]")
        return self


def in_batch_softmax(
    objective: InBatchSoftmax, logits: tf.Tensor, candidates: tf.Tensor, log_q: tf.Tensor
) -> tf.Tensor:
    """Loss of a batch whose row `i` has its positive in column `i`.

        mean_i( log sum_j exp(z'_ij) - z'_ii ),   z' = s / tau - log Q

    Args:
      objective: Which correction and mask to apply.
      logits: `[batch, batch]` similarities divided by the temperature.
      candidates: `[batch]` integer candidate of each column.
      log_q: `[batch]` log of each column's probability of being drawn.

    Returns:
      Scalar.
    """
    positives = tf.range(tf.shape(candidates)[0])
    if objective.log_q == "classic":
        logits = negatives.subtract_log_q(logits, log_q)
    masked = None
    if objective.mask_accidental_hits:
        masked = negatives.accidental_hits(candidates, positives)
    return losses.mean(losses.softmax(logits, positives, masked=masked))
