import numpy as np
import pytest

from serving.server.saved_model import SavedModel, load_custom_ops
from serving.server.statuses import StatusError
from serving.signature import CANDIDATE_IDS, EMBED_QUERY, EMBEDDING, QUERY_ID, SCORES
from tests.serving.harness import COUNT_TO, SLOW_N, export_retriever


def strings(values):
    return np.array(values, object)


def test_signatures_have_their_inputs_in_alphabetical_order(saved_model):
    retrieve = saved_model.signatures["retrieve"]
    assert list(retrieve.inputs) == ["exclude", "k", "query_id"]
    assert list(retrieve.outputs) == ["candidate_ids", "count", "exact", "scores"]
    assert not retrieve.has_defaults


def test_the_default_signature_answers(saved_model):
    signature = saved_model.signatures["serving_default"]
    outputs = saved_model.run(signature, {QUERY_ID: strings([b"q"])}, [SCORES, CANDIDATE_IDS])
    assert outputs[CANDIDATE_IDS].tolist() == [[b"c9", b"c8", b"c7"]]
    assert outputs[SCORES].tolist() == [[9.0, 8.0, 7.0]]


@pytest.mark.parametrize("timeout_s", [None, 30.0])
def test_only_the_asked_outputs_come_back(saved_model, timeout_s):
    signature = saved_model.signatures["serving_default"]
    outputs = saved_model.run(signature, {QUERY_ID: strings([b"q"])}, [SCORES], timeout_s)
    assert list(outputs) == [SCORES]


@pytest.mark.parametrize("timeout_s", [None, 30.0])
def test_shapes_are_left_to_the_graph(saved_model, timeout_s):
    signature = saved_model.signatures[EMBED_QUERY]
    inputs = {QUERY_ID: strings([[b"a", b"b"], [b"c", b"d"]])}
    outputs = saved_model.run(signature, inputs, [EMBEDDING], timeout_s)
    assert outputs[EMBEDDING].shape == (4, 1)


@pytest.mark.parametrize("timeout_s", [None, 30.0])
def test_a_wrong_dtype_is_refused_in_the_same_words_with_and_without_a_limit(
    saved_model, timeout_s
):
    signature = saved_model.signatures["serving_default"]
    with pytest.raises(StatusError) as raised:
        saved_model.run(signature, {QUERY_ID: np.array([1])}, [SCORES], timeout_s)
    assert raised.value.code.name == "INVALID_ARGUMENT"
    assert raised.value.message == (
        "Type mismatch: actual int64 vs. expect string\n"
        "\t [[{{node _arg_serving_default_query_id_0_0}}]]"
    )


def test_a_run_ends_at_its_limit(saved_model):
    signature = saved_model.signatures[COUNT_TO]
    with pytest.raises(StatusError) as raised:
        saved_model.run(signature, {"n": np.array(100 * SLOW_N, np.int32)}, ["reached"], 0.1)
    assert raised.value.code.name == "DEADLINE_EXCEEDED"


def test_a_directory_without_a_model_is_a_failed_load(tmp_path):
    with pytest.raises(StatusError) as raised:
        SavedModel(tmp_path)
    assert str(tmp_path) in raised.value.message


def test_a_damaged_model_is_a_failed_load(tmp_path):
    (tmp_path / "saved_model.pb").write_bytes(b"not a proto")
    with pytest.raises(StatusError):
        SavedModel(tmp_path)


def test_a_closed_model_has_freed_its_session(tmp_path):
    model = SavedModel(export_retriever(tmp_path / "1"))
    session = model._session
    model.close()
    assert session._closed


def test_a_model_with_scann_ops_answers_with_the_exact_neighbours(tmp_path):
    tf = pytest.importorskip("tensorflow")
    scann_ops = pytest.importorskip("scann.scann_ops.py.scann_ops")
    vectors = np.random.default_rng(7).normal(size=(64, 4)).astype(np.float32)

    class Searcher(tf.Module):
        def __init__(self):
            super().__init__()
            builder = scann_ops.builder(vectors, 5, "dot_product").score_brute_force()
            self.state = builder.build().serialize_to_module()

        @tf.function(input_signature=[tf.TensorSpec([None, 4], tf.float32, name="embedding")])
        def search(self, embedding):
            searcher = scann_ops.searcher_from_module(self.state)
            neighbours, scores = searcher.search_batched(embedding)
            return {"neighbours": neighbours, "scores": scores}

    searcher = Searcher()
    signatures = {"serving_default": searcher.search}
    tf.saved_model.save(searcher, str(tmp_path / "1"), signatures=signatures)

    load_custom_ops()
    model = SavedModel(tmp_path / "1")
    signature = model.signatures["serving_default"]
    found = model.run(signature, {"embedding": vectors[:3]}, ["neighbours"])["neighbours"]
    model.close()
    assert found.tolist() == np.argsort(-vectors[:3] @ vectors.T, axis=1)[:, :5].tolist()
