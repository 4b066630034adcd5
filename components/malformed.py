"""Malformed rows: lines and records of a file that hold no row, as a reader meets them."""

from __future__ import annotations

import bisect
from array import array
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa

LONGEST_TEXT = 500
"""Characters of a malformed row that are kept."""


@dataclass(frozen=True, slots=True)
class MalformedRows:
    """The rows of a piece of a file that are malformed."""

    most_texts: int
    """How many of them to keep the text of: the first ones."""
    rows: array[int] = field(default_factory=lambda: array("q"))
    """Their numbers in the file, from 0, in order."""
    texts: list[str] = field(default_factory=list)
    """The first `LONGEST_TEXT` characters of each."""

    def add(self, row: int, text: str) -> None:
        """Notes a row; the rows of a piece come in order."""
        self.rows.append(row)
        if len(self.texts) < self.most_texts:
            self.texts.append(text[:LONGEST_TEXT])

    def clear(self) -> None:
        """Forgets all, for a piece that is read anew."""
        del self.rows[:], self.texts[:]

    def number(self, first: int, count: int) -> np.ndarray:
        """`[count]` numbers in the file of the rows that are well formed, from the `first` of them.

        All malformed rows before the last of them must have been met.

        Args:
          first: Number that the first of them would have, were no row of the piece malformed.
          count: How many there are.
        """
        rows = np.arange(first, first + count)
        start, stop = self._met_before(first), self._met_before(first + count - 1)
        well_formed_before = np.array(self.rows[start:stop], np.int64) - np.arange(start, stop)
        return rows + start + np.searchsorted(well_formed_before, rows, side="right")

    def _met_before(self, well_formed: int) -> int:
        """How many malformed rows stand before a row that is well formed."""
        places = range(len(self.rows))
        return bisect.bisect_right(places, well_formed, key=lambda place: self.rows[place] - place)


def note(malformed: MalformedRows | None, row: int, text: bytes) -> None:
    """Adds a row to the malformed ones, where there may be any.

    Raises:
      pa.ArrowInvalid: There may be none.
    """
    shown = text[: 4 * LONGEST_TEXT].decode("utf-8", "replace")[:LONGEST_TEXT]
    if malformed is None:
        raise pa.ArrowInvalid(f"row {row} is malformed: {shown}")
    malformed.add(row, shown)
