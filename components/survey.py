"""Survey: where the rows of a text begin, told of any part of it without the part before.

Whether a byte stands in quotes depends on all bytes before it. But a machine of few states reads
the text, so a part is surveyed once for each state that it may begin in, and the surveys of a
file's parts, one after another, tell exactly where each row begins:

    state of the text's begin -> survey of part 1 -> state -> survey of part 2 -> state -> ...
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from components.compiled import compiled

ROW_BEGINS = 0
"""State in which a text begins, and another row may."""
_VALUE_BEGINS, _IN_VALUE, _IN_QUOTES = 1, 2, 3

_NEWLINE, _RETURN = ord("\n"), ord("\r")
_BLANK = b" \t\r\n"


@dataclass(frozen=True, slots=True)
class Machine:
    """Reads a text byte by byte: `following[state, byte]` is the next state."""

    following: np.ndarray
    """`[states, 256]` uint8."""
    begins: np.ndarray
    """`[states, 256]` bool: the byte is the first one of a row."""
    quiet: tuple[int, int] | None
    """A state that only one byte leads out of, and that byte."""

    def stays_in(self, state: int, text: bytes, position: int) -> bool:
        """Whether it is plain that no byte from `position` on leads out of a state."""
        return (
            self.quiet is not None
            and state == self.quiet[0]
            and text.find(self.quiet[1], position) < 0
        )


@dataclass(frozen=True, slots=True)
class Survey:
    """What a part of a text is, for each state that it may begin in."""

    ends_in: np.ndarray
    """`[states]` the state after the part."""
    rows: np.ndarray
    """`[states]` how many rows begin in it."""
    first: np.ndarray
    """`[states]` where in it the first row begins, -1 where none does."""

    def then(self, other: Survey, length: int) -> Survey:
        """The survey of this part, which is `length` bytes long, with another after it."""
        met_in = self.ends_in
        first = other.first[met_in]
        return Survey(
            other.ends_in[met_in],
            self.rows + other.rows[met_in],
            np.where((self.first >= 0) | (first < 0), self.first, length + first),
        )


def csv_machine(delimiter: str, quote: str | None) -> Machine:
    """Reads delimited text as Arrow does.

    A quote opens quotes where a value begins, and closes them; after another one it opens them
    again, which is how a doubled quote stays inside. Blank lines are no rows.
    """
    following = np.full((3 if quote is None else 4, 256), _IN_VALUE, np.uint8)
    following[:3, ord(delimiter)] = _VALUE_BEGINS
    following[:3, [_NEWLINE, _RETURN]] = ROW_BEGINS
    if quote is not None:
        following[[ROW_BEGINS, _VALUE_BEGINS], ord(quote)] = _IN_QUOTES
        following[_IN_QUOTES] = _IN_QUOTES
        following[_IN_QUOTES, ord(quote)] = _VALUE_BEGINS
    begins = np.zeros(following.shape, bool)
    begins[ROW_BEGINS] = True
    begins[ROW_BEGINS, [_NEWLINE, _RETURN]] = False
    return Machine(following, begins, None if quote is None else (_IN_QUOTES, ord(quote)))


def lines_machine() -> Machine:
    """Reads lines; those of white space alone are no rows."""
    following = np.full((2, 256), 1, np.uint8)
    following[ROW_BEGINS, list(_BLANK)] = ROW_BEGINS
    following[1, _NEWLINE] = ROW_BEGINS
    begins = np.zeros((2, 256), bool)
    begins[ROW_BEGINS] = following[ROW_BEGINS] == 1
    return Machine(following, begins, None)


def survey(machine: Machine, part: bytes) -> Survey:
    """Surveys a part of a text."""
    data = np.frombuffer(part, np.uint8)
    states = len(machine.following)
    met_in, rows = np.arange(states), np.zeros(states, np.int64)
    first = np.full(states, -1, np.int64)
    # From most states the machine comes to the same one within a few bytes ...
    met = _meet(data, machine.following, machine.begins, met_in, rows, first)
    ends_in = met_in.copy()
    # ... so the bytes after that are walked once or twice, not once a state.
    for state in np.unique(met_in):
        if machine.stays_in(state, part, met):
            continue
        same = met_in == state
        end, count, begin = _walk(data, met, machine.following, machine.begins, state)
        ends_in[same] = end
        rows[same] += count
        first[same & (first < 0)] = begin
    return Survey(ends_in, rows, first)


def first_row_end(machine: Machine, text: bytes) -> int:
    """How many bytes the first row takes, with what stands before it; all if it does not end."""
    data = np.frombuffer(text, np.uint8)
    return _first_row_end(data, machine.following, machine.begins)


@compiled
def _meet(
    data: np.ndarray,
    following: np.ndarray,
    begins: np.ndarray,
    states: np.ndarray,
    rows: np.ndarray,
    first: np.ndarray,
) -> int:
    """Walks from all states at once until two are left; returns where."""
    for position in range(len(data)):
        distinct = 1
        for walk in range(1, len(states)):
            if states[walk] != states[0]:
                distinct = max(distinct, 2)
                for other in range(1, walk):
                    if states[other] != states[0] and states[other] != states[walk]:
                        distinct = 3
        if distinct < 3:
            return position
        byte = data[position]
        for walk in range(len(states)):
            if begins[states[walk], byte]:
                rows[walk] += 1
                if first[walk] < 0:
                    first[walk] = position
            states[walk] = following[states[walk], byte]
    return len(data)


@compiled
def _walk(
    data: np.ndarray,
    position: int,
    following: np.ndarray,
    begins: np.ndarray,
    state: int | np.integer,
) -> tuple[int | np.integer, int, int]:
    """The state after the data, the rows that begin from `position` on, and where the first."""
    rows, first = 0, -1
    for place in range(position, len(data)):
        byte = data[place]
        if begins[state, byte]:
            rows += 1
            if first < 0:
                first = place
        state = np.int64(following[state, byte])
    return state, rows, first


@compiled
def _first_row_end(data: np.ndarray, following: np.ndarray, begins: np.ndarray) -> int:
    state, begun = np.int64(0), False
    for place in range(len(data)):
        begun |= begins[state, data[place]]
        state = np.int64(following[state, data[place]])
        if begun and state == 0:
            return place + 1
    return len(data)
