from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from models.similarity import Similarity
from models.towers import FeatureTable, Tower

ENTITIES = 4
COLOUR = FeatureTable("colour", np.array([0, 1, 2, 1], np.int32), 3)
TAGS = FeatureTable("tags", np.array([[0, 0], [1, 2], [2, 0], [0, 0]], np.int32), 3)


def tower(features, *, similarity: Similarity = "dot", seed=1):
    return Tower(
        ENTITIES, features, embedding_dim=3, similarity=similarity, seed=seed, name="tower"
    )


def weights(layer):
    return {weight.name.split(":")[0]: weight.numpy() for weight in layer.trainable_variables}


def test_an_embedding_sums_the_id_and_its_features():
    layer = tower([COLOUR, TAGS])
    by_name = weights(layer)
    ids, colours, tags = (by_name[f"{name}_embeddings"] for name in ("id", "colour", "tags"))
    expected = [
        ids[0] + colours[0],
        ids[1] + colours[1] + (tags[1] + tags[2]) / 2,
        ids[2] + colours[2] + tags[2],
        ids[3] + colours[1],
    ]
    np.testing.assert_allclose(layer(tf.range(ENTITIES)), expected, atol=1e-7)


def test_a_number_adds_its_multiple_of_one_vector():
    price = FeatureTable("price", np.array([0, 2, -1, 0.5], np.float32), 1)
    layer = tower([price])
    by_name = weights(layer)
    ids, (vector,) = by_name["id_embeddings"], by_name["price_embeddings"]
    expected = [ids[0], ids[1] + 2 * vector, ids[2] - vector, ids[3] + 0.5 * vector]
    np.testing.assert_allclose(layer(tf.range(ENTITIES)), expected, atol=1e-7)


def test_rows_of_unknown_static_shape_are_embedded_alike():
    layer = tower([COLOUR, TAGS])
    any_rank: Any = None  # the stub of TensorFlow knows no unknown rank
    traced = tf.function(layer, input_signature=[tf.TensorSpec(any_rank, tf.int32)])
    np.testing.assert_allclose(traced(tf.range(ENTITIES)), layer(tf.range(ENTITIES)), atol=1e-7)


def test_the_padding_of_a_list_changes_nothing():
    wide = FeatureTable("tags", np.pad(TAGS.rows, [[0, 0], [0, 5]]), TAGS.size)
    np.testing.assert_allclose(
        tower([wide])(tf.range(ENTITIES)), tower([TAGS])(tf.range(ENTITIES)), atol=1e-7
    )


def test_cosine_embeddings_have_length_one():
    lengths = np.linalg.norm(tower([COLOUR], similarity="cosine")(tf.range(ENTITIES)), axis=1)
    np.testing.assert_allclose(lengths, np.ones(ENTITIES), rtol=1e-5)


def test_the_seed_decides_the_initial_values_and_no_two_tables_share_them():
    first, again, other = (weights(tower([COLOUR, TAGS], seed=seed)) for seed in (1, 1, 2))
    for name in first:
        np.testing.assert_array_equal(first[name], again[name])
        assert not np.array_equal(first[name], other[name])
    assert not np.array_equal(first["colour_embeddings"], first["tags_embeddings"])


@pytest.mark.parametrize("features", [[], [COLOUR], [COLOUR, TAGS]])
def test_only_embeddings_are_trained(features):
    names = sorted(weights(tower(features)))
    assert names == sorted(["id_embeddings", *(f"{table.name}_embeddings" for table in features)])
