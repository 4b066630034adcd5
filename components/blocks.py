"""Blocks: the bytes of a file, of all of it or of a range, unpacked, a few megabytes at a time."""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator

import pyarrow as pa

from components.storage import open_input

BLOCK_BYTES = 4 << 20


def read_blocks(
    path: str, packing: str | None = None, start: int = 0, end: int | None = None
) -> Iterator[bytes]:
    """The bytes of a file in blocks of at most `BLOCK_BYTES`.

    Args:
      path: The file.
      packing: How it is compressed, in Arrow's words.
      start: Where to begin; a compressed file is read whole.
      end: Where to end; None reads to the end of the file.
    """
    with open_input(path) as file:
        if packing is not None:
            file = pa.CompressedInputStream(file, packing)
        elif start:
            file.seek(start)
        left = None if end is None else end - start
        while block := file.read(BLOCK_BYTES if left is None else min(BLOCK_BYTES, left)):
            left = None if left is None else left - len(block)
            yield block


def without_mark(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """Text from its beginning, without the byte order mark that some systems put there."""
    for number, block in enumerate(blocks):
        yield block.removeprefix(codecs.BOM_UTF8) if number == 0 else block


def whole_lines(blocks: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in blocks that end where a line does."""
    whole = rest = b""
    for block in blocks:
        if whole:
            yield whole
        end = block.rfind(b"\n") + 1
        whole, rest = (rest + block[:end], block[end:]) if end else (b"", rest + block)
    if whole or rest:
        yield whole + rest
