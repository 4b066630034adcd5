import shutil

import numpy as np
import pyarrow as pa
import pytest

from components.errors import ArtifactError
from components.precompute import ANSWERS
from components.published import PublishedModel, padded
from components.questions import QUESTIONS
from models.ranking import Sets, top_k
from tests.serving.harness import export_doubler

K = 4


@pytest.fixture(scope="module")
def model(small_run):
    return PublishedModel(small_run.work_dir / "published" / "1")


@pytest.fixture(scope="module")
def questions(embedded):
    """Makes questions of rows of queries and candidates."""

    def questions(*asked):
        return pa.Table.from_pylist(
            [
                {
                    "row": row,
                    "query_id": embedded.query_ids[row - 1],
                    "exclude": [embedded.candidate_ids[each - 1] for each in exclude],
                }
                for row, exclude in asked
            ],
            QUESTIONS,
        )

    return questions


def test_the_answers_are_the_exact_best_without_what_is_excluded(model, questions, embedded):
    excluded = {3: [], 1: [1, 2, 3], 17: [30], 40: list(range(1, 29))}
    answers = model.answer(questions(*excluded.items()), K)
    assert answers.schema == ANSWERS
    rows = np.array(list(excluded))
    sets = Sets.from_pairs(
        np.repeat(np.arange(len(rows)), [len(own) for own in excluded.values()]),
        np.array([each for own in excluded.values() for each in own]),
        len(rows),
    )
    ranked, scores = top_k(embedded.queries[rows], embedded.candidates, K, excluded=sets)
    for answer, row, best, score in zip(answers.to_pylist(), rows, ranked, scores, strict=True):
        known = best > 0
        assert answer["row"] == row
        assert answer["query_id"] == embedded.query_ids[row - 1]
        assert answer["candidate_ids"] == [embedded.candidate_ids[each - 1] for each in best[known]]
        assert answer["scores"] == pytest.approx(score[known].tolist(), abs=1e-6)
    # The last query may have 30 - 28 candidates: its list is shorter.
    assert [len(row) for row in answers["candidate_ids"].to_pylist()] == [K, K, K, 2]


def test_a_query_that_may_have_nothing_gets_an_empty_list(model, questions):
    (answer,) = model.answer(questions((1, list(range(1, 31)))), K).to_pylist()
    assert answer["candidate_ids"] == answer["scores"] == []


def test_no_question_has_no_answer(model):
    assert model.answer(QUESTIONS.empty_table(), K).equals(ANSWERS.empty_table())


def test_the_whole_catalogue_can_be_asked_for_and_no_more(model, questions, small_run):
    answers = model.answer(questions((1, [])), 30)
    assert len(set(answers["candidate_ids"][0].as_py())) == 30
    with pytest.raises(ArtifactError) as told:
        model.answer(questions((1, [])), 31)
    assert str(told.value) == (
        f"{small_run.work_dir / 'published' / '1'}: 31 candidates a query are asked for, and the "
        "published model knows 30; give --k 30 or less."
    )


def test_a_version_without_retrieve_is_refused(tmp_path):
    for name in ("serving_default", "retrieve"):
        export_doubler(tmp_path / name, name)
        with pytest.raises(ArtifactError) as told:
            PublishedModel(tmp_path / name)
        assert str(told.value) == (
            f"{tmp_path / name}: the published model has no signature `retrieve` from exclude, k, "
            "query_id to candidate_ids, scores, count; publish one that has."
        )


@pytest.mark.parametrize("damage", ["empty", "cut"])
def test_a_version_that_cannot_be_loaded_is_named(small_run, tmp_path, damage):
    version = tmp_path / "1"
    if damage == "empty":
        version.mkdir()
    else:
        shutil.copytree(small_run.work_dir / "published" / "1", version)
        shutil.rmtree(version / "variables")
    with pytest.raises(ArtifactError) as told:
        PublishedModel(version)
    (line,) = str(told.value).splitlines()
    assert line.startswith(f"{version}: the published model cannot be loaded (")
    assert line.endswith("); publish it again.")


def test_lists_are_filled_up_to_the_longest():
    lists = pa.array([["a", "b"], [], ["c"]], pa.list_(pa.string()))
    assert padded(lists).tolist() == [["a", "b"], ["", ""], ["c", ""]]
    assert padded(lists.slice(1, 1)).shape == (1, 0)
    assert padded(lists.slice(2, 1)).tolist() == [["c"]]
