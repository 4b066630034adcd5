"""Vocabularies: values ranked by how often they occur, so that a value's rank is its row."""

# pyright: reportAttributeAccessIssue=false
# (pyarrow.compute makes its functions when it is imported)

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.columns import ID_TYPE
from models.features import FIRST_KNOWN_ROW, UNKNOWN_ROW

VALUE = "value"
COUNT = "count"
COUNTS_SCHEMA = pa.schema([(VALUE, ID_TYPE), (COUNT, pa.int64())])


def count_values(values: pa.Array | pa.ChunkedArray) -> pa.Table:
    """Table of the distinct values and how often each occurs, in no particular order."""
    counted = values.value_counts()
    return pa.table({VALUE: counted.field("values"), COUNT: counted.field("counts")})


def merge_counts(tables: Iterable[pa.Table]) -> pa.Table:
    """Adds up counts of the same values, in no particular order."""
    together = list(tables)
    if not together:
        return COUNTS_SCHEMA.empty_table()
    merged = pa.concat_tables(together).group_by(VALUE).aggregate([(COUNT, "sum")])
    return merged.select([VALUE, f"{COUNT}_sum"]).rename_columns([VALUE, COUNT])


def rank(counts: pa.Table) -> pa.Table:
    """The counts, highest first, ties in short-lexicographic order of the values."""
    ordered = counts.combine_chunks().take(short_order(counts[VALUE].combine_chunks()))
    by_count = np.argsort(-ordered[COUNT].to_numpy(), kind="stable")
    return ordered.take(pa.array(by_count)).combine_chunks()


def short_order(values: pa.Array) -> pa.Array:
    """Indices that sort values by length, then by bytes.

    Numbers written out come in the order of the numbers, and any other ids in one that is as good
    as another: so ties break the same way whether a log holds its ids as integers or as strings.
    """
    keys = pa.table([pc.binary_length(values), values], names=["length", "value"])
    return pc.sort_indices(keys, sort_keys=[("length", "ascending"), ("value", "ascending")])


def rows_of(values: pa.Array, vocabulary: pa.Array) -> np.ndarray:
    """`[values]` int64 row of each value: its rank in the vocabulary, from `FIRST_KNOWN_ROW`.

    A value that is null, or that the vocabulary lacks, has the row of the unknown.
    """
    ranks = pc.index_in(values, value_set=vocabulary, skip_nulls=True)
    rows = pc.add(ranks.cast(pa.int64()), FIRST_KNOWN_ROW)
    return pc.fill_null(rows, UNKNOWN_ROW).to_numpy(zero_copy_only=False)
