"""JSON lines: one object a line, read by Arrow, or line by line where Arrow cannot tell."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.json

from components.blocks import whole_lines
from components.malformed import MalformedRows, note

_TRIED_LINES = 50
_NAMED_LINES = 1_000
_BLANK = b" \t\r\n"
_NEWLINE, _RETURN, _OPENS, _CLOSES = b"\n\r{}"

_TYPES: dict[type, pa.DataType] = {
    bytes: pa.large_binary(),
    bool: pa.bool_(),
    int: pa.int64(),
    float: pa.float64(),
}

_PARSED_AS = {
    pa.null(): pa.large_string(),
    pa.large_binary(): pa.large_string(),
    pa.bool_(): pa.bool_(),
    pa.int64(): pa.int64(),
    pa.float64(): pa.float64(),
}
"""What Arrow is asked for: it would take text that looks like a time for one."""


def read_json_lines(
    blocks: Iterable[bytes],
    columns: Sequence[str],
    malformed: MalformedRows | None,
    first_row: int = 0,
    *,
    lists: bool = False,
) -> Iterator[tuple[np.ndarray, pa.RecordBatch]]:
    """Reads lines as batches of `columns`, each with the numbers of its rows in the file.

    A block whose lines agree on the types is parsed by Arrow, another one line by line. Blank lines
    are no rows. A line is malformed that is no JSON object, or holds an object, or a list, where a
    column is wanted. Text is read as its bytes; a column that mixes types is text.

    Args:
      blocks: The text, from the beginning of a line.
      columns: Keys of the objects.
      malformed: Is given the malformed lines. None makes such a line an error.
      first_row: Number of the first row.
      lists: Whether a column may hold lists.

    Raises:
      pa.ArrowInvalid: A line is malformed.
    """
    for block in whole_lines(blocks):
        batch = _parse(block, columns, lists=lists)
        if batch is None:
            numbers, batch, rows = _parse_lines(block, columns, malformed, first_row, lists=lists)
        else:
            rows = batch.num_rows
            numbers = np.arange(first_row, first_row + rows)
        first_row += rows
        yield numbers, batch


def json_schema(blocks: Iterable[bytes]) -> pa.Schema | None:
    """The keys of the first lines and what they hold; None where there is no line."""
    for block in whole_lines(blocks):
        lines = [line for line in block.split(b"\n") if line.strip(_BLANK)][:_NAMED_LINES]
        if not lines:
            continue
        objects = [value for value in map(_object, lines) if value is not None]
        names = dict.fromkeys(name for value in objects for name in value)
        return pa.schema([(name, _type([value.get(name) for value in objects])) for name in names])
    return None


def _parse(block: bytes, columns: Sequence[str], *, lists: bool) -> pa.RecordBatch | None:
    """The block as Arrow parses it; None where that may differ from `_parse_lines`."""
    rows = _whole_objects(block)
    if rows is None:
        return None
    schema = _sniff(block, columns, lists=lists)
    if schema is None:
        return None
    try:
        table = pyarrow.json.read_json(
            pa.BufferReader(block),
            read_options=pyarrow.json.ReadOptions(use_threads=False, block_size=len(block) + 1),
            parse_options=pyarrow.json.ParseOptions(
                explicit_schema=schema, unexpected_field_behavior="ignore"
            ),
        )
    except pa.ArrowInvalid:
        return None
    if table.num_rows != rows:
        return None
    (batch,) = table.select(columns).combine_chunks().to_batches()
    return batch


def _whole_objects(block: bytes) -> int | None:
    """How many lines there are; None unless each begins and ends like one object.

    Arrow takes two objects on a line, and one on two lines.
    """
    data = np.frombuffer(block, np.uint8)
    ends = np.flatnonzero(data == _NEWLINE)
    if data[-1] != _NEWLINE:
        ends = np.append(ends, len(data))
    starts = np.append(0, ends[:-1] + 1)
    last = ends - 1
    last -= data[last] == _RETURN
    whole = (data[starts] == _OPENS).all() and (data[last] == _CLOSES).all()
    return len(ends) if whole else None


def _sniff(block: bytes, columns: Sequence[str], *, lists: bool) -> pa.Schema | None:
    """The types that the first lines give the columns; None where Arrow has none for them."""
    lines = block.split(b"\n", _TRIED_LINES)[:_TRIED_LINES]
    objects = [value for value in map(_object, lines) if value is not None]
    fields = []
    for name in columns:
        kind = _type([value.get(name) for value in objects])
        if lists and pa.types.is_list(kind):
            inner = _PARSED_AS.get(kind.value_type)
            parsed = inner and pa.list_(inner)
        else:
            parsed = _PARSED_AS.get(kind)
        if parsed is None:
            return None
        fields.append((name, parsed))
    return pa.schema(fields)


def _parse_lines(
    block: bytes,
    columns: Sequence[str],
    malformed: MalformedRows | None,
    first_row: int,
    *,
    lists: bool,
) -> tuple[np.ndarray, pa.RecordBatch, int]:
    """Numbers and values of the well-formed rows, and how many rows there are."""
    numbers: list[int] = []
    values: list[list[Any]] = []
    row = first_row
    for line in block.split(b"\n"):
        text = line.strip(_BLANK)
        if not text:
            continue
        found = _values(text, columns, lists=lists)
        if found is None:
            note(malformed, row, text)
        else:
            numbers.append(row)
            values.append(found)
        row += 1
    arrays = [_column([each[place] for each in values]) for place in range(len(columns))]
    batch = pa.RecordBatch.from_arrays(arrays, list(columns))
    return np.array(numbers, np.int64), batch, row - first_row


def _object(line: bytes) -> dict[str, Any] | None:
    """The object of a line; None if it is none. Bytes that are no UTF-8 are kept as surrogates."""
    try:
        value = json.loads(line.decode("utf-8", "surrogateescape"))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _values(line: bytes, columns: Sequence[str], *, lists: bool) -> list[Any] | None:
    """The values of the columns, text as bytes; None where the line is malformed."""
    value = _object(line)
    if value is None:
        return None
    try:
        return [_plain(value.get(name), lists=lists) for name in columns]
    except (TypeError, UnicodeEncodeError):
        return None


def _plain(value: Any, *, lists: bool) -> Any:  # noqa: ANN401 (a JSON value can be anything)
    """A value with its text as bytes.

    Raises:
      TypeError: It is an object, or a list where none may be.
      UnicodeEncodeError: It is text that cannot be written as UTF-8.
    """
    if isinstance(value, str):
        return value.encode("utf-8", "surrogateescape")
    if isinstance(value, list) and lists:
        return [_plain(each, lists=False) for each in value]
    if isinstance(value, (dict, list)):
        raise TypeError(f"{type(value).__name__} is no value of a column")
    return value


def _type(values: Sequence[Any]) -> pa.DataType:
    """The Arrow type of JSON values: that of the first ones, and text where they disagree."""
    kinds = {bytes if isinstance(value, str) else type(value) for value in values} - {type(None)}
    if not kinds:
        return pa.null()
    if kinds == {list}:
        return pa.list_(_type([each for value in values if value for each in value]))
    if len(kinds) == 1:
        return _TYPES.get(kinds.pop(), pa.struct([]))
    return pa.large_binary()


def _column(values: list[Any]) -> pa.Array:
    kind = _type(values)
    if not pa.types.is_large_binary(kind):
        try:
            return pa.array(values, kind)
        except OverflowError:
            kind = pa.large_binary()  # an integer of more than 64 bits
    return pa.array([_text(value) for value in values], kind)


def _text(value: bytes | bool | float | None) -> bytes | None:
    """A value as text, as Arrow writes it."""
    if value is None or isinstance(value, bytes):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value).encode()
    return pa.scalar(value).cast(pa.string()).as_py().encode()
