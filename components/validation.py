"""Validation: raw rows become interactions, or rejects with a reason, by masks over batches."""

# pyright: reportAttributeAccessIssue=false
# (pyarrow.compute makes its functions when it is imported)

from __future__ import annotations

import datetime
import json
import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.columns import (
    as_dictionary,
    as_ids,
    as_microseconds,
    as_numbers,
    checked_text,
    is_text,
)
from components.interactions import (
    CANDIDATE,
    LABEL,
    QUERY,
    TIMESTAMP,
    InteractionsConfig,
    interactions_schema,
)
from components.malformed import LONGEST_TEXT, MalformedRows

MALFORMED_ROW = "malformed_row"
INVALID_UTF8 = "invalid_utf8"
MISSING_QUERY = "missing_query"
MISSING_CANDIDATE = "missing_candidate"
LONG_QUERY = "long_query"
LONG_CANDIDATE = "long_candidate"
BAD_TIMESTAMP = "bad_timestamp"
TOO_EARLY = "too_early"
TOO_LATE = "too_late"
BAD_LABEL = "bad_label"
REASONS = (
    MALFORMED_ROW,
    INVALID_UTF8,
    MISSING_QUERY,
    MISSING_CANDIDATE,
    LONG_QUERY,
    LONG_CANDIDATE,
    BAD_TIMESTAMP,
    TOO_EARLY,
    TOO_LATE,
    BAD_LABEL,
)
"""Why a row can be rejected. A row with several defects counts under the first."""

REJECT_SAMPLES = 1_000
"""Rejected rows of a file that are kept for each reason, the first ones: all are counted."""

REJECTS_SCHEMA = pa.schema([("row", pa.int64()), ("reason", pa.string()), ("values", pa.string())])

_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)
_MICROSECOND = datetime.timedelta(microseconds=1)


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
    limit = config.max_id_bytes
    query, defects = _ids(batch[config.query], MISSING_QUERY, LONG_QUERY, limit)
    candidate, more = _ids(batch[config.candidate], MISSING_CANDIDATE, LONG_CANDIDATE, limit)
    defects = _either(defects, more)
    columns: dict[str, pa.Array | np.ndarray] = {QUERY: query, CANDIDATE: candidate}
    raw: dict[str, pa.Array] = {}
    for name in config.columns[len(columns) :]:
        raw[name], wrong = checked_text(batch[name])
        if wrong is not None:
            defects = _either(defects, {INVALID_UTF8: wrong})
    if config.timestamp is None:
        columns[TIMESTAMP] = order + rows
    else:
        columns[TIMESTAMP], valid = as_microseconds(raw[config.timestamp], config.timestamp_unit)
        defects |= _time_defects(columns[TIMESTAMP], valid, config)
    low = np.zeros(len(rows), bool)
    if config.label is not None:
        labels = as_numbers(raw[config.label])
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


def _ids(
    column: pa.Array, missing: str, long: str, limit: int
) -> tuple[pa.DictionaryArray, dict[str, np.ndarray]]:
    """A column of ids, checked value by value of its dictionary, and the defects of its rows."""
    encoded = as_dictionary(column)
    values, wrong = checked_text(encoded.dictionary)
    ids = as_ids(values)
    sizes = pc.fill_null(pc.binary_length(ids), 0).to_numpy(zero_copy_only=False)
    of_values = {
        INVALID_UTF8: np.zeros(len(ids), bool) if wrong is None else wrong,
        missing: ids.is_null().to_numpy(zero_copy_only=False),
        long: sizes > limit,
    }
    rows = pc.fill_null(encoded.indices, len(ids)).to_numpy(zero_copy_only=False)
    defects = {
        reason: np.append(flags, reason == missing)[rows]
        for reason, flags in of_values.items()
        if flags.any() or (reason == missing and encoded.indices.null_count)
    }
    indices = encoded.indices.cast(pa.int32())
    return pa.DictionaryArray.from_arrays(indices, ids), defects


def _either(
    defects: Mapping[str, np.ndarray], more: Mapping[str, np.ndarray]
) -> dict[str, np.ndarray]:
    """The rows that have a defect by one or the other."""
    both = {reason: defects[reason] | more[reason] for reason in defects.keys() & more.keys()}
    return {**defects, **more, **both}


def _time_defects(
    times: np.ndarray, valid: np.ndarray, config: InteractionsConfig
) -> dict[str, np.ndarray]:
    defects = {BAD_TIMESTAMP: ~valid}
    if config.earliest is not None:
        defects[TOO_EARLY] = times < (config.earliest - _EPOCH) // _MICROSECOND
    if config.latest is not None:
        defects[TOO_LATE] = times > (config.latest - _EPOCH) // _MICROSECOND
    return defects


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
    raw = [_raw(batch[name].take(pa.array(chosen))) for name in config.columns]
    values = [dict(zip(config.columns, row, strict=True)) for row in zip(*raw, strict=True)]
    return pa.table(
        {
            "row": rows[chosen],
            "reason": [REASONS[index] for index in reason[chosen]],
            "values": [json.dumps(_plain(row), ensure_ascii=False) for row in values],
        },
        schema=REJECTS_SCHEMA,
    )


def _raw(column: pa.Array) -> list[object]:
    """The values; text that may be no UTF-8 as bytes."""
    if pa.types.is_dictionary(column.type):
        column = column.dictionary_decode()
    return (column.cast(pa.large_binary()) if is_text(column.type) else column).to_pylist()


def _plain(values: Mapping[str, object]) -> dict[str, object]:
    """The values as JSON can hold them: NaN, times and the like become text, long text is cut."""
    return {name: _plain_value(value) for name, value in values.items()}


def _plain_value(value: object) -> object:
    if isinstance(value, bytes):
        return value[: 4 * LONGEST_TEXT].decode("utf-8", "replace")[:LONGEST_TEXT]
    if value is None or isinstance(value, int):
        return value
    if isinstance(value, float) and math.isfinite(value):
        return value
    return str(value)
