"""Tables: how Beam carries Arrow tables from one step to the next, and merges many into one."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import apache_beam as beam
import pyarrow as pa
from apache_beam.coders.coders import ListCoder
from apache_beam.typehints import with_input_types, with_output_types

Shard = tuple[int, pa.Table]
"""Number of a shard, or of another part, and its rows."""

_TABLES_TO_MERGE = 64


class TableCoder(beam.coders.Coder):
    """Codes a table as a compressed IPC stream: no Python object a row.

    A runner in memory holds what it groups as these bytes; LZ4 halves them for little time.
    """

    def encode(self, value: pa.Table) -> bytes:
        """The table's schema and batches."""
        sink = pa.BufferOutputStream()
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        with pa.ipc.new_stream(sink, value.schema, options=options) as writer:
            writer.write_table(value)
        return sink.getvalue().to_pybytes()

    def decode(self, encoded: bytes) -> pa.Table:
        """The table."""
        with pa.ipc.open_stream(encoded) as reader:
            return reader.read_all()

    def estimate_size(self, value: pa.Table) -> int:
        """Bytes of the columns, without encoding them to find out."""
        return value.nbytes

    def is_deterministic(self) -> bool:
        """False: equal tables may be cut into batches differently, so a table is never a key."""
        return False

    def to_type_hint(self) -> type[pa.Table]:
        """The type this coder is registered for."""
        return pa.Table


beam.coders.registry.register_coder(pa.Table, TableCoder)


@with_input_types(pa.Table)
@with_output_types(pa.Table)
class MergeTables(beam.CombineFn):
    """Merges tables into one.

    Args:
      merge: Makes one table of any number; it may be given what it returned in place of what it
        was given.
    """

    def __init__(self, merge: Callable[[Iterable[pa.Table]], pa.Table]) -> None:
        super().__init__()
        self._merge = merge

    def get_accumulator_coder(self) -> beam.coders.Coder:
        """Tables are not pickled: Beam would compress each pickle, for seconds."""
        return ListCoder(TableCoder())

    def create_accumulator(self) -> list[pa.Table]:
        """No table yet."""
        return []

    def add_input(self, mutable_accumulator: list[pa.Table], element: pa.Table) -> list[pa.Table]:
        """Puts off merging until enough tables have come."""
        mutable_accumulator.append(element)
        if len(mutable_accumulator) >= _TABLES_TO_MERGE:
            return self.compact(mutable_accumulator)
        return mutable_accumulator

    def merge_accumulators(self, accumulators: Iterable[list[pa.Table]]) -> list[pa.Table]:
        """All tables of all accumulators."""
        return self.compact([table for tables in accumulators for table in tables])

    def compact(self, accumulator: list[pa.Table]) -> list[pa.Table]:
        """One table in place of many."""
        return [self._merge(accumulator)] if len(accumulator) > 1 else accumulator

    def extract_output(self, accumulator: list[pa.Table]) -> pa.Table:
        """The merged table."""
        return self._merge(accumulator)
