import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from models import metrics
from models.ranking import Sets

# Three queries: ranked 1-5, 6 1 7 2 8, 9 3 1 2 4; relevant {1, 3, 9}, {2}, {5, 6, 7, 8, 10, 11}.
RANKED = np.array([[1, 2, 3, 4, 5], [6, 1, 7, 2, 8], [9, 3, 1, 2, 4]])
RELEVANT = Sets.from_pairs(
    np.repeat([0, 1, 2], [3, 1, 6]), np.array([1, 3, 9, 2, 5, 6, 7, 8, 10, 11]), 3
)
HIT = metrics.hits(RANKED, RELEVANT)
SIZES = RELEVANT.sizes


def discount(rank):
    return 1 / math.log2(rank + 1)


def test_hits_are_by_id():
    assert HIT.astype(int).tolist() == [[1, 0, 1, 0, 0], [0, 0, 0, 1, 0], [0, 0, 0, 0, 0]]


def test_recall_divides_by_all_that_is_relevant():
    assert metrics.recall(HIT, SIZES, 1).tolist() == [1 / 3, 0, 0]
    assert metrics.recall(HIT, SIZES, 5).tolist() == [2 / 3, 1 / 1, 0]


def test_ndcg_compares_with_the_best_list_that_could_be():
    first = (discount(1) + discount(3)) / (discount(1) + discount(2) + discount(3))
    np.testing.assert_allclose(metrics.ndcg(HIT, SIZES, 3), [first, 0, 0])
    np.testing.assert_allclose(metrics.ndcg(HIT, SIZES, 5), [first, discount(4), 0])
    np.testing.assert_allclose(metrics.ndcg(HIT, SIZES, 5).mean(), 0.378198, atol=1e-6)


def test_reciprocal_rank_is_of_the_first_hit():
    assert metrics.reciprocal_rank(HIT, 3).tolist() == [1, 0, 0]
    assert metrics.reciprocal_rank(HIT, 5).tolist() == [1, 1 / 4, 0]


def test_hit_rate_is_binary():
    assert metrics.hit_rate(HIT, 3).tolist() == [1, 0, 0]
    assert metrics.hit_rate(HIT, 5).tolist() == [1, 1, 0]


def test_coverage_counts_candidates_shown_to_anyone():
    assert metrics.coverage(RANKED, 12, 3) == len({1, 2, 3, 6, 7, 9}) / 12


def test_padding_is_a_miss_and_covers_nothing():
    ranked = np.array([[1, 0, 0]])
    hit = metrics.hits(ranked, Sets.from_pairs(np.array([0, 0]), np.array([0, 1]), 1))
    assert hit.tolist() == [[True, False, False]]
    assert metrics.coverage(ranked, 10, 3) == 1 / 10


@st.composite
def judged(draw):
    queries = draw(st.integers(1, 6))
    k = draw(st.integers(1, 8))
    rng = np.random.default_rng(draw(st.integers(0, 2**31 - 1)))
    ranked = np.stack([rng.permutation(np.arange(1, 13))[:k] for _ in range(queries)])
    sets = [rng.choice(np.arange(1, 13), rng.integers(1, 6), replace=False) for _ in ranked]
    rows = np.repeat(np.arange(queries), [len(each) for each in sets])
    return ranked, Sets.from_pairs(rows, np.concatenate(sets), queries)


@given(judged())
def test_metrics_agree_with_slow_references(world):
    ranked, relevant = world
    hit, sizes, k = metrics.hits(ranked, relevant), relevant.sizes, ranked.shape[1]
    for row, found in enumerate(ranked.tolist()):
        wanted = set(relevant[row].tolist())
        ranks = [rank for rank, each in enumerate(found, 1) if each in wanted]
        ideal = sum(discount(rank) for rank in range(1, min(k, len(wanted)) + 1))
        assert metrics.recall(hit, sizes, k)[row] == pytest.approx(len(ranks) / len(wanted))
        assert metrics.ndcg(hit, sizes, k)[row] == pytest.approx(sum(map(discount, ranks)) / ideal)
        assert metrics.reciprocal_rank(hit, k)[row] == (1 / ranks[0] if ranks else 0)
        assert metrics.hit_rate(hit, k)[row] == bool(ranks)


@given(judged())
def test_metrics_lie_in_the_unit_interval_and_recall_grows_with_k(world):
    ranked, relevant = world
    hit, sizes = metrics.hits(ranked, relevant), relevant.sizes
    recalls = np.array([metrics.recall(hit, sizes, k) for k in range(1, ranked.shape[1] + 1)])
    assert (np.diff(recalls, axis=0) >= 0).all()
    for values in (recalls, metrics.ndcg(hit, sizes, ranked.shape[1])):
        assert ((values >= 0) & (values <= 1 + 1e-12)).all()


def test_the_bootstrap_interval_of_a_coin_covers_its_normal_interval():
    values = np.repeat([0.0, 1.0], 500)
    low, high = metrics.bootstrap_interval(values, resamples=4000, seed=0)
    half = 1.96 * math.sqrt(0.25 / 1000)
    assert low == pytest.approx(0.5 - half, abs=0.004)
    assert high == pytest.approx(0.5 + half, abs=0.004)


def test_the_bootstrap_interval_of_a_constant_is_that_constant():
    assert metrics.bootstrap_interval(np.full(9, 0.3), resamples=100, seed=1) == (0.3, 0.3)
