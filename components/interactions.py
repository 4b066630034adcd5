"""Interactions: which files hold them, what their columns are called, which rules they keep."""

from __future__ import annotations

import datetime
from typing import Annotated, Literal, Self

import pyarrow as pa
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    FiniteFloat,
    model_validator,
)

from components.columns import ID_TYPE, is_id, is_number, is_time
from components.delimited import CsvConfig
from components.files import Wanted
from components.weights import WeightsConfig

QUERY = "query"
CANDIDATE = "candidate"
TIMESTAMP = "timestamp"
LABEL = "label"
SPLIT = "split"

Files = tuple[Annotated[str, Field(min_length=1)], ...]
"""Paths, globs or directories, on this machine or in a store."""

ColumnName = Annotated[str, Field(min_length=1)]


def _begin(value: object) -> object:
    """A date as the time it begins at."""
    date = _date(value)
    return value if date is None else datetime.datetime.combine(date, datetime.time.min)


def _end(value: object) -> object:
    """A date as the last microsecond of it."""
    date = _date(value)
    return value if date is None else datetime.datetime.combine(date, datetime.time.max)


def _date(value: object) -> datetime.date | None:
    if isinstance(value, str):
        try:
            return datetime.date.fromisoformat(value)
        except ValueError:
            return None
    if isinstance(value, datetime.date) and not isinstance(value, datetime.datetime):
        return value
    return None


def _in_utc(time: datetime.datetime) -> datetime.datetime:
    return time if time.tzinfo else time.replace(tzinfo=datetime.UTC)


Earliest = Annotated[datetime.datetime, BeforeValidator(_begin), AfterValidator(_in_utc)]
Latest = Annotated[datetime.datetime, BeforeValidator(_end), AfterValidator(_in_utc)]


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
    earliest: Earliest | None = None
    """Rows of an earlier time are rejected: a date, or a time, in UTC where it names no zone."""
    latest: Latest | None = None
    """Rows of a later time are rejected; a date counts to its end."""
    max_id_bytes: Annotated[int, Field(gt=0)] = 1_024
    """Rows with a longer id are rejected: it is more likely a mistake in the log than an id."""
    label: ColumnName | None = None
    """Column of a number that says how much the query liked the candidate."""
    min_label: FiniteFloat | None = None
    """Rows with a lower label are left out; they count as no defect."""
    weights: WeightsConfig | None = None
    """How a label becomes the weight of its row in training; all weigh the same without it."""
    csv: CsvConfig = CsvConfig()
    """How delimited text is written; that of side tables too."""
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
        if self.weights is not None and self.label is None:
            raise ValueError("`weights` needs `label`, the column they are made of")
        self._check_range()
        columns = self.columns
        if len(set(columns)) < len(columns):
            raise ValueError(
                "`query`, `candidate`, `timestamp` and `label` must name different columns "
                f"(got {', '.join(columns)})"
            )
        return self

    def _check_range(self) -> None:
        for name in ("earliest", "latest"):
            if getattr(self, name) is not None and self.timestamp is None:
                raise ValueError(f"`{name}` needs `timestamp`, the column it is compared with")
        if self.earliest and self.latest and self.earliest > self.latest:
            raise ValueError(
                f"`earliest` must not come after `latest` (got {self.earliest} and {self.latest})"
            )

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns to read."""
        named = (self.query, self.candidate, self.timestamp, self.label)
        return tuple(column for column in named if column is not None)


def interactions_schema(*, labelled: bool, split: bool = False) -> pa.Schema:
    """Columns of interactions inside the job.

    Ids are dictionaries, `timestamp` is in microseconds since 1970 UTC, `split` an index into
    `splits.SPLITS`.
    """
    ids = pa.dictionary(pa.int32(), ID_TYPE)
    fields = [(QUERY, ids), (CANDIDATE, ids), (TIMESTAMP, pa.int64())]
    if labelled:
        fields.append((LABEL, pa.float32()))
    if split:
        fields.append((SPLIT, pa.int8()))
    return pa.schema(fields)


def wanted_columns(config: InteractionsConfig) -> list[Wanted]:
    """The columns that a file of interactions must have."""
    wanted = [
        Wanted("data.query", config.query, is_id, "strings or integers"),
        Wanted("data.candidate", config.candidate, is_id, "strings or integers"),
    ]
    if config.timestamp is not None:
        need = "timestamps, dates, numbers or text"
        wanted.append(Wanted("data.timestamp", config.timestamp, is_time, need))
    if config.label is not None:
        wanted.append(Wanted("data.label", config.label, is_number, "numbers or text"))
    return wanted
