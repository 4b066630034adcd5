import json

import numpy as np
import pytest

from components.artifacts import Metrics
from components.evaluation import EvaluationConfig, measure
from components.holdout import read_holdout


@pytest.fixture(scope="module")
def measured(small_run):
    return json.loads(Metrics.open(small_run.work_dir / "metrics").table.read_text())


def recall_by_hand(embedded, prepared, k):
    """Mean recall of exact rankings, one query at a time."""
    holdout = read_holdout(prepared, "test")
    recalls = []
    for index, query in enumerate(holdout.queries):
        scores = embedded.candidates @ embedded.queries[query]
        eligible = [row for row in range(1, len(scores)) if row not in holdout.seen[index].tolist()]
        best = sorted(eligible, key=lambda row: (-scores[row], row))[:k]
        found = set(best) & set(holdout.relevant[index].tolist())
        recalls.append(len(found) / holdout.relevant_sizes[index])
    return np.mean(recalls)


@pytest.mark.parametrize("k", [5, 10])
def test_recall_is_of_the_whole_catalogue_without_what_was_seen(embedded, prepared, measured, k):
    value = measured["systems"]["two_tower"][f"recall@{k}"]["value"]
    assert value == pytest.approx(recall_by_hand(embedded, prepared, k))


def test_the_model_beats_popularity_and_popularity_beats_chance(measured):
    recalls = {
        system: values["recall@10"]["value"] for system, values in measured["systems"].items()
    }
    assert recalls["two_tower"] > recalls["popularity"] > recalls["random"]


def test_every_metric_has_its_interval(measured):
    for values in measured["systems"].values():
        for name, value in values.items():
            if not name.startswith("coverage"):
                assert value["low"] <= value["value"] <= value["high"]
        assert set(values) == {
            f"{metric}@{k}"
            for metric in ("recall", "ndcg", "mrr", "hit_rate", "coverage")
            for k in (5, 10)
        }


def test_the_report_says_what_was_counted(measured, prepared):
    assert measured["seen_excluded"] is True
    assert measured["catalogue"] == 30
    assert measured["queries"] + measured["dropped_queries"] == 40
    assert measured["relevant"] <= prepared.manifest.counts["rows_test"]


def test_perfect_lists_score_one(prepared):
    holdout = read_holdout(prepared, "test")
    k = int(holdout.relevant.sizes.max())
    perfect = np.zeros((len(holdout.queries), k), np.int64)
    for index in range(len(perfect)):
        perfect[index, : holdout.relevant.sizes[index]] = holdout.relevant[index]
    values = measure(
        EvaluationConfig(cutoffs=(k,), resamples=100), perfect, holdout, catalogue=30, seed=0
    )
    for metric in ("recall", "ndcg", "mrr", "hit_rate"):
        assert values[f"{metric}@{k}"]["value"] == pytest.approx(1)
