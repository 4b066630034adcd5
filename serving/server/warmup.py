"""Loads a version so that its first real request is quick: replays recorded requests on it.

They lie in the version's directory as a TFRecord file of PredictionLog messages. A version whose
warm-up fails does not answer its own recorded requests, and is not served.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import grpc
import tensorflow as tf
from google.protobuf.message import DecodeError

from serving.server.predict import predict
from serving.server.protos import PredictionLog
from serving.server.saved_model import SavedModel
from serving.server.statuses import StatusError, invalid_argument

logger = logging.getLogger(__name__)

WARMUP_FILE = Path("assets.extra", "tf_serving_warmup_requests")
MOST_RECORDS = 1000


def load(path: Path, warmup_iterations: int) -> SavedModel:
    """Loads a version and warms it up.

    Args:
      path: The version's directory.
      warmup_iterations: How often each recorded request is replayed, 0 for no warm-up.

    Returns:
      The SavedModel, ready to answer.

    Raises:
      StatusError: It could not be loaded, or a recorded request failed.
    """
    model = SavedModel(path)
    try:
        if warmup_iterations and (path / WARMUP_FILE).is_file():
            warm_up(model, path / WARMUP_FILE, warmup_iterations)
    except BaseException:
        model.close()
        raise
    return model


def warm_up(model: SavedModel, file: Path, iterations: int) -> None:
    """Replays the requests of a file.

    Raises:
      StatusError: The file is damaged or too long, holds another kind of request, or a request
        failed.
    """
    count = 0
    for log in _records(file):
        count += 1
        if count > MOST_RECORDS:
            raise invalid_argument(
                f"Number of warmup records exceeds the maximum ({MOST_RECORDS}) at {file}"
            )
        for _ in range(iterations):
            _replay(model, log)
    logger.info("warmed up path=%s requests=%d iterations=%d", model.path, count, iterations)


def _replay(model: SavedModel, log: PredictionLog) -> None:
    kind = log.WhichOneof("log_type")
    if kind != "predict_log":
        number = log.DESCRIPTOR.fields_by_name[kind].number if kind else 0
        raise StatusError(
            grpc.StatusCode.UNIMPLEMENTED, f"Unsupported log_type for warmup: {number}"
        )
    predict(model, 0, log.predict_log.request)


def _records(file: Path) -> Iterator[PredictionLog]:
    try:
        for record in tf.data.TFRecordDataset(str(file)).as_numpy_iterator():
            yield PredictionLog.FromString(bytes(record))
    except tf.errors.DataLossError as error:
        raise StatusError(
            grpc.StatusCode.DATA_LOSS,
            f"{error.message}. Please verify your warmup data is in TFRecord format.",
        ) from error
    except DecodeError as error:
        raise invalid_argument(f"Failed to parse warmup record: {file}") from error
