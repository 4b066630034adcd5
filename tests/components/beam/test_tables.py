import apache_beam as beam
import pyarrow as pa
import pytest

from components.beam.tables import MergeTables, TableCoder
from components.columns import ID_TYPE
from components.vocabularies import merge_counts

SCHEMA = pa.schema([("query", ID_TYPE), ("timestamp", pa.int64())])


def rows(*pairs):
    return pa.Table.from_pylist(
        [{"query": query, "timestamp": time} for query, time in pairs], SCHEMA
    )


@pytest.mark.parametrize("table", [rows(("q", 1), ("é", 2)), SCHEMA.empty_table()])
def test_a_table_comes_back_from_its_bytes(table):
    coder = TableCoder()
    assert coder.decode(coder.encode(table)).equals(table)


def test_dictionaries_come_back_as_dictionaries():
    table = rows(("q", 1), ("q", 2))
    encoded = table.set_column(0, "query", table["query"].dictionary_encode())
    found = TableCoder().decode(TableCoder().encode(encoded))
    assert found.schema.field("query").type == pa.dictionary(pa.int32(), ID_TYPE)
    assert found.to_pylist() == table.to_pylist()


def test_a_slice_is_coded_without_the_rows_around_it():
    table = rows(*((f"query {row}" * 20, row) for row in range(1_000)))
    assert len(TableCoder().encode(table.slice(10, 1))) < 2_000


def test_beam_carries_tables_by_this_coder():
    hint = beam.typehints.KV[int, pa.Table]
    assert "TableCoder" in repr(beam.coders.registry.get_coder(hint))


def test_merging_counts_in_any_grouping_gives_their_sum():
    def counts(value, count):
        schema = pa.schema([("value", ID_TYPE), ("count", pa.int64())])
        return pa.Table.from_pylist([{"value": value, "count": count}], schema)

    merge = MergeTables(merge_counts)
    first = merge.create_accumulator()
    for _ in range(200):
        first = merge.add_input(first, counts("a", 1))
    second = merge.add_input(merge.create_accumulator(), counts("b", 5))
    merged = merge.extract_output(merge.merge_accumulators([first, second]))
    assert sorted(tuple(row.values()) for row in merged.to_pylist()) == [("a", 200), ("b", 5)]
    assert merge.extract_output(merge.create_accumulator()).num_rows == 0
