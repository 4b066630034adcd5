# pyright: reportAttributeAccessIssue=false
# (protobuf makes its message classes when it is imported)

import json

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2

from components.export import manifest_path
from components.holdout import read_seen
from models.features import FIRST_KNOWN_ROW
from models.ranking import top_k
from serving import signature as edge


@pytest.fixture(scope="module")
def signatures(exported):
    return tf.saved_model.load(str(exported)).signatures


def test_the_signatures_have_the_names_types_and_shapes_of_the_edge(signatures):
    described = {
        name: (
            {spec.name: (spec.dtype.name, len(spec.shape)) for spec in inputs.values()},
            {output: (spec.dtype.name, len(spec.shape)) for output, spec in outputs.items()},
        )
        for name, function in signatures.items()
        for (_, inputs), outputs in [
            (function.structured_input_signature, function.structured_outputs)
        ]
    }
    lists = {edge.CANDIDATE_IDS: ("string", 2), edge.SCORES: ("float32", 2)}
    query = {edge.QUERY_ID: ("string", 1)}
    assert described == {
        edge.SERVING_DEFAULT: (query, lists),
        edge.EMBED_QUERY: (query, {edge.EMBEDDING: ("float32", 2)}),
        edge.RETRIEVE: (
            {**query, edge.K: ("int32", 1), edge.EXCLUDE: ("string", 2)},
            {**lists, edge.COUNT: ("int32", 1), edge.EXACT: ("bool", 1)},
        ),
    }


def test_every_query_gets_the_trainers_ranking_without_what_it_saw(signatures, embedded, prepared):
    seen = read_seen(prepared, "test").take(np.arange(1, 1 + len(embedded.query_ids)))
    width = seen.sizes.max()
    exclude = [
        [embedded.candidate_ids[row - FIRST_KNOWN_ROW] for row in seen[index]]
        + [""] * (width - len(seen[index]))
        for index in range(len(seen))
    ]
    answer = signatures[edge.RETRIEVE](
        query_id=tf.constant(embedded.query_ids),
        k=tf.fill([len(seen)], 10),
        exclude=tf.constant(exclude),
    )
    ranked, scores = top_k(embedded.queries[1:], embedded.candidates, 10, excluded=seen)
    names = np.array(["", *embedded.candidate_ids])
    assert answer[edge.CANDIDATE_IDS].numpy().astype(str).tolist() == names[ranked].tolist()
    np.testing.assert_allclose(answer[edge.SCORES], scores, atol=1e-5)
    assert answer[edge.EXACT].numpy().all()


def test_the_default_signature_gives_the_k_of_the_config_even_to_nobody(signatures):
    for queries in (["q1"], ["q1", "stranger"], []):
        answer = signatures[edge.SERVING_DEFAULT](
            query_id=tf.constant(queries, tf.string, shape=[len(queries)])
        )
        assert answer[edge.CANDIDATE_IDS].shape == (len(queries), 10)
        assert answer[edge.SCORES].shape == (len(queries), 10)


def test_asking_for_more_than_the_catalogue_costs_no_more_columns(signatures):
    answer = signatures[edge.RETRIEVE](
        query_id=tf.constant(["q1"]), k=tf.constant([2**31 - 1]), exclude=tf.constant([["c1"]])
    )
    assert answer[edge.CANDIDATE_IDS].shape == (1, 30)
    assert answer[edge.COUNT].numpy().tolist() == [29]


def test_queries_are_embedded_as_the_trainer_does(signatures, embedded):
    names = [*embedded.query_ids, "stranger"]
    answer = signatures[edge.EMBED_QUERY](query_id=tf.constant(names))[edge.EMBEDDING]
    expected = np.concatenate([embedded.queries[1:], embedded.queries[:1]])
    np.testing.assert_allclose(answer, expected, atol=1e-6)


def test_the_warm_up_asks_every_signature_for_one_and_for_many(exported, signatures):
    path = exported / "assets.extra" / "tf_serving_warmup_requests"
    asked = set()
    for record in tf.data.TFRecordDataset(str(path)).as_numpy_iterator():
        request = prediction_log_pb2.PredictionLog.FromString(record).predict_log.request
        inputs = {
            name: tf.constant(tf.make_ndarray(value)) for name, value in request.inputs.items()
        }
        signatures[request.model_spec.signature_name](**inputs)
        batch = request.inputs[edge.QUERY_ID].tensor_shape.dim[0].size
        asked.add((request.model_spec.signature_name, batch))
    names = (edge.SERVING_DEFAULT, edge.EMBED_QUERY, edge.RETRIEVE)
    assert asked == {(name, batch) for name in names for batch in (1, 16)}


def test_the_model_says_what_it_was_made_from(exported, prepared, small_run):
    described = json.loads(manifest_path(exported).read_text())
    assert described["name"] == "world"
    assert described["inputs"]["prepared"] == prepared.manifest.fingerprint
    assert described["temperature"] == pytest.approx(0.2)
    assert (described["k"], described["embedding_dim"]) == (10, 8)
    assert described["versions"]["scann"] == "1.4.2"
    assert str(small_run.work_dir) not in manifest_path(exported).read_text()
