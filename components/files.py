"""Files: Parquet and CSV, found, checked by their schema, and read as batches of Arrow tables."""

from __future__ import annotations

import contextlib
import glob
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from components.errors import DataError

PARQUET = ".parquet"
CSV = (".csv", ".csv.gz")
BATCH_ROWS = 131_072
_CSV_BLOCK_BYTES = 4 << 20


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
    """Part of a file that one worker reads: some row groups, or a whole CSV file."""

    file: InputFile
    first_row: int
    row_groups: tuple[int, ...] = ()


def find_files(section: str, patterns: Sequence[str]) -> list[InputFile]:
    """The files that paths, globs and directories name, each once.

    The order is that of `patterns`; what one pattern names is sorted by path.

    Raises:
      DataError: A pattern names no file, or one of a kind that cannot be read.
    """
    paths = list(dict.fromkeys(path for pattern in patterns for path in _expand(pattern)))
    for path in paths:
        if not path.endswith((PARQUET, *CSV)):
            raise DataError(
                f"{path}: this kind of file cannot be read; give {PARQUET}, {' or '.join(CSV)}."
            )
    if not paths:
        return []
    base = os.path.commonpath([os.path.dirname(path) for path in paths])  # noqa: PTH120
    return [
        InputFile(f"{section}/{Path(os.path.relpath(path, base)).as_posix()}", path)
        for path in paths
    ]


def check_columns(file: InputFile, wanted: Sequence[Wanted], delimiter: str) -> None:
    """Checks that a file holds the columns wanted, by reading its schema alone.

    Raises:
      DataError: A column is missing or holds another type, or the file cannot be read.
    """
    schema = _schema(file, delimiter)
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
    """Cuts a file into pieces of about `BATCH_ROWS` rows; a CSV file stays whole.

    Raises:
      DataError: The file cannot be read.
    """
    if not file.path.endswith(PARQUET):
        yield Piece(file, 0)
        return
    with _naming(file):
        metadata = pq.read_metadata(file.path)
    groups: list[int] = []
    first_row = rows = 0
    for group in range(metadata.num_row_groups):
        groups.append(group)
        rows += metadata.row_group(group).num_rows
        if rows >= BATCH_ROWS or group == metadata.num_row_groups - 1:
            yield Piece(file, first_row, tuple(groups))
            groups, first_row, rows = [], first_row + rows, 0


def read_piece(
    piece: Piece, columns: Sequence[str], delimiter: str
) -> Iterator[tuple[int, pa.RecordBatch]]:
    """Reads `columns` of a piece in batches, each with the number of its first row in the file.

    The values of a CSV file are read as text: what they mean is not for the reader to guess.

    Raises:
      DataError: The file cannot be read.
    """
    row = piece.first_row
    with _naming(piece.file):
        for batch in _batches(piece, columns, delimiter):
            yield row, batch
            row += batch.num_rows


def read_file(file: InputFile, columns: Sequence[str], delimiter: str) -> pa.Table:
    """Reads `columns` of a whole file.

    Raises:
      DataError: The file cannot be read.
    """
    batches = [
        batch for piece in pieces(file) for _, batch in read_piece(piece, columns, delimiter)
    ]
    if not batches:
        return pa.table({name: pa.array([], pa.string()) for name in columns})
    return pa.Table.from_batches(batches)


def _expand(pattern: str) -> list[str]:
    path = Path(pattern)
    if path.is_dir():
        found = [str(child) for child in path.rglob("*") if child.is_file() and _is_data(child)]
    elif path.is_file():
        found = [pattern]
    else:
        found = [name for name in glob.glob(pattern, recursive=True) if Path(name).is_file()]  # noqa: PTH207
    if not found:
        raise DataError(f"{pattern}: there is no such file; paths are relative to {Path.cwd()}.")
    return sorted(os.path.abspath(name) for name in found)  # noqa: PTH100


def _is_data(path: Path) -> bool:
    """Other systems leave files like `_SUCCESS` and `.crc` beside the data they write."""
    return not path.name.startswith(("_", "."))


def _schema(file: InputFile, delimiter: str) -> pa.Schema:
    with _naming(file):
        if file.path.endswith(PARQUET):
            return pq.read_schema(file.path)
        with _open_csv(file, delimiter, {}) as reader:
            return pa.schema([(name, pa.string()) for name in reader.schema.names])


def _batches(piece: Piece, columns: Sequence[str], delimiter: str) -> Iterator[pa.RecordBatch]:
    if piece.file.path.endswith(PARQUET):
        with pq.ParquetFile(piece.file.path) as file:
            yield from file.iter_batches(BATCH_ROWS, piece.row_groups, list(columns))
        return
    with _open_csv(piece.file, delimiter, dict.fromkeys(columns, pa.string())) as reader:
        yield from reader


def _open_csv(
    file: InputFile, delimiter: str, columns: Mapping[str, pa.DataType]
) -> pyarrow.csv.CSVStreamingReader:
    return pyarrow.csv.open_csv(
        file.path,
        read_options=pyarrow.csv.ReadOptions(block_size=_CSV_BLOCK_BYTES),
        parse_options=pyarrow.csv.ParseOptions(delimiter=delimiter, newlines_in_values=True),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=columns, include_columns=list(columns)
        ),
    )


@contextlib.contextmanager
def _naming(file: InputFile) -> Iterator[None]:
    """Turns what Arrow raises into a sentence that names the file."""
    try:
        yield
    except (pa.ArrowException, OSError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{file.path}: the file cannot be read ({reason}).") from error
