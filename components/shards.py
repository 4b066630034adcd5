"""Shards: all rows of some queries, in order, their ids as numbers that keep the order of the ids.

A shard is a table. Its ids are dictionaries sorted in short order, so that an index compares as its
id does; its rows are sorted by query, time, candidate, label and split. Rows that tie in all of
them are the same, and so a shard depends on the rows alone, not on how they came together.
"""

# pyright: reportAttributeAccessIssue=false
# (pyarrow.compute makes its functions when it is imported)

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import pyarrow as pa

from components.columns import as_dictionary
from components.hashing import hash_ids
from components.interactions import CANDIDATE, LABEL, QUERY, SPLIT, TIMESTAMP
from components.ordering import interaction_order, tie_breaks
from components.vocabularies import short_order

IDS = (QUERY, CANDIDATE)


def part_by_query(interactions: pa.Table, parts: int) -> Iterator[tuple[int, pa.Table]]:
    """Parts interactions by the hash of their query; every part comes out, some may be empty.

    Yields:
      Number of a part, and its rows in the order in which they came, their ids as dictionaries.
    """
    columns = {name: encode(interactions[name]) for name in IDS}
    hashes = hash_ids(columns[QUERY].dictionary)
    part_of_query = (hashes % np.uint64(parts)).astype(np.min_scalar_type(parts - 1))
    part = part_of_query[indices(columns[QUERY])]
    for index, name in enumerate(interactions.column_names):
        if name in columns:
            interactions = interactions.set_column(index, name, columns[name])
    for number, rows in parted(interactions, part, parts):
        yield number, _compacted(rows)


def parted(table: pa.Table, part: np.ndarray, parts: int) -> Iterator[tuple[int, pa.Table]]:
    """Parts a table; every part comes out, some may be empty.

    Args:
      table: The rows.
      part: `[rows]` integer number of each row's part.
      parts: How many parts there are.

    Yields:
      Number of a part, and its rows in the order in which they came.
    """
    ordered = table.take(pa.array(np.argsort(part, kind="stable")))
    ends = np.cumsum(np.bincount(part, minlength=parts))
    for number, (start, end) in enumerate(zip([0, *ends[:-1]], ends, strict=True)):
        yield number, ordered.slice(start, end - start)


def arrange(tables: Iterable[pa.Table]) -> pa.Table:
    """Brings the parts of one shard together, in order."""
    rows = concatenate(tables)
    for index, name in enumerate(rows.column_names):
        if name in IDS:
            rows = rows.set_column(index, name, _sorted_dictionary(encode(rows[name])))
    order = interaction_order(
        numbers(rows, QUERY),
        rows[TIMESTAMP].to_numpy(),
        numbers(rows, CANDIDATE),
        tie_breaks(
            rows[LABEL].to_numpy() if LABEL in rows.column_names else None,
            rows[SPLIT].to_numpy() if SPLIT in rows.column_names else None,
            rows.num_rows,
        ),
    )
    return rows.take(pa.array(order)).combine_chunks()


def concatenate(tables: Iterable[pa.Table]) -> pa.Table:
    """One table of all rows, each id in one dictionary."""
    return pa.concat_tables(tables).unify_dictionaries().combine_chunks()


def numbers(shard: pa.Table, column: str) -> np.ndarray:
    """`[rows]` int32 number of each row's id among `ids`."""
    return indices(encode(shard[column]))


def ids(shard: pa.Table, column: str) -> pa.Array:
    """The ids of a column by their numbers; filtering a shard may have left some without rows."""
    return encode(shard[column]).dictionary


def encode(column: pa.ChunkedArray) -> pa.DictionaryArray:
    """The column as one dictionary array."""
    array = column.combine_chunks()
    if isinstance(array, pa.ChunkedArray):
        array = array.chunk(0)
    return as_dictionary(array)


def indices(array: pa.DictionaryArray) -> np.ndarray:
    """`[rows]` int32 indices of a dictionary array without nulls."""
    return array.indices.to_numpy(zero_copy_only=False)


def _compacted(table: pa.Table) -> pa.Table:
    """Drops the entries of the dictionaries that no row shows."""
    for index, name in enumerate(table.column_names):
        if name in IDS:
            table = table.set_column(index, name, _used(encode(table[name])))
    return table


def _used(array: pa.DictionaryArray) -> pa.DictionaryArray:
    shown = indices(array)
    used = np.zeros(len(array.dictionary), bool)
    used[shown] = True
    number = (np.cumsum(used) - 1).astype(np.int32)
    return pa.DictionaryArray.from_arrays(
        pa.array(number[shown]), array.dictionary.filter(pa.array(used))
    )


def _sorted_dictionary(array: pa.DictionaryArray) -> pa.DictionaryArray:
    order = short_order(array.dictionary)
    place = np.empty(len(order), np.int32)
    place[order.to_numpy()] = np.arange(len(order), dtype=np.int32)
    return pa.DictionaryArray.from_arrays(
        pa.array(place[indices(array)]), array.dictionary.take(order)
    )
