import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from models import ids as module
from models.ids import IdTable


@given(
    st.lists(st.text(min_size=1), unique=True, min_size=1, max_size=30),
    st.lists(st.text(), max_size=30),
)
def test_every_id_has_its_position_and_no_other_string_has_one(ids, others):
    table = IdTable("query", ids)
    asked = ids + others
    expected = [ids.index(value) if value in ids else -1 for value in asked]
    assert table.positions(tf.constant(asked)).numpy().tolist() == expected


def test_the_answer_has_the_shape_of_the_question():
    table = IdTable("query", ["a", "b"])
    assert table.positions(tf.constant([["b", ""], ["a", "c"]])).numpy().tolist() == [
        [1, -1],
        [0, -1],
    ]
    assert table.positions(tf.zeros([0, 3], tf.string)).shape == (0, 3)


def test_ids_are_kept_in_their_order():
    assert IdTable("query", ["b", "ä", "a"]).strings.numpy().tolist() == [b"b", "ä".encode(), b"a"]


@pytest.mark.parametrize(
    ("ids", "fault"),
    [
        (["a", "b", "a"], "'a' comes twice"),
        (["a", ""], "must not be empty strings"),
        ([], "at least one id"),
    ],
)
def test_ids_that_cannot_be_told_apart_are_refused(ids, fault):
    with pytest.raises(ValueError, match=fault):
        IdTable("candidate", ids)


def test_two_ids_with_one_hash_are_refused_by_name(monkeypatch):
    monkeypatch.setattr(module, "_hash", lambda ids: tf.zeros([len(ids)], tf.int64))
    with pytest.raises(ValueError, match="'a' and 'b' have one hash"):
        IdTable("candidate", ["a", "b"])


def test_two_loaded_versions_do_not_answer_from_each_other(tmp_path):
    for version, ids in enumerate((["a", "b"], ["b", "a"])):
        table = IdTable("query", ids)
        spec = tf.TensorSpec([None], tf.string)
        tf.saved_model.save(
            table,
            str(tmp_path / str(version)),
            signatures=tf.function(
                lambda q, t=table: {"p": t.positions(q)}, input_signature=[spec]
            ),
        )
    loaded = [
        tf.saved_model.load(str(tmp_path / version)).signatures["serving_default"]
        for version in ("0", "1")
    ]
    answers = [call(q=tf.constant(["a"]))["p"].numpy() for call in loaded]
    assert np.concatenate(answers).tolist() == [0, 1]
