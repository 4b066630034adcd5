"""Interactions: which files hold them, what their columns are called, and which rows are kept."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, Self

import numpy as np
import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field, model_validator

from components.columns import (
    ID_TYPE,
    as_ids,
    as_microseconds,
    as_numbers,
    is_id,
    is_number,
    is_time,
)
from components.files import MalformedRows, Wanted
from components.weights import WeightsConfig

QUERY = "query"
CANDIDATE = "candidate"
TIMESTAMP = "timestamp"
LABEL = "label"
SPLIT = "split"

MALFORMED_ROW = "malformed_row"
MISSING_QUERY = "missing_query"
MISSING_CANDIDATE = "missing_candidate"
BAD_TIMESTAMP = "bad_timestamp"
BAD_LABEL = "bad_label"
REASONS = (MALFORMED_ROW, MISSING_QUERY, MISSING_CANDIDATE, BAD_TIMESTAMP, BAD_LABEL)
"""Why a row can be rejected. A row with several defects counts under the first."""

REJECT_SAMPLES = 1_000
"""Rejected rows of a file that are kept for each reason, the first ones: all are counted."""

REJECTS_SCHEMA = pa.schema([("row", pa.int64()), ("reason", pa.string()), ("values", pa.string())])

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
    weights: WeightsConfig | None = None
    """How a label becomes the weight of its row in training; all weigh the same without it."""
    csv_delimiter: Annotated[str, Field(min_length=1, max_length=1)] = ","
    """What stands between two values of a CSV file; of a side table too."""
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
        columns = self.columns
        if len(set(columns)) < len(columns):
            raise ValueError(
                "`query`, `candidate`, `timestamp` and `label` must name different columns "
                f"(got {', '.join(columns)})"
            )
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns to read."""
        named = (self.query, self.candidate, self.timestamp, self.label)
        return tuple(column for column in named if column is not None)


@dataclass(frozen=True, slots=True)
class Normalised:
    """What became of a batch of rows: each is kept, rejected, or below the least label."""

    rows_read: int
    below_min_label: int
    kept: pa.Table
    """In `interactions_schema`."""
    rejected: Mapping[str, int]
    """How many rows each of `REASONS` rejects, where any."""
    rejects: pa.Table
    """The first `REJECT_SAMPLES` of each reason, in `REJECTS_SCHEMA`; `row` counts the rows of the
    file from 0."""


def interactions_schema(*, labelled: bool, split: bool = False) -> pa.Schema:
    """Columns of interactions inside the job.

    `timestamp` is in microseconds since 1970 UTC, `split` an index into `splits.SPLITS`.
    """
    fields = [(QUERY, ID_TYPE), (CANDIDATE, ID_TYPE), (TIMESTAMP, pa.int64())]
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


def normalise(
    batch: pa.RecordBatch, rows: np.ndarray, config: InteractionsConfig, *, order: int = 0
) -> Normalised:
    """Parses a batch of raw rows and parts the usable from the defective.

    Args:
      batch: The columns that `config` names, of any type that `wanted_columns` allows.
      rows: `[rows]` numbers of the batch's rows in their file, from 0.
      config: Names and rules of the columns.
      order: Time of the file's first row where there is no timestamp column: a row's number is
        added to it.
    """
    query, candidate = as_ids(batch[config.query]), as_ids(batch[config.candidate])
    defects = {
        MISSING_QUERY: _mask(query.is_null()),
        MISSING_CANDIDATE: _mask(candidate.is_null()),
    }
    columns: dict[str, pa.Array | np.ndarray] = {QUERY: query, CANDIDATE: candidate}
    if config.timestamp is None:
        columns[TIMESTAMP] = order + rows
    else:
        times, valid = as_microseconds(batch[config.timestamp], config.timestamp_unit)
        columns[TIMESTAMP] = times
        defects[BAD_TIMESTAMP] = ~valid
    low = np.zeros(len(rows), bool)
    if config.label is not None:
        labels = as_numbers(batch[config.label])
        with np.errstate(over="ignore"):
            # Adding 0 turns -0 into 0: the two would tie in the sort and differ in their bytes.
            columns[LABEL] = labels.astype(np.float32) + np.float32(0)
        defects[BAD_LABEL] = ~np.isfinite(columns[LABEL])
        if config.min_label is not None:
            low = labels < config.min_label
    reason = _first_defect(defects, len(rows))
    kept = pa.table(columns, schema=interactions_schema(labelled=config.label is not None))
    fine = reason < 0
    return Normalised(
        rows_read=len(rows),
        below_min_label=int(np.count_nonzero(fine & low)),
        kept=kept if fine.all() and not low.any() else kept.filter(pa.array(fine & ~low)),
        rejected={
            REASONS[index]: int(count)
            for index, count in enumerate(np.bincount(reason[~fine], minlength=len(REASONS)))
            if count
        },
        rejects=_rejects(batch, rows, reason, config),
    )


def malformed_rejects(malformed: MalformedRows) -> pa.Table:
    """The malformed rows whose text was kept, in `REJECTS_SCHEMA`."""
    texts = malformed.texts
    return pa.table(
        {
            "row": list(malformed.rows[: len(texts)]),
            "reason": [MALFORMED_ROW] * len(texts),
            "values": [json.dumps({"text": text}, ensure_ascii=False) for text in texts],
        },
        schema=REJECTS_SCHEMA,
    )


def _mask(column: pa.Array) -> np.ndarray:
    return column.to_numpy(zero_copy_only=False)


def _first_defect(defects: Mapping[str, np.ndarray], rows: int) -> np.ndarray:
    """`[rows]` index in `REASONS`, -1 where the row is fine."""
    reason = np.full(rows, -1, np.int8)
    for index in range(len(REASONS) - 1, -1, -1):
        if REASONS[index] in defects:
            reason[defects[REASONS[index]]] = index
    return reason


def _rejects(
    batch: pa.RecordBatch, rows: np.ndarray, reason: np.ndarray, config: InteractionsConfig
) -> pa.Table:
    first = [np.flatnonzero(reason == index)[:REJECT_SAMPLES] for index in range(len(REASONS))]
    chosen = np.sort(np.concatenate(first))
    raw = batch.select(config.columns).take(pa.array(chosen)).to_pylist()
    return pa.table(
        {
            "row": rows[chosen],
            "reason": [REASONS[index] for index in reason[chosen]],
            "values": [json.dumps(_plain(values), ensure_ascii=False) for values in raw],
        },
        schema=REJECTS_SCHEMA,
    )


def _plain(values: Mapping[str, object]) -> dict[str, object]:
    """The values as JSON can hold them: NaN, times and the like become text."""
    return {
        name: value
        if value is None
        or isinstance(value, (str, int))
        or (isinstance(value, float) and math.isfinite(value))
        else str(value)
        for name, value in values.items()
    }
