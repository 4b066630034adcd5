import apache_beam as beam
import numpy as np
import pyarrow as pa
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing import test_pipeline
from apache_beam.testing.util import assert_that, equal_to

from components.beam.elements import part_by_id
from components.beam.table_coder import TableCoder
from components.beam.transforms import FindCuts, MergeTables, SplitByQuery
from components.columns import ID_TYPE
from components.hashing import hash_ids
from components.interactions import interactions_schema
from components.splits import Cuts, GlobalTime, PerQueryTime
from components.vocabularies import merge_counts

SCHEMA = interactions_schema(labelled=False)


def rows(*triples):
    keys = ("query", "candidate", "timestamp")
    return pa.Table.from_pylist([dict(zip(keys, row, strict=True)) for row in triples], SCHEMA)


def pipeline():
    return test_pipeline.TestPipeline("FnApiRunner", options=PipelineOptions([]))


def listed(shard):
    number, table = shard
    return number, [tuple(row.values()) for row in table.to_pylist()]


@pytest.mark.parametrize("table", [rows(("q", "c", 1), ("é", "", 2)), SCHEMA.empty_table()])
def test_a_table_comes_back_from_its_bytes(table):
    coder = TableCoder()
    assert coder.decode(coder.encode(table)).equals(table)


def test_a_slice_is_coded_without_the_rows_around_it():
    table = rows(*(("q" * 100, "c", row) for row in range(1_000)))
    assert len(TableCoder().encode(table.slice(10, 1))) < 2_000


def test_beam_carries_tables_by_this_coder():
    hint = beam.typehints.KV[int, pa.Table]
    assert "TableCoder" in repr(beam.coders.registry.get_coder(hint))


def test_parts_hold_all_rows_and_each_id_has_one_part():
    table = rows(*((f"q{row % 7}", "c", row) for row in range(50)))
    parts = dict(part_by_id(table, "query", 4))
    assert pa.concat_tables(parts.values()).sort_by("timestamp").equals(table)
    for number, part in parts.items():
        hashes = hash_ids(part["query"].combine_chunks())
        assert set((hashes % np.uint64(4)).tolist()) == {number}


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


def test_cuts_are_found_over_all_tables():
    config = GlobalTime(kind="global_time", validation=0.2, test=0.2)
    tables = [rows(("a", "c", 5), ("a", "c", 1)), rows(*(("b", "c", time) for time in (2, 3, 4)))]
    with pipeline() as begin:
        cuts = begin | beam.Create(tables) | FindCuts(config)
        assert_that(cuts, equal_to([Cuts(validation=4, test=5)]))


def test_every_shard_comes_out_once_sorted_and_split():
    config = PerQueryTime(kind="per_query_time", validation=0.25, test=0.25)
    tables = [rows(("a", "x", 3), ("a", "w", 1)), rows(("a", "z", 1), ("a", "y", 2))]
    (shard, _), *_ = part_by_id(tables[0], "query", 2)
    expected = [("a", "w", 1, 0), ("a", "z", 1, 0), ("a", "y", 2, 1), ("a", "x", 3, 2)]
    with pipeline() as begin:
        shards = begin | beam.Create(tables) | SplitByQuery(config, 2, SCHEMA) | beam.Map(listed)
        assert_that(shards, equal_to([(shard, expected), (1 - shard, [])]))
