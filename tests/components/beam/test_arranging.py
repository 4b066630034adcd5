# pyright: reportArgumentType=false
# (Beam types every `a | b` as a PValue, whatever it is)

import apache_beam as beam
import pyarrow as pa
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.testing import test_pipeline
from apache_beam.testing.util import assert_that, equal_to

from components.beam.arranging import ArrangeByQuery, FindCuts, FindKept, SplitShards
from components.filters import FiltersConfig
from components.interactions import interactions_schema
from components.shards import part_by_query
from components.splits import Cuts, GlobalTime, PerQueryTime

SCHEMA = interactions_schema(labelled=False)
DAY = 86_400_000_000


def rows(*triples):
    keys = ("query", "candidate", "timestamp")
    return pa.Table.from_pylist([dict(zip(keys, row, strict=True)) for row in triples], SCHEMA)


def pipeline():
    return test_pipeline.TestPipeline("FnApiRunner", options=PipelineOptions([]))


def listed(shard):
    number, table = shard
    return number, [tuple(row.values()) for row in table.to_pylist()]


def shard_of(query, shards):
    return next(
        number for number, part in part_by_query(rows((query, "c", 0)), shards) if part.num_rows
    )


def test_every_shard_comes_out_once_in_order():
    tables = [rows(("a", "x", 3), ("a", "w", 1)), rows(("a", "z", 1), ("a", "y", 2))]
    shard = shard_of("a", 2)
    expected = [("a", "w", 1), ("a", "z", 1), ("a", "y", 2), ("a", "x", 3)]
    with pipeline() as begin:
        shards = begin | beam.Create(tables) | ArrangeByQuery(2) | beam.Map(listed)
        assert_that(shards, equal_to([(shard, expected), (1 - shard, [])]))


def test_cuts_are_found_over_all_shards():
    config = GlobalTime(kind="global_time", validation=0.2, test=0.2)
    tables = [rows(("a", "c", 5), ("a", "c", 1)), rows(*(("b", "c", time) for time in (2, 3, 4)))]
    with pipeline() as begin:
        cuts = begin | beam.Create(tables) | ArrangeByQuery(3) | FindCuts(config, None)
        assert_that(cuts, equal_to([Cuts(validation=4, test=5)]))


def test_rows_of_a_query_are_split_by_their_place():
    config = PerQueryTime(kind="per_query_time", validation=0.25, test=0.25)
    tables = [rows(("a", "x", 3), ("a", "w", 1)), rows(("a", "z", 1), ("a", "y", 2))]
    expected = [("a", "w", 1, 0), ("a", "z", 1, 0), ("a", "y", 2, 1), ("a", "x", 3, 2)]
    with pipeline() as begin:
        shards = begin | beam.Create(tables) | ArrangeByQuery(1)
        split = shards | SplitShards(config, None, None) | beam.Map(listed)
        assert_that(split, equal_to([(0, expected)]))


def test_the_core_and_the_window_are_of_all_shards_together_and_cut_before_the_split():
    # Query `old` is out of the window; then candidate `z` has one row, and so `b` has one.
    log = [("a", "x", 90), ("a", "y", 91), ("b", "x", 92), ("b", "z", 93), ("old", "z", 1)]
    log += [("c", "x", 94), ("c", "y", 95)]
    tables = [rows((query, candidate, day * DAY)) for query, candidate, day in log]
    config = FiltersConfig(window_days=30, min_query_rows=2, min_candidate_rows=2)
    split = GlobalTime(kind="global_time", validation=0.25, test=0.25)
    expected = [("a", "x", 0), ("a", "y", 0), ("c", "x", 1), ("c", "y", 2)]
    with pipeline() as begin:
        shards = begin | beam.Create(tables) | ArrangeByQuery(4)
        kept = shards | FindKept(config)
        cuts = shards | FindCuts(split, kept)
        found = shards | SplitShards(split, kept, cuts) | beam.FlatMap(lambda item: listed(item)[1])
        short = found | "Short" >> beam.Map(lambda row: (row[0], row[1], row[3]))
        assert_that(short, equal_to(expected))
