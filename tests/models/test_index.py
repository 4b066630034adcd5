import numpy as np
import pytest
import tensorflow as tf
from pydantic import ValidationError

from models.index import IndexConfig, ScannIndex

EMBEDDINGS = np.random.default_rng(0).normal(size=(400, 8)).astype(np.float32)
QUERIES = np.random.default_rng(1).normal(size=(20, 8)).astype(np.float32)
EXACT = np.argsort(-(QUERIES @ EMBEDDINGS.T), axis=1)


def search(config, count, queries=QUERIES):
    index = ScannIndex(EMBEDDINGS, config)
    positions, scores = tf.function(index.search)(tf.constant(queries), tf.constant(count))
    return positions.numpy(), scores.numpy()


def recall(config, count=10):
    positions, _ = search(config, count)
    found = zip(positions, EXACT[:, :count], strict=True)
    return np.mean([len(set(row) & set(exact)) / count for row, exact in found])


def test_a_small_catalogue_is_searched_exactly():
    positions, scores = search(IndexConfig(), 10)
    assert positions.tolist() == EXACT[:, :10].tolist()
    expected = np.take_along_axis(QUERIES @ EMBEDDINGS.T, positions, axis=1)
    np.testing.assert_allclose(scores, expected, atol=1e-5)


def test_searching_more_leaves_finds_more():
    few, all_leaves = (
        recall(IndexConfig(brute_force_below=16, leaves=20, leaves_to_search=leaves, reorder=200))
        for leaves in (1, 20)
    )
    assert few < 0.7 < 0.97 < all_leaves


def test_rescoring_more_finds_more():
    few, many = (
        recall(IndexConfig(brute_force_below=16, leaves=4, leaves_to_search=4, reorder=reorder))
        for reorder in (10, 400)
    )
    assert few < many == 1.0


@pytest.mark.parametrize("below", [16, 20_000])
def test_an_empty_batch_keeps_its_columns(below):
    positions, scores = search(IndexConfig(brute_force_below=below), 7, QUERIES[:0])
    assert positions.shape == scores.shape == (0, 7)


@pytest.mark.parametrize("values", [{"leaves": 1}, {"reorder": 0}, {"brute_force_below": 2}])
def test_a_value_out_of_its_range_is_refused(values):
    with pytest.raises(ValidationError):
        IndexConfig.model_validate(values)
