import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import ranking
from models.ranking import Sets, top_k


@given(st.lists(st.tuples(st.integers(0, 4), st.integers(0, 9)), max_size=40))
def test_sets_hold_the_distinct_values_of_each_row(pairs):
    rows, values = (np.array([pair[side] for pair in pairs], np.int64) for side in (0, 1))
    sets = Sets.from_pairs(rows, values, 5)
    expected = [sorted({value for row, value in pairs if row == index}) for index in range(5)]
    assert [sets[index].tolist() for index in range(5)] == expected
    assert sets.sizes.tolist() == [len(each) for each in expected]
    chosen = np.array([3, 0, 3])
    taken = sets.take(chosen)
    assert [taken[index].tolist() for index in range(3)] == [expected[row] for row in chosen]


@st.composite
def worlds(draw):
    rng = np.random.default_rng(draw(st.integers(0, 2**31 - 1)))
    queries, candidates = draw(st.integers(1, 7)), draw(st.integers(1, 12))
    # Small whole numbers make many ties.
    vectors = [
        rng.integers(-2, 3, (count, 2)).astype(np.float32) for count in (queries, candidates)
    ]
    excluded = np.argwhere(rng.random((queries, candidates)) < draw(st.sampled_from([0, 0.3, 1.0])))
    return *vectors, draw(st.integers(1, 14)), excluded


@given(worlds())
def test_lists_are_by_score_then_the_order_of_ties_without_the_excluded(world):
    queries, candidates, k, excluded = world
    sets = Sets.from_pairs(excluded[:, 0], excluded[:, 1], len(queries))
    ranked, scores = top_k(queries, candidates, k, excluded=sets)
    for row in range(len(queries)):
        grid = candidates @ queries[row]
        eligible = [c for c in range(1, len(candidates)) if c not in sets[row]]
        wins = ranking._tie_order(len(candidates)).tolist()
        expected = sorted(eligible, key=lambda c: (-grid[c], wins.index(c)))[:k]
        padding = k - len(expected)
        assert ranked[row].tolist() == expected + [0] * padding
        assert scores[row].tolist() == [grid[c] for c in expected] + [-np.inf] * padding


def test_a_model_that_scores_all_alike_finds_no_more_than_chance():
    # Rows are numbered by popularity: the relevant candidates here are the most popular ones.
    queries, candidates = np.ones((50, 4), np.float32), np.ones((1001, 4), np.float32)
    nothing = Sets.from_pairs(np.array([], int), np.array([], int), 50)
    ranked, _ = top_k(queries, candidates, 100, excluded=nothing)
    share = np.isin(ranked[0], np.arange(1, 101)).mean()
    # Five standard errors of a share of 1/10 among 100.
    assert abs(share - 0.1) < 5 * np.sqrt(0.1 * 0.9 / 100)


def test_a_score_that_is_no_number_is_refused():
    queries, candidates = np.full((1, 2), np.nan), np.ones((3, 2))
    nothing = Sets.from_pairs(np.array([], int), np.array([], int), 1)
    with pytest.raises(ValueError, match="NaN among them"):
        top_k(queries, candidates, 1, excluded=nothing)


def test_chunks_are_joined_in_order(monkeypatch):
    monkeypatch.setattr(ranking, "_CHUNK", 2)
    queries = np.eye(5, dtype=np.float32)
    candidates = np.concatenate([np.zeros((1, 5)), np.eye(5)]).astype(np.float32)
    nothing = Sets.from_pairs(np.array([], int), np.array([], int), 5)
    assert top_k(queries, candidates, 1, excluded=nothing)[0].tolist() == [[1], [2], [3], [4], [5]]
