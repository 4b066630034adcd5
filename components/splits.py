"""Splits: which interactions train the model, which choose its epoch, and which judge it."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Share = Annotated[float, Field(gt=0, lt=1)]


class _Shares(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    validation: Share = 0.1
    """Share of the rows that choose the best epoch."""
    test: Share = 0.2
    """Share of the rows that judge the model."""

    @model_validator(mode="after")
    def _leaves_training_rows(self) -> Self:
        if self.validation + self.test >= 1:
            raise ValueError(
                "`validation` and `test` must add up to less than 1 "
                f"(got {self.validation} and {self.test})"
            )
        return self


class PerQueryTime(_Shares):
    """The last rows of each query, by time."""

    kind: Literal["per_query_time"]


class GlobalTime(_Shares):
    """The last rows of the whole log, by time: what a model that goes live will see."""

    kind: Literal["global_time"]


class LeaveLastOut(BaseModel):
    """The last row of each query is tested, the one before validated."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["leave_last_out"]


SplitConfig = Annotated[PerQueryTime | GlobalTime | LeaveLastOut, Field(discriminator="kind")]
