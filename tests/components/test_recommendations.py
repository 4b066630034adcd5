import dataclasses
import re

import pytest

from components.errors import DataError
from components.holdout import read_queries
from components.recommendations import recommend, write_recommendations


def test_a_file_has_one_line_for_every_query_of_the_split(embedded, prepared, tmp_path):
    path = tmp_path / "deep" / "test.tsv"
    assert write_recommendations(embedded, prepared, "test", 5, path) == 40
    lines = [line.split("\t") for line in path.read_text().splitlines()]
    assert [query for query, _ in lines] == list(embedded.query_ids)
    assert {len(candidates.split(" ")) for _, candidates in lines} == {5}
    assert [each.name for each in path.parent.iterdir()] == ["test.tsv"]


def test_a_query_gets_all_that_is_left_where_k_is_larger(embedded, prepared):
    queries = read_queries(prepared, "test")
    for _, candidates in recommend(embedded, prepared, "test", queries, 1000):
        assert len(set(candidates)) == len(candidates) < 30


def test_validation_does_not_leave_out_itself(embedded, prepared):
    queries = read_queries(prepared, "validation")[:1]
    ((_, validated),) = recommend(embedded, prepared, "validation", queries, 1000)
    ((_, tested),) = recommend(embedded, prepared, "test", queries, 1000)
    assert set(tested) < set(validated)


def test_a_failing_write_leaves_no_file(embedded, prepared, tmp_path, monkeypatch):
    def dies(*_):
        yield "q1", ["c1"]
        raise OSError("disk full")

    monkeypatch.setattr("components.recommendations.recommend", dies)
    with pytest.raises(OSError, match="disk full"):
        write_recommendations(embedded, prepared, "test", 5, tmp_path / "test.tsv")
    assert not (tmp_path / "test.tsv").exists()


@pytest.mark.parametrize(("side", "spaced"), [("candidate_ids", "c 1"), ("query_ids", "q\t1")])
def test_an_id_that_would_break_a_line_is_refused_by_name(
    embedded, prepared, tmp_path, side, spaced
):
    broken = dataclasses.replace(embedded, **{side: [spaced, *getattr(embedded, side)[1:]]})
    with pytest.raises(DataError, match=re.escape(f"the id {spaced!r} holds white space")):
        write_recommendations(broken, prepared, "test", 5, tmp_path / "test.tsv")


def test_a_query_may_have_a_space_in_its_id(embedded, prepared, tmp_path):
    spaced = dataclasses.replace(embedded, query_ids=["q 1", *embedded.query_ids[1:]])
    write_recommendations(spaced, prepared, "test", 5, tmp_path / "test.tsv")
    assert (tmp_path / "test.tsv").read_text().startswith("q 1\t")
