"""Columns: raw Arrow columns of any type become ids, times and numbers, whole batches at a time.

A batch of well-formed text is parsed by Arrow. One that holds a malformed value is parsed value by
value, by rules that accept all that Arrow accepts: so a value means the same in every batch.
"""

# pyright: reportAttributeAccessIssue=false
# (pyarrow.compute makes its functions when it is imported)

from __future__ import annotations

import datetime
from collections.abc import Callable
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

ID_TYPE = pa.large_string()
"""Type of an id inside the job: a part of the data may hold more than 2 GiB of them."""

Unit = Literal["s", "ms", "us"]

_MICROSECONDS = {"s": 1_000_000.0, "ms": 1_000.0, "us": 1.0, "ns": 0.001}
_MICROSECONDS_A_DAY = 86_400e6
_LATEST = 253_402_300_799_999_999  # the end of the year 9999; farther numbers have another unit
_TRIED_ROWS = 1_024
_EPOCH = datetime.datetime(1970, 1, 1, tzinfo=datetime.UTC)


def is_text(kind: pa.DataType) -> bool:
    """Whether a column of this type holds text, as strings or as bytes."""
    return any(is_of_kind(kind) for is_of_kind in _TEXT)


def is_id(kind: pa.DataType) -> bool:
    """Whether a column of this type can hold ids: strings or integers."""
    kind = _value_type(kind)
    return is_text(kind) or pa.types.is_integer(kind) or pa.types.is_null(kind)


def is_category(kind: pa.DataType) -> bool:
    """Whether a column of this type can hold categories: as ids, or booleans."""
    return is_id(kind) or pa.types.is_boolean(_value_type(kind))


def is_list(kind: pa.DataType) -> bool:
    """Whether a column of this type holds lists."""
    return pa.types.is_list(kind) or pa.types.is_large_list(kind)


def is_categories(kind: pa.DataType) -> bool:
    """Whether a column of this type can hold lists of categories, as lists or as joined text."""
    if is_list(kind):
        return is_category(kind.value_type)
    return is_text(_value_type(kind)) or pa.types.is_null(kind)


def is_number(kind: pa.DataType) -> bool:
    """Whether a column of this type can hold numbers, written as numbers or as text."""
    kind = _value_type(kind)
    return (
        is_id(kind)
        or pa.types.is_floating(kind)
        or pa.types.is_decimal(kind)
        or pa.types.is_boolean(kind)
    )


def is_time(kind: pa.DataType) -> bool:
    """Whether a column of this type can hold times: times, dates, numbers or text."""
    return (is_number(kind) and not pa.types.is_boolean(kind)) or _is_calendar(_value_type(kind))


def checked_text(column: pa.Array) -> tuple[pa.Array, np.ndarray | None]:
    """A column of text as `ID_TYPE`; of another type, as it is.

    Returns:
      The column, null where the bytes are no UTF-8, and `[rows]` bool where that is so; None where
      all are.
    """
    column = _decoded(column)
    if not is_text(column.type):
        return column, None
    raw = column.cast(pa.large_binary())
    try:
        return raw.cast(ID_TYPE), None
    except pa.ArrowInvalid:
        encoded = raw.dictionary_encode()
    wrong = np.array([not _is_utf8(value) for value in encoded.dictionary.to_pylist()] + [False])
    rows = pc.fill_null(encoded.indices, len(wrong) - 1).to_numpy(zero_copy_only=False)
    wrong = wrong[rows]
    nothing = pa.scalar(None, pa.large_binary())
    return pc.if_else(pa.array(wrong), nothing, raw).cast(ID_TYPE), wrong


def as_dictionary(column: pa.Array) -> pa.DictionaryArray:
    """The column as a dictionary, so that what holds of a value is found once for all its rows."""
    return column if pa.types.is_dictionary(column.type) else column.dictionary_encode()


def as_ids(column: pa.Array) -> pa.Array:
    """The column as `ID_TYPE`: integers as their digits, booleans as `true` and `false`.

    An empty string is null.
    """
    return _without_empty(_decoded(column).cast(ID_TYPE))


def as_numbers(column: pa.Array) -> np.ndarray:
    """`[rows]` float64; NaN where the value is null or no number."""
    column = _decoded(column)
    if is_text(column.type):
        return _parsed(column, _number)
    if pa.types.is_boolean(column.type):
        column = column.cast(pa.int8())
    return _floats(column)


def as_microseconds(column: pa.Array, unit: Unit) -> tuple[np.ndarray, np.ndarray]:
    """Times in microseconds since 1970 UTC, and which of them are times at all.

    Args:
      column: Times, dates, numbers, or text of numbers or ISO 8601 (UTC where it names no zone).
      unit: Unit of the numbers.

    Returns:
      `[rows]` int64, 0 where invalid, and `[rows]` bool: False where the value is null, no time,
      or beyond the year 9999, as times read in a wrong unit are.
    """
    column = _decoded(column)
    if is_text(column.type):
        return _rounded(_parsed_times(column, _MICROSECONDS[unit]))
    if pa.types.is_date(column.type):
        column = column.cast(pa.date32()).cast(pa.int32())
        return _rounded(_times(_floats(column), _MICROSECONDS_A_DAY))
    if pa.types.is_timestamp(column.type):
        unit_of_type: str = column.type.unit
        return _scaled(column.cast(pa.int64()), unit_of_type)
    if pa.types.is_integer(column.type) and column.type != pa.uint64():
        return _scaled(column.cast(pa.int64()), unit)
    return _rounded(_times(_floats(column), _MICROSECONDS[unit]))


_TEXT = (
    pa.types.is_string,
    pa.types.is_large_string,
    pa.types.is_string_view,
    pa.types.is_binary,
    pa.types.is_large_binary,
    pa.types.is_binary_view,
)


def _is_utf8(value: bytes) -> bool:
    try:
        value.decode()
    except UnicodeDecodeError:
        return False
    return True


def _value_type(kind: pa.DataType) -> pa.DataType:
    return kind.value_type if pa.types.is_dictionary(kind) else kind


def _is_calendar(kind: pa.DataType) -> bool:
    return pa.types.is_timestamp(kind) or pa.types.is_date(kind)


def _decoded(column: pa.Array) -> pa.Array:
    return column.dictionary_decode() if pa.types.is_dictionary(column.type) else column


def _floats(column: pa.Array) -> np.ndarray:
    numbers = column.cast(pa.float64(), safe=False)
    return pc.fill_null(numbers, float("nan")).to_numpy(zero_copy_only=False)


def _times(numbers: np.ndarray, factor: float) -> np.ndarray:
    """The product; infinite where it is beyond any float."""
    with np.errstate(over="ignore"):
        return numbers * factor


def _scaled(column: pa.Array, unit: str) -> tuple[np.ndarray, np.ndarray]:
    """Integers in `unit` as microseconds: exact, where a float would round."""
    valid = column.is_valid().to_numpy(zero_copy_only=False)
    values = pc.fill_null(column, 0).to_numpy(zero_copy_only=False)
    if unit == "ns":
        return values // 1_000, valid
    factor = int(_MICROSECONDS[unit])
    valid = valid & (values <= _LATEST // factor) & (values >= -(_LATEST // factor))
    return np.where(valid, values, 0) * factor, valid


def _rounded(microseconds: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    with np.errstate(invalid="ignore"):
        valid = np.abs(microseconds) <= _LATEST
    return np.rint(np.where(valid, microseconds, 0.0)).astype(np.int64), valid


def _parsed_times(column: pa.Array, factor: float) -> np.ndarray:
    def parse(text: str) -> float:
        number = _number(text)
        return _iso_microseconds(text) if number is None else number * factor

    column = _trimmed(column)
    try:
        return _times(_floats(_cast_text(column, pa.float64())), factor)
    except pa.ArrowInvalid:
        pass
    for kind in (pa.timestamp("us"), pa.timestamp("us", "UTC")):
        try:
            return _floats(_cast_text(column, kind).cast(pa.int64()))
        except pa.ArrowInvalid:
            continue
    return _value_by_value(column, parse)


def _parsed(column: pa.Array, parse: Callable[[str], float | None]) -> np.ndarray:
    column = _trimmed(column)
    try:
        return _floats(_cast_text(column, pa.float64()))
    except pa.ArrowInvalid:
        return _value_by_value(column, parse)


def _cast_text(column: pa.Array, kind: pa.DataType) -> pa.Array:
    """The text as Arrow parses it.

    Arrow goes on after a malformed value and words an error for each: so a few are tried first.

    Raises:
      pa.ArrowInvalid: A value is malformed.
    """
    column.slice(0, _TRIED_ROWS).cast(kind)
    return column.cast(kind)


def _trimmed(column: pa.Array) -> pa.Array:
    return _without_empty(pc.utf8_trim_whitespace(column.cast(ID_TYPE)))


def _without_empty(column: pa.Array) -> pa.Array:
    empty = pc.equal(column, "")
    if not pc.any(empty).as_py():
        return column
    return pc.if_else(empty, pa.scalar(None, ID_TYPE), column)


def _value_by_value(column: pa.Array, parse: Callable[[str], float | None]) -> np.ndarray:
    encoded = column.dictionary_encode()
    values = [parse(text) for text in encoded.dictionary.to_pylist()]
    parsed = np.array([np.nan if value is None else value for value in values], np.float64)
    rows = pc.fill_null(encoded.indices, len(values)).to_numpy(zero_copy_only=False)
    return np.append(parsed, np.nan)[rows]


def _number(text: str) -> float | None:
    try:
        return None if "_" in text else float(text)
    except ValueError:
        return None


def _iso_microseconds(text: str) -> float:
    try:
        time = datetime.datetime.fromisoformat(text)
    except ValueError:
        return float("nan")
    if time.tzinfo is None:
        time = time.replace(tzinfo=datetime.UTC)
    return (time - _EPOCH) / datetime.timedelta(microseconds=1)
