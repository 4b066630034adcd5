"""Ranges: a large file is cut where rows begin, so that many workers read it.

The cut is exact. Each range of bytes is surveyed on its own, and what the surveys of a file say one
after another tells where the first row of each range begins and which number it has:

    file --cut--> ranges --survey_range, each anywhere--> surveys --locate, in order--> pieces
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from components.blocks import read_blocks, without_mark
from components.checksums import CRC_TABLE
from components.compiled import compiled
from components.delimited import CsvConfig, split_header
from components.files import InputFile, Piece
from components.forms import form_of
from components.frames import HEADER_BYTES, data_holds, frame_end, header_holds
from components.storage import open_input, size
from components.survey import ROW_BEGINS, Machine, Survey, csv_machine, lines_machine, survey

RANGE_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Range:
    """Bytes of a file, from `start` to before `end`."""

    file: InputFile
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Frames:
    """The records that begin in a range of a TFRecord file."""

    first: int
    """Where in the file the first one begins, as far as the range can tell; -1 where none does."""
    records: int
    after: int
    """Where in the file the record after them begins; -1 where a damaged one follows."""


def cut(file: InputFile, range_bytes: int) -> list[Range]:
    """The ranges of a file that is to be cut; none for one that is to be read by `files.pieces`.

    Those are files of at most `range_bytes`, compressed ones, and Parquet.

    Raises:
      DataError: The store cannot be asked for the size.
    """
    form, packing = form_of(file.path)
    if form == "parquet" or packing is not None:
        return []
    total = size(file.path)
    if total <= range_bytes:
        return []
    starts = range(0, total, range_bytes)
    return [Range(file, start, min(start + range_bytes, total)) for start in starts]


def survey_range(part: Range, csv: CsvConfig) -> Survey | Frames:
    """Surveys the bytes of a range, without those before it."""
    machine = _machine(part.file, csv)
    if machine is None:
        return _survey_frames(part)
    surveyed = None
    length = 0
    blocks = read_blocks(part.file.path, None, part.start, part.end)
    for block in blocks if part.start else without_mark(blocks):
        of_block = survey(machine, block)
        surveyed = of_block if surveyed is None else surveyed.then(of_block, length)
        length += len(block)
    return survey(machine, b"") if surveyed is None else surveyed


def locate(surveyed: Sequence[tuple[Range, Survey | Frames]], csv: CsvConfig) -> Iterator[Piece]:
    """The pieces of one file, from the surveys of all its ranges in any order."""
    ordered = sorted(surveyed, key=lambda pair: pair[0].start)
    file = ordered[0][0].file
    frames = [(part, of_part) for part, of_part in ordered if isinstance(of_part, Frames)]
    if frames:
        yield from _locate_frames(file, frames)
        return
    texts = [(part, of_part) for part, of_part in ordered if isinstance(of_part, Survey)]
    yield from _locate_rows(file, texts, csv)


def _locate_rows(
    file: InputFile, surveyed: Sequence[tuple[Range, Survey]], csv: CsvConfig
) -> Iterator[Piece]:
    names = _names(file, csv)
    header_rows = 1 if names and not csv.columns else 0
    state, rows = ROW_BEGINS, 0
    piece: Piece | None = None
    for part, of_part in surveyed:
        if of_part.first[state] >= 0:
            start = part.start + int(of_part.first[state])
            if piece is None:  # what stands before the first row belongs to it
                piece = Piece(file, 0)
            else:
                yield replace(piece, end=start)
                piece = Piece(file, rows - header_rows, start=start, names=names)
        rows += int(of_part.rows[state])
        state = int(of_part.ends_in[state])
    if piece is not None:
        yield piece


def _locate_frames(file: InputFile, surveyed: Sequence[tuple[Range, Frames]]) -> Iterator[Piece]:
    """Follows the records from the first one: a range may take bytes inside a record for one."""
    start = row = 0
    for part, of_part in surveyed:
        if start >= part.end:
            continue
        true = of_part if of_part.first == start else _walk_frames(Range(file, start, part.end))
        if true.after < 0:
            yield Piece(file, row, start=start)  # whoever reads it tells of the damage
            return
        yield Piece(file, row, start=start, end=true.after)
        start, row = true.after, row + true.records


def _machine(file: InputFile, csv: CsvConfig) -> Machine | None:
    """What reads the file's text; None where it is none."""
    form, _ = form_of(file.path)
    if form == "tfrecord":
        return None
    if form == "json_lines":
        return lines_machine()
    csv = csv.with_tabs() if form == "tsv" else csv
    return csv_machine(csv.delimiter, csv.quote or None)


def _names(file: InputFile, csv: CsvConfig) -> tuple[str, ...]:
    form, _ = form_of(file.path)
    if form == "json_lines":
        return ()
    csv = csv.with_tabs() if form == "tsv" else csv
    return split_header(without_mark(read_blocks(file.path)), csv)[0]


def _survey_frames(part: Range) -> Frames:
    """Looks for the first record whose checksums hold, and follows the records from there."""
    data = _read(part.file, part.start, part.end + HEADER_BYTES)
    place = 0
    while (place := _next_header(data, place, part.end - part.start, CRC_TABLE)) >= 0:
        end = frame_end(data, place)
        if 0 <= end <= size(part.file.path) - part.start:
            record = _read(part.file, part.start + place, part.start + int(end))
            if data_holds(record, 0, len(record), CRC_TABLE):
                return _walk_frames(Range(part.file, part.start + place, part.end))
        place += 1
    return Frames(-1, 0, -1)


def _walk_frames(part: Range) -> Frames:
    """The records from the first one on, which begins where the range does."""
    data = _read(part.file, part.start, part.end + HEADER_BYTES)
    records, after = _walk(data, part.end - part.start, CRC_TABLE)
    return Frames(part.start, int(records), part.start + int(after) if after >= 0 else -1)


def _read(file: InputFile, start: int, end: int) -> np.ndarray:
    with open_input(file.path) as source:
        source.seek(start)
        return np.frombuffer(source.read(end - start), np.uint8)


@compiled
def _next_header(data: np.ndarray, place: int, end: int, table: np.ndarray) -> int:
    """The next place before `end` where a header's checksum holds, -1 where none does."""
    for position in range(place, end):
        if header_holds(data, position, table):
            return position
    return -1


@compiled
def _walk(data: np.ndarray, end: int, table: np.ndarray) -> tuple[int, int | np.integer]:
    """How many records begin before `end`, and where the next one does; -1 at a broken header."""
    position, records = np.int64(0), 0
    while position < end:
        if not header_holds(data, position, table):
            return records, -1
        position = np.int64(frame_end(data, position))
        if position < 0:
            return records, -1
        records += 1
    return records, position
