import numpy as np

from components.baselines import chance, popularity
from models.ranking import Sets

SEEN = Sets.from_pairs(np.array([0, 1, 1]), np.array([3, 1, 2]), 2)


def test_popularity_ranks_by_count_without_what_was_seen():
    counts = np.array([0, 5, 9, 8, 1])
    assert popularity(counts, 4, seen=SEEN).tolist() == [[2, 1, 4, 0], [3, 4, 0, 0]]


def test_chance_gives_every_unseen_candidate_once():
    lists = chance(5, 4, seen=SEEN, seed=0)
    assert [sorted(row) for row in lists.tolist()] == [[0, 1, 2, 4], [0, 0, 3, 4]]


def test_chance_puts_every_candidate_first_about_as_often():
    nothing = Sets.from_pairs(np.array([], int), np.array([], int), 6000)
    first = chance(4, 1, seen=nothing, seed=1)[:, 0]
    shares = np.bincount(first, minlength=4)[1:] / 6000
    # Five standard errors of a share of 1/3 among 6000.
    assert np.abs(shares - 1 / 3).max() < 5 * np.sqrt((1 / 3) * (2 / 3) / 6000)


def test_the_seed_decides_chance():
    first, again, other = (chance(50, 9, seen=SEEN, seed=seed).tolist() for seed in (1, 1, 2))
    assert first == again
    assert first != other
