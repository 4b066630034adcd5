"""The signatures of the exported model, as `serving/signature.py` names them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

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
        # An empty batch asks for no columns, but its callers were promised k of them.
        shape = [batch, k]
        return {
            edge.CANDIDATE_IDS: tf.reshape(ids, shape),
            edge.SCORES: tf.reshape(scores, shape),
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
