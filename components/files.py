"""Files: Parquet and CSV, found, checked by their schema, and read as batches of Arrow tables."""

from __future__ import annotations

import bisect
import contextlib
import itertools
import os
import re
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq

from components.errors import DataError
from components.storage import find, open_input, place

PARQUET = ".parquet"
CSV = (".csv", ".csv.gz")
BATCH_ROWS = 131_072
LONGEST_TEXT = 500
"""Characters of a malformed row that are kept."""

_CSV_BLOCK_BYTES = 4 << 20
_MOST_HEADER_LINES = 100


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


@dataclass(frozen=True, slots=True)
class MalformedRows:
    """The rows of a CSV file with more or fewer values than its header, as a reader meets them."""

    most_texts: int
    """How many of them to keep the text of: the first ones."""
    rows: array[int] = field(default_factory=lambda: array("q"))
    """Their numbers in the file, from 0, in order."""
    texts: list[str] = field(default_factory=list)
    """The first `LONGEST_TEXT` characters of each."""

    def skip(self, row: pyarrow.csv.InvalidRow) -> Literal["skip"]:
        """Notes a row that Arrow cannot use and has it go on; Arrow counts from 1, the header too.

        It does so in the order of the file, since `_open_csv` has it parse in one thread.
        """
        self.rows.append(row.number - 2)
        if len(self.texts) < self.most_texts:
            self.texts.append(row.text[:LONGEST_TEXT])
        return "skip"

    def number(self, first: int, count: int) -> np.ndarray:
        """`[count]` numbers in the file of the rows that are well formed, from the `first` of them.

        All malformed rows before the last of them must have been met.
        """
        rows = np.arange(first, first + count)
        start, stop = self._met_before(first), self._met_before(first + count - 1)
        well_formed_before = np.array(self.rows[start:stop], np.int64) - np.arange(start, stop)
        return rows + start + np.searchsorted(well_formed_before, rows, side="right")

    def _met_before(self, well_formed: int) -> int:
        """How many malformed rows stand before a row that is well formed."""
        places = range(len(self.rows))
        return bisect.bisect_right(places, well_formed, key=lambda place: self.rows[place] - place)


def find_files(section: str, patterns: Sequence[str]) -> list[InputFile]:
    """The files that paths, globs and directories name, each once.

    The order is that of `patterns`; what one pattern names is sorted by path.

    Raises:
      DataError: A pattern names no file, or one of a kind that cannot be read.
    """
    paths = list(dict.fromkeys(path for pattern in patterns for path in find(pattern)))
    for path in paths:
        if not path.endswith((PARQUET, *CSV)):
            raise DataError(
                f"{path}: this kind of file cannot be read; give {PARQUET}, {' or '.join(CSV)}."
            )
    if not paths:
        return []
    base = os.path.commonpath([os.path.dirname(place(path)) for path in paths])  # noqa: PTH120
    return [
        InputFile(f"{section}/{Path(os.path.relpath(place(path), base)).as_posix()}", path)
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
    piece: Piece, columns: Sequence[str], delimiter: str, malformed: MalformedRows | None = None
) -> Iterator[tuple[np.ndarray, pa.RecordBatch]]:
    """Reads `columns` of a piece in batches, each with the numbers of its rows in the file.

    The values of a CSV file are read as text: what they mean is not for the reader to guess.

    Args:
      piece: Where to read.
      columns: What to read.
      delimiter: What stands between two values of a CSV file.
      malformed: Is given the malformed rows of a CSV file; the last of them when all is read. None
        makes such a row an error.

    Raises:
      DataError: The file cannot be read.
    """
    first = piece.first_row
    with _naming(piece.file):
        for batch in _batches(piece, columns, delimiter, malformed):
            if malformed is None:
                yield np.arange(first, first + batch.num_rows), batch
            else:
                yield malformed.number(first, batch.num_rows), batch
            first += batch.num_rows


def read_file(file: InputFile, columns: Sequence[str], delimiter: str) -> pa.Table:
    """Reads `columns` of a whole file.

    Raises:
      DataError: The file cannot be read, or a row of a CSV file is malformed.
    """
    batches = [
        batch for piece in pieces(file) for _, batch in read_piece(piece, columns, delimiter)
    ]
    if not batches:
        return pa.table({name: pa.array([], pa.string()) for name in columns})
    return pa.Table.from_batches(batches)


def _schema(file: InputFile, delimiter: str) -> pa.Schema:
    with _naming(file), open_input(file.path) as source:
        if file.path.endswith(PARQUET):
            return pq.read_schema(source)
        with _unpacked(file, source) as stream:
            header = pa.BufferReader(_header(stream.read(_CSV_BLOCK_BYTES)))
        # Where more than the header was taken, `read_piece` decides whether it may be malformed.
        with _open_csv(header, delimiter, {}, MalformedRows(most_texts=0)) as reader:
            return pa.schema([(name, pa.string()) for name in reader.schema.names])


def _header(text: bytes) -> bytes:
    """The first line that is not blank, with those its quotes span; all where it is not found."""
    ends = itertools.islice(re.finditer(rb"\n", text), _MOST_HEADER_LINES)
    heads = (text[: end.end()] for end in ends)
    return next((head for head in heads if head.strip() and head.count(b'"') % 2 == 0), text)


def _batches(
    piece: Piece, columns: Sequence[str], delimiter: str, malformed: MalformedRows | None
) -> Iterator[pa.RecordBatch]:
    with open_input(piece.file.path) as source:
        if piece.file.path.endswith(PARQUET):
            with pq.ParquetFile(source) as file:
                yield from file.iter_batches(BATCH_ROWS, piece.row_groups, list(columns))
            return
        types = dict.fromkeys(columns, pa.string())
        with (
            _unpacked(piece.file, source) as stream,
            _open_csv(stream, delimiter, types, malformed) as reader,
        ):
            yield from reader


def _unpacked(file: InputFile, source: pa.NativeFile) -> pa.NativeFile:
    return pa.CompressedInputStream(source, "gzip") if file.path.endswith(".gz") else source


def _open_csv(
    source: pa.NativeFile,
    delimiter: str,
    columns: Mapping[str, pa.DataType],
    malformed: MalformedRows | None,
) -> pyarrow.csv.CSVStreamingReader:
    return pyarrow.csv.open_csv(
        source,
        read_options=pyarrow.csv.ReadOptions(
            block_size=_CSV_BLOCK_BYTES,
            use_threads=False,  # it numbers rows in one thread only, and is no slower
        ),
        parse_options=pyarrow.csv.ParseOptions(
            delimiter=delimiter,
            newlines_in_values=True,
            invalid_row_handler=malformed and malformed.skip,
        ),
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
