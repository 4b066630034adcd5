"""Warm-up requests: what a server replays before it says that a model is ready."""

# pyright: reportAttributeAccessIssue=false
# (protobuf makes its message classes when it is imported)

from __future__ import annotations

from pathlib import Path

import tensorflow as tf
from tensorflow_serving.apis import predict_pb2, prediction_log_pb2

from serving import signature as edge

_BATCHES = (1, 16)


def write_warmup(model: Path, query_id: str, k: int) -> None:
    """Writes requests for every signature into an exported model, as TF Serving reads them.

    Args:
      model: The SavedModel directory, with its `assets.extra`.
      query_id: A query that the model knows.
      k: How many candidates to ask for.
    """
    path = model / "assets.extra" / "tf_serving_warmup_requests"
    with tf.io.TFRecordWriter(str(path)) as writer:
        for batch in _BATCHES:
            queries = [query_id] * batch
            for signature, inputs in {
                edge.SERVING_DEFAULT: {edge.QUERY_ID: queries},
                edge.EMBED_QUERY: {edge.QUERY_ID: queries},
                edge.RETRIEVE: {
                    edge.QUERY_ID: queries,
                    edge.K: [k] * batch,
                    edge.EXCLUDE: [[edge.PADDING_ID]] * batch,
                },
            }.items():
                writer.write(_log(signature, inputs).SerializeToString())


def _log(signature: str, inputs: dict[str, list]) -> prediction_log_pb2.PredictionLog:
    request = predict_pb2.PredictRequest()
    request.model_spec.signature_name = signature
    for name, values in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(values))
    return prediction_log_pb2.PredictionLog(
        predict_log=prediction_log_pb2.PredictLog(request=request)
    )
