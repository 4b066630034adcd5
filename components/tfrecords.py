"""TFRecords of `tf.train.Example`, read as columns without TensorFlow, whole batches at a time.

`components/records.py` draws the framing and the fields. Of each feature the first value is taken.
"""

# pyright: reportAttributeAccessIssue=false
# (pyarrow.compute makes its functions when it is imported)

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.compiled import compiled
from components.frames import framed
from components.malformed import MalformedRows, note
from components.wire import BYTES, FLOAT, INT, find_features, find_names, integers_at

_NAMED_RECORDS = 1_000


def read_records(
    blocks: Iterable[bytes],
    columns: Sequence[str],
    malformed: MalformedRows | None,
    start: int = 0,
    first_row: int = 0,
) -> Iterator[tuple[np.ndarray, pa.RecordBatch]]:
    """Decodes records as batches of `columns`, each with the numbers of its rows in the file.

    A feature is binary, int64 or float32, and null where a record lacks it or its value; where the
    records of a batch disagree on its type, the values are text. A record whose checksums hold but
    that is no Example is malformed.

    Args:
      blocks: The bytes of whole records.
      columns: Names of features.
      malformed: Is given the malformed records. None makes such a record an error.
      start: Where the blocks begin in the file.
      first_row: Number of the first record.

    Raises:
      pa.ArrowInvalid: A record is damaged or cut off.
    """
    for data, starts, ends in framed(blocks, start):
        features, fine = _features(data, starts, ends, columns)
        numbers = first_row + np.arange(len(starts))
        first_row += len(starts)
        for row in np.flatnonzero(~fine):
            note(malformed, int(numbers[row]), data[starts[row] : ends[row]].tobytes())
        arrays = [_column(data, *feature) for feature in features]
        batch = pa.RecordBatch.from_arrays(arrays, list(columns))
        yield numbers[fine], batch if fine.all() else batch.filter(pa.array(fine))


def record_schema(blocks: Iterable[bytes]) -> pa.Schema | None:
    """The features of the first records; None where there is no record.

    Raises:
      pa.ArrowInvalid: A record is damaged or cut off.
    """
    for data, starts, ends in framed(blocks, 0):
        starts, ends = starts[:_NAMED_RECORDS], ends[:_NAMED_RECORDS]
        found = find_names(data, starts, ends)
        names = dict.fromkeys(data[begin:end].tobytes() for begin, end in found)
        columns = [name.decode("utf-8", "replace") for name in names]
        features, _ = _features(data, starts, ends, columns)
        arrays = [_column(data, *feature) for feature in features]
        return pa.schema(list(zip(columns, (array.type for array in arrays), strict=True)))
    return None


def _features(
    data: np.ndarray, starts: np.ndarray, ends: np.ndarray, columns: Sequence[str]
) -> tuple[list[tuple[np.ndarray, np.ndarray, np.ndarray]], np.ndarray]:
    """Of each column, `[rows]` kind, begin and end of the values; `[rows]` whether an Example."""
    encoded = [name.encode() for name in columns]
    offsets = np.cumsum([0, *(len(name) for name in encoded)])
    names = np.frombuffer(b"".join(encoded), np.uint8)
    found = np.zeros((3, len(columns), len(starts)), np.int64)
    fine = np.empty(len(starts), np.bool_)
    find_features(data, starts, ends, names, offsets, found, fine)
    return [
        (found[0, column], found[1, column], found[2, column]) for column in range(len(columns))
    ], fine


def _column(data: np.ndarray, kinds: np.ndarray, begins: np.ndarray, ends: np.ndarray) -> pa.Array:
    present = [kind for kind in (BYTES, FLOAT, INT) if (kinds == kind).any()]
    arrays = [_values(data, kind, kinds == kind, begins, ends) for kind in present]
    if not arrays:
        return pa.nulls(len(kinds))
    if len(arrays) == 1:
        return arrays[0]
    return pc.coalesce(
        *(
            array
            if pa.types.is_large_binary(array.type)
            else array.cast(pa.large_string()).cast(pa.large_binary())
            for array in arrays
        )
    )


def _values(
    data: np.ndarray, kind: int, valid: np.ndarray, begins: np.ndarray, ends: np.ndarray
) -> pa.Array:
    if kind == INT:
        integers = np.zeros(len(valid), np.int64)
        integers_at(data, valid, begins, ends, integers)
        return pa.array(integers, mask=~valid)
    if kind == FLOAT:
        places = begins[valid][:, None] + np.arange(4)
        floats = np.zeros(len(valid), np.float32)
        floats[valid] = data[places].view("<f4")[:, 0]
        return pa.array(floats, mask=~valid)
    lengths = np.where(valid, ends - begins, 0)
    offsets = np.append(0, np.cumsum(lengths))
    joined = np.empty(offsets[-1], np.uint8)
    _join(data, begins, offsets, joined)
    mask = None if valid.all() else pa.array(valid).buffers()[1]
    return pa.LargeBinaryArray.from_buffers(
        pa.large_binary(), len(valid), [mask, pa.py_buffer(offsets), pa.py_buffer(joined)]
    )


@compiled
def _join(data: np.ndarray, begins: np.ndarray, offsets: np.ndarray, out: np.ndarray) -> None:
    for row in range(len(begins)):
        size = offsets[row + 1] - offsets[row]
        out[offsets[row] : offsets[row + 1]] = data[begins[row] : begins[row] + size]
