"""Delimited text, CSV above all: what stands in it, and its rows as batches of raw values.

Values are read as bytes: what they mean is not for the reader to guess, nor whether they are UTF-8.
"""

from __future__ import annotations

import codecs
import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Literal, Self

import numpy as np
import pyarrow as pa
import pyarrow.csv
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from components.blocks import BLOCK_BYTES
from components.malformed import MalformedRows
from components.survey import csv_machine, first_row_end


def _one_byte(value: str) -> str:
    if not value.isascii() or value in "\r\n":
        raise ValueError("must be an ASCII character, and end no line")
    return value


Character = Annotated[str, Field(min_length=1, max_length=1), AfterValidator(_one_byte)]


class CsvConfig(BaseModel):
    """How delimited text is written."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    delimiter: Character = ","
    """What stands between two values of a `.csv` file; in a `.tsv` file it is a tab."""
    quote: Character | Literal[""] = '"'
    """What encloses a value that holds a delimiter or a line end; doubled it stands for itself.
    Empty where nothing does."""
    columns: tuple[Annotated[str, Field(min_length=1)], ...] = ()
    """Names of the columns, where interaction files have no header line."""

    @model_validator(mode="after")
    def _characters_differ(self) -> Self:
        if self.delimiter == self.quote:
            raise ValueError(f"`delimiter` and `quote` must differ (got {self.quote!r} twice)")
        return self

    @model_validator(mode="after")
    def _columns_are_distinct(self) -> Self:
        for position, name in enumerate(self.columns):
            if name in self.columns[:position]:
                raise ValueError(f"column `{name}` is given twice in `columns`")
        return self

    def with_header(self) -> CsvConfig:
        """The same for files that have a header line, as side tables do."""
        return self.model_copy(update={"columns": ()})

    def with_tabs(self) -> CsvConfig:
        """The same for a `.tsv` file."""
        return self.model_copy(update={"delimiter": "\t"})


def split_header(
    blocks: Iterator[bytes], csv: CsvConfig
) -> tuple[tuple[str, ...], Iterator[bytes]]:
    """The names of the columns, and the blocks without the header line.

    Args:
      blocks: A text from its beginning, in blocks as `read_blocks` makes them; the header ends in
        the first.
      csv: How it is written, and the names if it has no header line.

    Raises:
      pa.ArrowInvalid: There is no header line.
      UnicodeDecodeError: The header is no UTF-8.
    """
    if csv.columns:
        return csv.columns, blocks
    first = next(blocks, b"")
    end = first_row_end(csv_machine(csv.delimiter, csv.quote or None), first)
    first[:end].decode()
    with _open(pa.BufferReader(first[:end] + b"\n"), csv) as reader:
        names = tuple(reader.schema.names)
    return names, itertools.chain([first[end:]], blocks)


def read_delimited(
    blocks: Callable[[], Iterator[bytes]],
    names: Sequence[str],
    columns: Sequence[str],
    csv: CsvConfig,
    malformed: MalformedRows | None,
    first_row: int = 0,
) -> Iterator[tuple[np.ndarray, pa.RecordBatch]]:
    """Reads rows in batches of `columns`, each with the numbers of its rows in the file.

    Args:
      blocks: Gives the text anew at each call, from the beginning of a row.
      names: The names of all columns.
      columns: The names of those wanted.
      csv: How the text is written.
      malformed: Is given the rows with more or fewer values than `names`; the last of them when all
        is read. None makes such a row an error.
      first_row: Number of the first row.

    Raises:
      pa.ArrowInvalid: A value spans more than a block, or a row is malformed.
    """
    first = first_row
    for batch in _batches(blocks, names, columns, csv, malformed, first_row):
        if malformed is None:
            numbers = np.arange(first, first + batch.num_rows)
        else:
            numbers = malformed.number(first, batch.num_rows)
        yield numbers, batch
        first += batch.num_rows


def _batches(
    blocks: Callable[[], Iterator[bytes]],
    names: Sequence[str],
    columns: Sequence[str],
    csv: CsvConfig,
    malformed: MalformedRows | None,
    first_row: int,
) -> Iterator[pa.RecordBatch]:
    """Rows of text, and anew from its beginning a character a byte where it is no UTF-8.

    Arrow can hand on a malformed row as text alone, and gives up at one that is none.
    """
    read = 0
    try:
        for batch in _parse(blocks(), names, columns, csv, malformed, first_row, "utf-8"):
            yield batch
            read += batch.num_rows
    except UnicodeDecodeError:
        if malformed is not None:
            malformed.clear()
        for batch in _parse(blocks(), names, columns, csv, malformed, first_row, "latin-1"):
            skipped = min(read, batch.num_rows)
            read -= skipped
            arrays = [_bytes_of_latin(column) for column in batch.slice(skipped).columns]
            yield pa.RecordBatch.from_arrays(arrays, list(columns))


def _parse(
    blocks: Iterator[bytes],
    names: Sequence[str],
    columns: Sequence[str],
    csv: CsvConfig,
    malformed: MalformedRows | None,
    first_row: int,
    encoding: Literal["utf-8", "latin-1"],
) -> Iterator[pa.RecordBatch]:
    """Parses text with Arrow.

    Raises:
      UnicodeDecodeError: It is not in the encoding.
    """

    def skip(row: pyarrow.csv.InvalidRow) -> Literal["skip"]:
        """Arrow counts from 1, and in the order of the file since it parses in one thread."""
        assert malformed is not None
        text = (
            row.text
            if encoding == "utf-8"
            else row.text.encode(encoding).decode("utf-8", "replace")
        )
        malformed.add(first_row + row.number - 1, text)
        return "skip"

    stream = _Stream(blocks, encoding)
    if not stream.begins():
        return
    handler = None if malformed is None else skip
    with _open(pa.PythonFile(stream, "r"), csv, names, columns, encoding, handler) as reader:
        yield from reader


def _open(
    source: pa.NativeFile,
    csv: CsvConfig,
    names: Sequence[str] | None = None,
    columns: Sequence[str] = (),
    encoding: str = "utf-8",
    handler: Callable[[pyarrow.csv.InvalidRow], str] | None = None,
) -> pyarrow.csv.CSVStreamingReader:
    return pyarrow.csv.open_csv(
        source,
        read_options=pyarrow.csv.ReadOptions(
            block_size=BLOCK_BYTES,
            use_threads=False,  # it numbers rows in one thread only, and is no slower
            column_names=names and list(names),
            encoding=encoding,
        ),
        parse_options=pyarrow.csv.ParseOptions(
            delimiter=csv.delimiter,
            quote_char=csv.quote or False,
            newlines_in_values=True,
            invalid_row_handler=handler,
        ),
        convert_options=pyarrow.csv.ConvertOptions(
            column_types=dict.fromkeys(columns, pa.large_binary()), include_columns=list(columns)
        ),
    )


class _Stream:
    """Blocks of text as a file for Arrow to read, which checks them on the way."""

    closed = False

    def __init__(self, blocks: Iterator[bytes], encoding: str) -> None:
        self._blocks = blocks
        self._left = b""
        self._check = codecs.getincrementaldecoder(encoding)()

    def begins(self) -> bool:
        """Goes to the first line that is not blank; whether there is one."""
        while not self._left and (block := self._next()):
            self._left = block.lstrip(b"\r\n")
        return bool(self._left)

    def read(self, size: int) -> bytes:
        """At most `size` bytes; none at the end."""
        if not self._left:
            self._left = self._next()
        block, self._left = self._left[:size], self._left[size:]
        return block

    def close(self) -> None:
        """The file is closed by whoever made the blocks."""
        self.closed = True

    def _next(self) -> bytes:
        block = next(self._blocks, b"")
        begun, _ = self._check.getstate()
        if begun or not block.isascii():
            self._check.decode(block, final=not block)
        return block


def _bytes_of_latin(column: pa.Array) -> pa.Array:
    """The bytes that were read as a character each; Arrow holds these as one or two bytes."""
    column = column.cast(pa.large_binary())
    _, offsets, data = column.buffers()
    text = memoryview(b"" if data is None else data)
    ends = np.frombuffer(offsets, np.int64)[column.offset : column.offset + len(column) + 1]
    characters = (np.frombuffer(text, np.uint8) & 0xC0) != 0x80
    before = np.append(0, np.cumsum(characters))[ends]
    decoded = bytes(text).decode("utf-8").encode("latin-1")
    return pa.LargeBinaryArray.from_buffers(
        pa.large_binary(), len(column), [None, pa.py_buffer(before), pa.py_buffer(decoded)]
    )
