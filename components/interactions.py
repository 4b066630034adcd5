"""Interactions: which files hold them, what their columns are called, and which rows are kept."""

from __future__ import annotations

from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Files = tuple[Annotated[str, Field(min_length=1)], ...]
"""Paths, globs or directories of Parquet and CSV files."""

ColumnName = Annotated[str, Field(min_length=1)]


class InteractionsConfig(BaseModel):
    """Where the interactions lie: in one log to be split, or in files split already."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    interactions: Files = ()
    """The log, to be split by `[split]`."""
    train: Files = ()
    """Ready-made training rows, in place of `interactions`."""
    validation: Files = ()
    """Ready-made validation rows: they choose the best epoch."""
    test: Files = ()
    """Ready-made test rows."""
    query: ColumnName
    """Column of the query's id: strings or integers."""
    candidate: ColumnName
    """Column of the candidate's id: strings or integers."""
    timestamp: ColumnName | None = None
    """Column of the time: numbers, timestamps or ISO 8601. Only ready-made files may lack one: then
    the order of files and rows counts as time."""
    timestamp_unit: Literal["s", "ms", "us"] = "s"
    """Unit of a timestamp that is a number."""
    label: ColumnName | None = None
    """Column of a number that says how much the query liked the candidate."""
    min_label: float | None = None
    """Rows with a lower label are left out; they count as no defect."""
    csv_delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    """What stands between two values of a CSV file."""
    max_reject_share: Annotated[float, Field(ge=0, le=1)] = 0.01
    """The preparation fails when a larger share of the rows cannot be used."""

    @property
    def is_ready_made(self) -> bool:
        """Whether the files are split already."""
        return not self.interactions

    @model_validator(mode="after")
    def _one_form(self) -> Self:
        splits = {"train": self.train, "validation": self.validation, "test": self.test}
        given = [name for name, files in splits.items() if files]
        if self.interactions and given:
            raise ValueError(
                f"give either `interactions` or `train`, `validation` and `test`, not both "
                f"(got `interactions` and `{given[0]}`)"
            )
        if not self.interactions and len(given) < len(splits):
            missing = next(name for name in splits if name not in given)
            raise ValueError(
                "give either `interactions`, or all of `train`, `validation` and `test` "
                f"(`{missing}` names no file)"
            )
        return self

    @model_validator(mode="after")
    def _columns(self) -> Self:
        if self.interactions and self.timestamp is None:
            raise ValueError("`timestamp` must name a column where `interactions` are to be split")
        if self.min_label is not None and self.label is None:
            raise ValueError("`min_label` needs `label`, the column it is compared with")
        return self
