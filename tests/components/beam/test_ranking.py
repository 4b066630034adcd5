import pyarrow as pa

from components.beam.ranking import part_by_value
from components.columns import ID_TYPE
from components.hashing import hash_ids


def test_parts_hold_all_rows_and_each_id_has_one_part():
    table = pa.table(
        {"value": pa.array([f"q{row % 7}" for row in range(50)], ID_TYPE), "row": range(50)}
    )
    parts = dict(part_by_value(table, 16))
    assert sorted(parts) == list(range(16))
    assert pa.concat_tables(parts.values()).sort_by("row").equals(table)
    for number, part in parts.items():
        assert set((hash_ids(part["value"].combine_chunks()) % 16).tolist()) <= {number}
