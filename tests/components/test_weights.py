import math

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from components.weights import WeightsConfig, weights

LABELS = np.array([-1.0, 0.0, 1.0, 3.0, 4.5], np.float32)


def rule(**values):
    return TypeAdapter(WeightsConfig).validate_python(values)


def test_a_step_reaches_from_its_label_to_the_next():
    steps = [{"from_label": 0, "weight": 0.25}, {"from_label": 3, "weight": 2}]
    assert weights(LABELS, rule(kind="steps", steps=steps)).tolist() == [0, 0.25, 0.25, 2, 2]


@pytest.mark.parametrize("label", [0.7, 4.1, -0.7, 1e-3, 1 / 3])
def test_a_label_reaches_the_step_from_that_very_label(label):
    steps = [{"from_label": label, "weight": 2}]
    assert weights(np.array([label], np.float32), rule(kind="steps", steps=steps)).tolist() == [2]


@pytest.mark.parametrize(
    "values",
    [
        {"kind": "linear", "alpha": 1e300},
        {"kind": "log", "alpha": 1e300, "epsilon": 1e-300},
        {"kind": "steps", "steps": [{"from_label": 0, "weight": 1e39}]},
    ],
)
def test_a_weight_is_finite_however_large_the_label(values):
    found = weights(np.array([1e38], np.float32), rule(**values))
    assert found.tolist() == [np.finfo(np.float32).max]


def test_linear_weights_grow_with_the_label():
    found = weights(LABELS, rule(kind="linear", alpha=2))
    assert found.dtype == np.float32
    assert found.tolist() == [1, 1, 1 + 2 * 1, 1 + 2 * 3, 1 + 2 * 4.5]


def test_logarithmic_weights_grow_with_the_log_of_the_label():
    found = weights(LABELS, rule(kind="log", alpha=3, epsilon=0.5))
    expected = [1, 1, *(1 + 3 * math.log(1 + label / 0.5) for label in (1, 3, 4.5))]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"kind": "steps", "steps": []}, "at least 1"),
        (
            {"kind": "steps", "steps": [{"from_label": 1, "weight": 1}] * 2},
            "`from_label` must increase",
        ),
        ({"kind": "linear", "alpha": 0}, "greater than 0"),
        ({"kind": "square"}, "'steps', 'linear', 'log'"),
    ],
)
def test_a_wrong_rule_is_refused(wrong, sentence):
    with pytest.raises(ValidationError, match=sentence):
        rule(**wrong)
