import json
import shutil

import numpy as np
import pytest

from components.errors import SkewError
from components.golden import GoldenRequest, golden_path
from components.skew import _compare, check_in_fresh_process, differences


@pytest.fixture
def model(exported, tmp_path):
    """A copy whose golden requests may be changed."""
    return shutil.copytree(exported, tmp_path / "model")


def change(model, edit):
    path = golden_path(model)
    golden = json.loads(path.read_text())
    edit(golden["requests"][0], golden)
    path.write_text(json.dumps(golden))
    return list(differences(model))


def put_first(request, candidate, score):
    """As if the trainer had ranked another candidate first."""
    request["candidate_ids"] = [candidate, *request["candidate_ids"][:-1]]
    request["scores"] = [score, *request["scores"][:-1]]


def test_the_exported_model_answers_as_the_trainer(exported):
    assert list(differences(exported)) == []


def test_one_golden_request_is_of_a_query_that_nobody_knows(exported):
    golden = json.loads(golden_path(exported).read_text())
    assert golden["requests"][-1]["query_id"] == "unknown"
    assert golden["requests"][-1]["exclude"] == []


def test_another_embedding_is_told(model):
    def edit(request, _):
        request["embedding"][0] += 0.01

    (told,) = change(model, edit)
    assert "another embedding than the trainer's" in told


def test_another_score_is_told_with_both_values(model):
    def edit(request, _):
        request["scores"][1] -= 0.01

    told = change(model, edit)
    assert len(told) == 1
    assert "scored" in told[0]


def test_a_better_candidate_that_is_missing_is_told(model):
    def edit(request, _):
        put_first(request, "missing", 9.0)

    (told,) = change(model, edit)
    assert "of the trainer's candidates is below 1.0" in told


def test_an_approximate_model_may_miss_as_many_as_it_was_allowed(model):
    def edit(request, golden):
        put_first(request, "missing", 9.0)
        golden["least_recall"] = 0.9

    assert change(model, edit) == []


def test_a_candidate_that_the_trainer_ranks_lower_is_told(model):
    # What the model puts first, the trainer does not have among its ten.
    def edit(request, _):
        request["candidate_ids"][0] = "another"

    told = change(model, edit)
    assert any("by the trainer" in each for each in told)


def test_scores_out_of_order_are_told():
    request = GoldenRequest(
        query_id="q", k=2, exclude=(), embedding=(), candidate_ids=("a", "b"), scores=(0.9, 0.8)
    )
    told = list(_compare(request, ["b", "a"], np.array([0.8, 0.9])))
    assert told == ["query 'q': the scores do not descend"]


def test_a_shorter_answer_is_told(model):
    def edit(request, _):
        request["k"] -= 1

    assert any("9 candidates where the trainer gave 10" in told for told in change(model, edit))


def test_a_tie_at_the_end_of_the_list_is_no_miss(model):
    def edit(request, _):
        request["candidate_ids"][-1] = "as good as the last"

    assert change(model, edit) == []


def test_the_check_in_a_fresh_process_passes_a_good_model_and_refuses_a_bad_one(model):
    check_in_fresh_process(model)

    def edit(request, _):
        request["scores"][0] += 1

    change(model, edit)
    with pytest.raises(SkewError, match=r"does not answer as the trained one.*scored"):
        check_in_fresh_process(model)


def test_a_model_that_cannot_be_loaded_is_refused(model):
    (model / "saved_model.pb").write_bytes(b"garbage")
    with pytest.raises(SkewError, match="not published"):
        check_in_fresh_process(model)
