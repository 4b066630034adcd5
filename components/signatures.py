"""The signatures of the exported model, as `serving/signature.py` names them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import tensorflow as tf

from models.retriever import Retriever
from serving import signature as edge

_QUERY = tf.TensorSpec([None], tf.string, name=edge.QUERY_ID)
_K = tf.TensorSpec([None], tf.int32, name=edge.K)
_EXCLUDE = tf.TensorSpec([None, None], tf.string, name=edge.EXCLUDE)


def signatures(retriever: Retriever, k: int) -> Mapping[str, Any]:
    """Traced functions by signature name.

    Args:
      retriever: What answers.
      k: How many candidates `serving_default` returns.
    """

    @tf.function(input_signature=[_QUERY])
    def serving_default(query_id: tf.Tensor) -> Mapping[str, tf.Tensor]:
        batch = tf.shape(query_id)[0]
        ids, scores, _, _ = retriever.retrieve(
            query_id, tf.fill([batch], k), tf.fill([batch, 0], edge.PADDING_ID)
        )
        # An empty batch asks for no columns and a small catalogue has fewer, but k were promised.
        missing = [[0, 0], [0, k - tf.shape(ids)[1]]]
        return {
            edge.CANDIDATE_IDS: tf.ensure_shape(tf.pad(ids, missing), [None, k]),
            edge.SCORES: tf.ensure_shape(
                tf.pad(scores, missing, constant_values=-np.inf), [None, k]
            ),
        }

    @tf.function(input_signature=[_QUERY, _K, _EXCLUDE])
    def retrieve(query_id: tf.Tensor, k: tf.Tensor, exclude: tf.Tensor) -> Mapping[str, tf.Tensor]:
        ids, scores, count, exact = retriever.retrieve(query_id, k, exclude)
        return {
            edge.CANDIDATE_IDS: ids,
            edge.SCORES: scores,
            edge.COUNT: count,
            edge.EXACT: exact,
        }

    @tf.function(input_signature=[_QUERY])
    def embed_query(query_id: tf.Tensor) -> Mapping[str, tf.Tensor]:
        return {edge.EMBEDDING: retriever.embed(query_id)}

    return {
        edge.SERVING_DEFAULT: serving_default,
        edge.RETRIEVE: retrieve,
        edge.EMBED_QUERY: embed_query,
    }
