"""Files: found, checked by their schema, and read as batches of Arrow columns."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.blocks import read_blocks, without_mark
from components.columns import checked_text, is_text
from components.delimited import CsvConfig, read_delimited, split_header
from components.errors import DataError
from components.forms import form_of
from components.json_lines import json_schema, read_json_lines
from components.malformed import MalformedRows
from components.storage import find, open_input, place
from components.tfrecords import read_records, record_schema

BATCH_ROWS = 131_072


@dataclass(frozen=True, slots=True)
class InputFile:
    """A file under a name that tells it from its siblings and holds no absolute path."""

    name: str
    path: str


@dataclass(frozen=True, slots=True)
class Wanted:
    """A column that the configuration names: `key` is where it does so."""

    key: str
    column: str
    allows: Callable[[pa.DataType], bool]
    needs: str
    """What the column must hold, in words."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Part of a file that one worker reads: row groups of Parquet, bytes of what else it is."""

    file: InputFile
    first_row: int
    row_groups: tuple[int, ...] = ()
    start: int = 0
    end: int | None = None
    """None reads to the end of the file."""
    names: tuple[str, ...] = ()
    """The columns of delimited text, where the piece begins below the header line."""


def find_files(section: str, patterns: Sequence[str]) -> list[InputFile]:
    """The files that paths, globs and directories name, each once.

    The order is that of `patterns`; what one pattern names is sorted by path.

    Raises:
      DataError: A pattern names no file, or one of a kind that cannot be read.
    """
    paths = list(dict.fromkeys(path for pattern in patterns for path in find(pattern)))
    for path in paths:
        form_of(path)
    if not paths:
        return []
    base = os.path.commonpath([os.path.dirname(place(path)) for path in paths])  # noqa: PTH120
    return [
        InputFile(f"{section}/{Path(os.path.relpath(place(path), base)).as_posix()}", path)
        for path in paths
    ]


def check_columns(file: InputFile, wanted: Sequence[Wanted], csv: CsvConfig) -> None:
    """Checks that a file holds the columns wanted, by reading its schema alone.

    Raises:
      DataError: A column is missing or holds another type, or the file cannot be read.
    """
    schema = _schema(file, csv)
    if schema is None:
        return
    for want in wanted:
        if want.column not in schema.names:
            raise DataError(
                f"{file.path}: there is no column `{want.column}`, which `{want.key}` names; "
                f"its columns are {', '.join(f'`{name}`' for name in schema.names)}."
            )
        if schema.names.count(want.column) > 1:
            raise DataError(
                f"{file.path}: column `{want.column}`, which `{want.key}` names, stands there "
                f"{schema.names.count(want.column)} times; give each column a name of its own."
            )
        kind = schema.field(want.column).type
        if not want.allows(kind):
            raise DataError(
                f"{file.path}: column `{want.column}`, which `{want.key}` names, holds {kind}; "
                f"it must hold {want.needs}."
            )


def pieces(file: InputFile) -> Iterator[Piece]:
    """Cuts a file into pieces of about `BATCH_ROWS` rows; a file of another kind stays whole.

    Raises:
      DataError: The file cannot be read.
    """
    if form_of(file.path)[0] != "parquet":
        yield Piece(file, 0)
        return
    with _naming(file), open_input(file.path) as source:
        metadata = pq.read_metadata(source)
    groups: list[int] = []
    first_row = rows = 0
    for group in range(metadata.num_row_groups):
        groups.append(group)
        rows += metadata.row_group(group).num_rows
        if rows >= BATCH_ROWS or group == metadata.num_row_groups - 1:
            yield Piece(file, first_row, tuple(groups))
            groups, first_row, rows = [], first_row + rows, 0


def read_piece(
    piece: Piece,
    columns: Sequence[str],
    csv: CsvConfig,
    malformed: MalformedRows | None = None,
    *,
    lists: bool = False,
) -> Iterator[tuple[np.ndarray, pa.RecordBatch]]:
    """Reads `columns` of a piece in batches, each with the numbers of its rows in the file.

    Text comes as strings or bytes; whether it is UTF-8 is not checked.

    Args:
      piece: Where to read.
      columns: What to read.
      csv: How delimited text is written.
      malformed: Is given the malformed rows; the last of them when all is read. None makes such a
        row an error.
      lists: Whether a column of JSON may hold lists.

    Raises:
      DataError: The file cannot be read.
    """
    form, packing = form_of(piece.file.path)
    with _naming(piece.file):
        if form == "parquet":
            yield from _parquet_batches(piece, columns)
            return
        blocks = functools.partial(read_blocks, piece.file.path, packing, piece.start, piece.end)
        if form == "tfrecord":
            yield from read_records(blocks(), columns, malformed, piece.start, piece.first_row)
        elif form == "json_lines":
            text = blocks() if piece.start else without_mark(blocks())
            yield from read_json_lines(text, columns, malformed, piece.first_row, lists=lists)
        else:
            csv = csv.with_tabs() if form == "tsv" else csv
            yield from _delimited_batches(piece, blocks, columns, csv, malformed)


def read_file(file: InputFile, columns: Sequence[str], csv: CsvConfig) -> pa.Table:
    """Reads `columns` of a whole file; text is UTF-8.

    Raises:
      DataError: The file cannot be read, a row is malformed, or text is no UTF-8.
    """
    with _naming(file):
        batches = [
            _checked(batch)
            for piece in pieces(file)
            for _, batch in read_piece(piece, columns, csv, lists=True)
        ]
    if not batches:
        return pa.table({name: pa.array([], pa.string()) for name in columns})
    return pa.concat_tables(batches, promote_options="permissive")


def _checked(batch: pa.RecordBatch) -> pa.Table:
    """The batch with its text as strings.

    Raises:
      pa.ArrowInvalid: Text is no UTF-8.
    """
    columns = {}
    for name in batch.schema.names:
        column, wrong = checked_text(batch[name])
        if wrong is not None:
            row = int(np.flatnonzero(wrong)[0])
            value = batch[name].cast(pa.binary())[row].as_py()
            raise pa.ArrowInvalid(f"column `{name}` holds {value}, which is no UTF-8")
        columns[name] = column
    return pa.table(columns)


def _schema(file: InputFile, csv: CsvConfig) -> pa.Schema | None:
    """The columns and their types; None where the file says nothing of them since it has no row."""
    form, packing = form_of(file.path)
    with _naming(file):
        if form == "parquet":
            with open_input(file.path) as source:
                return pq.read_schema(source)
        blocks = read_blocks(file.path, packing)
        if form == "tfrecord":
            return record_schema(blocks)
        if form == "json_lines":
            return json_schema(without_mark(blocks))
        csv = csv.with_tabs() if form == "tsv" else csv
        names, _ = split_header(without_mark(blocks), csv)
        return pa.schema([(name, pa.string()) for name in names])


def _parquet_batches(
    piece: Piece, columns: Sequence[str]
) -> Iterator[tuple[np.ndarray, pa.RecordBatch]]:
    first = piece.first_row
    with open_input(piece.file.path) as source:
        stored = pq.ParquetFile(source)
        kinds = stored.schema_arrow
        # Text is mostly stored as dictionaries: as such it is read, and need not be found anew.
        text = [name for name in columns if is_text(kinds.field(name).type)]
        file = pq.ParquetFile(source, metadata=stored.metadata, read_dictionary=text)
        for batch in file.iter_batches(BATCH_ROWS, piece.row_groups, list(columns)):
            yield np.arange(first, first + batch.num_rows), _without_views(batch)
            first += batch.num_rows


def _without_views(batch: pa.RecordBatch) -> pa.RecordBatch:
    """The batch with views of text as their bytes: Arrow can choose no rows of a view."""
    for index, name in enumerate(batch.schema.names):
        kind = batch[name].type
        if pa.types.is_string_view(kind) or pa.types.is_binary_view(kind):
            batch = batch.set_column(index, name, batch[name].cast(pa.large_binary()))
    return batch


def _delimited_batches(
    piece: Piece,
    blocks: Callable[[], Iterator[bytes]],
    columns: Sequence[str],
    csv: CsvConfig,
    malformed: MalformedRows | None,
) -> Iterator[tuple[np.ndarray, pa.RecordBatch]]:
    def below_header() -> Iterator[bytes]:
        return split_header(without_mark(blocks()), csv)[1]

    names = piece.names or split_header(without_mark(blocks()), csv)[0]
    rows = blocks if piece.start else below_header
    yield from read_delimited(rows, names, columns, csv, malformed, piece.first_row)


@contextlib.contextmanager
def _naming(file: InputFile) -> Iterator[None]:
    """Turns what Arrow raises into a sentence that names the file."""
    try:
        yield
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{file.path}: the file cannot be read ({reason}).") from error
