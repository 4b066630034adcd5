"""A published model in a worker, asked for many queries at a time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import tensorflow as tf
from scann.scann_ops.py import scann_ops  # noqa: F401 -- registers the ops of the index

from components.errors import ArtifactError
from components.precompute import ANSWERS
from components.questions import ROW
from serving import signature as edge

_INPUTS = {edge.QUERY_ID, edge.K, edge.EXCLUDE}
_OUTPUTS = (edge.CANDIDATE_IDS, edge.SCORES, edge.COUNT)


class PublishedModel:
    """The `retrieve` signature of a published version.

    Args:
      version: The directory of the version.

    Raises:
      ArtifactError: The version cannot be loaded, or has no such signature.
    """

    def __init__(self, version: Path) -> None:
        self._version = version
        try:
            self._model: Any = tf.saved_model.load(str(version))
        except (OSError, RuntimeError, ValueError, tf.errors.OpError) as error:
            reason = " ".join(str(error).split())
            raise ArtifactError(
                f"{version}: the published model cannot be loaded ({reason}); publish it again."
            ) from error
        self._check_signature()

    def answer(self, questions: pa.Table, k: int) -> pa.Table:
        """Asks for the `k` best candidates of some queries.

        Args:
          questions: As `questions.QUESTIONS`.
          k: How many candidates each query asks for.

        Returns:
          As `precompute.ANSWERS`.

        Raises:
          ArtifactError: The model knows fewer than `k` candidates.
        """
        if not questions.num_rows:
            return ANSWERS.empty_table()
        outputs = self._model.signatures[edge.RETRIEVE](
            query_id=tf.constant(questions[edge.QUERY_ID].to_numpy(), tf.string),
            k=tf.fill([questions.num_rows], k),
            exclude=tf.constant(padded(questions[edge.EXCLUDE].combine_chunks()), tf.string),
        )
        ids, scores, counts = (outputs[name].numpy() for name in _OUTPUTS)
        if ids.shape[1] < k:
            raise ArtifactError(
                f"{self._version}: {k} candidates a query are asked for, and the published model "
                f"knows {ids.shape[1]}; give --k {ids.shape[1]} or less."
            )
        within = np.arange(k) < counts[:, np.newaxis]
        offsets = pa.array(np.concatenate([[0], np.cumsum(counts)]), pa.int32())
        lists = (pa.array(ids[within], pa.string()), pa.array(scores[within], pa.float32()))
        columns = [pa.ListArray.from_arrays(offsets, values) for values in lists]
        return pa.table([questions[ROW], questions[edge.QUERY_ID], *columns], schema=ANSWERS)

    def _check_signature(self) -> None:
        signature = self._model.signatures.get(edge.RETRIEVE)
        if (
            signature is None
            or signature.structured_input_signature[1].keys() != _INPUTS
            or not signature.structured_outputs.keys() >= set(_OUTPUTS)
        ):
            raise ArtifactError(
                f"{self._version}: the published model has no signature `{edge.RETRIEVE}` from "
                f"{', '.join(sorted(_INPUTS))} to {', '.join(_OUTPUTS)}; publish one that has."
            )


def padded(lists: pa.ListArray) -> np.ndarray:
    """`[lists, longest]` ids: each list, filled up with ""."""
    sizes = lists.value_lengths().to_numpy()
    grid = np.full((len(sizes), sizes.max(initial=0)), edge.PADDING_ID, object)
    within = np.arange(grid.shape[1]) < sizes[:, np.newaxis]
    grid[within] = lists.flatten().to_numpy(zero_copy_only=False)
    return grid
