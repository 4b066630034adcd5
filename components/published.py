"""A published model in a worker, asked for many queries at a time by their rows."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import tensorflow as tf
from scann.scann_ops.py import scann_ops  # noqa: F401 -- registers the ops of the index

from components.artifacts import Prepared
from components.errors import ArtifactError
from components.interactions import QUERY
from components.precompute import ANSWERS, EXCLUDE, ids_by_row
from models.features import UNKNOWN_ROW
from serving import signature as edge

_INPUTS = {edge.QUERY_ID, edge.K, edge.EXCLUDE}
_OUTPUTS = (edge.CANDIDATE_IDS, edge.SCORES, edge.COUNT)


class PublishedModel:
    """The `retrieve` signature of a published version, for queries and candidates by their rows.

    Args:
      version: The directory of the version.
      prepared: The tables whose rows stand for the ids.

    Raises:
      ArtifactError: The version cannot be loaded, or has no such signature.
    """

    def __init__(self, version: Path, prepared: Prepared) -> None:
        self._version = version
        try:
            self._model: Any = tf.saved_model.load(str(version))
        except (OSError, RuntimeError, ValueError, tf.errors.OpError) as error:
            raise ArtifactError(
                f"{version}: the published model cannot be loaded ({error}); publish it again."
            ) from error
        self._check_signature()
        self._query_ids = ids_by_row(prepared.queries)
        self._candidate_ids = ids_by_row(prepared.candidates)

    def answer(self, questions: pa.Table, k: int) -> pa.Table:
        """Asks for the `k` best candidates of some queries.

        Args:
          questions: As `precompute.QUESTIONS`.
          k: How many candidates each query asks for.

        Returns:
          As `precompute.ANSWERS`.

        Raises:
          ArtifactError: The model knows fewer than `k` candidates.
        """
        rows = questions[QUERY].to_numpy()
        if not len(rows):
            return ANSWERS.empty_table()
        query_ids = self._query_ids[rows]
        excluded = self._candidate_ids[padded(questions[EXCLUDE].combine_chunks())]
        outputs = self._model.signatures[edge.RETRIEVE](
            query_id=tf.constant(query_ids),
            k=tf.fill([len(rows)], k),
            exclude=tf.constant(excluded, tf.string),
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
        return pa.table(
            [pa.array(rows), pa.array(query_ids, pa.string()), *columns], schema=ANSWERS
        )

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
    """`[lists, longest]` rows: each list, filled up with the unknown's."""
    sizes = lists.value_lengths().to_numpy()
    grid = np.full((len(sizes), sizes.max(initial=0)), UNKNOWN_ROW, np.int64)
    grid[np.arange(grid.shape[1]) < sizes[:, np.newaxis]] = lists.flatten().to_numpy()
    return grid
