"""How Beam carries an Arrow table from one step to the next: as an Arrow IPC stream."""

from __future__ import annotations

import apache_beam as beam
import pyarrow as pa


class TableCoder(beam.coders.Coder):
    """Codes a table as an IPC stream: no Python object a row, no copy on the way back."""

    def encode(self, value: pa.Table) -> bytes:
        """The table's schema and batches."""
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, value.schema) as writer:
            writer.write_table(value)
        return sink.getvalue().to_pybytes()

    def decode(self, encoded: bytes) -> pa.Table:
        """The table, over the bytes it came in."""
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
