import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from components.frequencies import FrequenciesConfig, frequencies

COUNTS = st.lists(st.integers(0, 10**9), min_size=1, max_size=50)
SMOOTHING = st.floats(0.01, 10)


def test_log_q_of_a_small_catalogue():
    estimated = frequencies(np.array([7, 2, 1, 0]), smoothing=0.5)
    expected = [math.log(count / (10 + 0.5 * 4)) for count in (7.5, 2.5, 1.5, 0.5)]
    assert estimated.log_q.dtype == np.float32
    np.testing.assert_allclose(estimated.log_q, expected, rtol=1e-6)


@given(counts=COUNTS, smoothing=SMOOTHING)
def test_probabilities_add_up_to_one(counts, smoothing):
    log_q = frequencies(np.array(counts), smoothing).log_q.astype(np.float64)
    assert np.exp(log_q).sum() == pytest.approx(1, rel=1e-4)


def test_of_an_empty_catalogue_all_is_unknown():
    estimated = frequencies(np.zeros(0, np.int64), 0.5)
    assert len(estimated.log_q) == 0
    assert estimated.log_q_unknown == 0.0


@given(counts=COUNTS, smoothing=SMOOTHING)
def test_the_unknown_is_as_probable_as_a_candidate_nobody_took(counts, smoothing):
    estimated = frequencies(np.array([*counts, 0]), smoothing)
    assert estimated.log_q[-1] == np.float32(estimated.log_q_unknown)
    assert np.isfinite(estimated.log_q).all()


@given(counts=COUNTS)
def test_a_higher_count_is_never_less_probable(counts):
    ordered = np.sort(np.array(counts))
    assert (np.diff(frequencies(ordered, 0.5).log_q) >= 0).all()


@pytest.mark.parametrize("smoothing", [0, -1, float("inf")])
def test_smoothing_must_be_positive_and_finite(smoothing):
    with pytest.raises(ValidationError, match="smoothing"):
        FrequenciesConfig(smoothing=smoothing)
