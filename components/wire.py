"""The wire format: finds features in the bytes of `tf.train.Example`, as compiled loops.

`components/records.py` draws the messages. Here fields may come in any order, twice, packed or not,
and with others between them, as protobuf allows. Of a name that comes twice the last entry counts.
"""

from __future__ import annotations

import numpy as np

from components.compiled import compiled

BYTES, FLOAT, INT = 1, 2, 3
"""Kinds of a feature: the numbers of their lists. 0 is one that is missing or empty."""

Number = int | np.integer

_VARINT, _EIGHT_BYTES, _DELIMITED, _FOUR_BYTES = 0, 1, 2, 5  # wire types


@compiled
def _varint(data: np.ndarray, position: Number, end: Number) -> tuple[np.uint64, Number]:
    """The value and where it ends; -1 where it is cut off or too long."""
    value = np.uint64(0)
    for byte in range(10):
        if position >= end:
            break
        bits = np.uint64(data[position])
        value |= (bits & np.uint64(127)) << np.uint64(7 * byte)
        position += 1
        if bits < np.uint64(128):
            return value, position
    return value, -1


@compiled
def _field(
    data: np.ndarray, position: Number, end: Number
) -> tuple[Number, Number, Number, Number]:
    """Number, wire type, and begin and end of the content; the end is -1 where it is broken."""
    tag, begin = _varint(data, position, end)
    if begin < 0:
        return 0, 0, 0, -1
    number, wire = np.int64(tag >> np.uint64(3)), np.int64(tag & np.uint64(7))
    stop = np.int64(-1)
    if wire == _VARINT:
        _, stop = _varint(data, begin, end)
    elif wire == _EIGHT_BYTES:
        stop = begin + 8
    elif wire == _FOUR_BYTES:
        stop = begin + 4
    elif wire == _DELIMITED:
        length, begin = _varint(data, begin, end)
        if begin >= 0 and length <= np.uint64(end - begin):
            stop = begin + np.int64(length)
    return number, wire, begin, stop if stop <= end else -1


@compiled
def _first_value(
    data: np.ndarray, position: Number, end: Number, kind: Number
) -> tuple[Number, Number, bool]:
    """Begin and end of the first value of a list, -1 where it is empty; whether it is whole."""
    first, last = -1, -1
    while position < end:
        number, wire, begin, position = _field(data, position, end)
        if position < 0:
            return -1, -1, False
        if number != 1 or first >= 0:
            continue
        packed = kind != BYTES and wire == _DELIMITED and position > begin
        if kind == FLOAT and packed and position < begin + 4:
            return -1, -1, False
        if (
            packed
            or (kind == BYTES and wire == _DELIMITED)
            or (kind == FLOAT and wire == _FOUR_BYTES)
            or (kind == INT and wire == _VARINT)
        ):
            first, last = begin, position
    return first, last, True


@compiled
def _value(data: np.ndarray, position: Number, end: Number, out: np.ndarray) -> bool:
    """Puts kind, begin and end of the first value of an entry into `out`; whether it is whole."""
    out[:] = 0
    kind = np.int64(0)
    first = np.int64(-1)
    while position < end:
        number, wire, inner, position = _field(data, position, end)
        if number != 2 or wire != _DELIMITED:
            continue
        while inner < position:
            number, wire, begin, inner = _field(data, inner, position)
            if inner < 0:
                return False
            if wire != _DELIMITED or number < BYTES or number > INT:
                continue
            if number != kind:  # of several lists the last one counts
                kind, first = number, -1
            if first < 0:
                first, last, whole = _first_value(data, begin, inner, kind)
                if not whole:
                    return False
                out[0], out[1], out[2] = (kind, first, last) if first >= 0 else (0, 0, 0)
    return True


@compiled
def _key(data: np.ndarray, position: Number, end: Number) -> tuple[Number, Number, bool]:
    """Begin and end of the name of a feature, and whether the entry is whole."""
    first, last = 0, 0
    while position < end:
        number, wire, begin, position = _field(data, position, end)
        if position < 0:
            return 0, 0, False
        if number == 1 and wire == _DELIMITED:
            first, last = begin, position
    return first, last, True


@compiled
def _entries(data: np.ndarray, position: Number, end: Number, out: np.ndarray) -> int:
    """Puts begin and end of each entry of the map of an Example into `out`.

    Returns:
      How many there are, of which as many are put as `out` can hold; -1 where it is no Example.
    """
    count = 0
    while position < end:
        number, wire, inner, position = _field(data, position, end)
        if position < 0:
            return -1
        if number != 1 or wire != _DELIMITED:
            continue
        while inner < position:
            number, wire, begin, inner = _field(data, inner, position)
            if inner < 0:
                return -1
            if number == 1 and wire == _DELIMITED:
                if count < len(out):
                    out[count, 0], out[count, 1] = begin, inner
                count += 1
    return count


@compiled
def _find_in_record(
    data: np.ndarray,
    entries: np.ndarray,
    names: np.ndarray,
    offsets: np.ndarray,
    found: np.ndarray,
    row: int,
) -> bool:
    value = np.zeros(3, np.int64)
    for entry in range(len(entries)):
        begin, end, whole = _key(data, entries[entry, 0], entries[entry, 1])
        if not whole:
            return False
        for column in range(len(offsets) - 1):
            name = names[offsets[column] : offsets[column + 1]]
            if end - begin == len(name) and (data[begin:end] == name).all():
                if not _value(data, entries[entry, 0], entries[entry, 1], value):
                    return False
                found[:, column, row] = value
    return True


@compiled
def find_features(
    data: np.ndarray,
    starts: np.ndarray,
    ends: np.ndarray,
    names: np.ndarray,
    offsets: np.ndarray,
    found: np.ndarray,
    fine: np.ndarray,
) -> None:
    """Finds the first value of each feature wanted in each record.

    Args:
      data: The bytes.
      starts: `[rows]` where the records begin.
      ends: `[rows]` where they end.
      names: The bytes of the wanted names, joined.
      offsets: `[columns + 1]` where each name begins in `names`.
      found: `[3, columns, rows]` int64 zeros; is given kind, begin and end of the values.
      fine: `[rows]` bool; is given whether the record is an Example.
    """
    entries = np.empty((64, 2), np.int64)
    for row in range(len(starts)):
        count = _entries(data, starts[row], ends[row], entries)
        if count > len(entries):
            entries = np.empty((count, 2), np.int64)
            _entries(data, starts[row], ends[row], entries)
        fine[row] = count >= 0 and _find_in_record(
            data, entries[:count], names, offsets, found, row
        )


@compiled
def find_names(data: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """`[features, 2]` begin and end of the name of every feature of every record."""
    total = 0
    entries = np.empty((0, 2), np.int64)
    for row in range(len(starts)):
        total += max(0, _entries(data, starts[row], ends[row], entries))
    entries = np.empty((total, 2), np.int64)
    total = 0
    for row in range(len(starts)):
        count = max(0, _entries(data, starts[row], ends[row], entries[total:]))
        for entry in range(total, total + count):
            begin, end, _ = _key(data, entries[entry, 0], entries[entry, 1])
            entries[entry, 0], entries[entry, 1] = begin, end
        total += count
    return entries


@compiled
def integers_at(
    data: np.ndarray, valid: np.ndarray, begins: np.ndarray, ends: np.ndarray, out: np.ndarray
) -> None:
    """Puts the integers that `find_features` found into `out`, where there is one."""
    for row in range(len(out)):
        if valid[row]:
            value, _ = _varint(data, begins[row], ends[row])
            out[row] = np.int64(value)
