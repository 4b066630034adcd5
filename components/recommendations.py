"""Recommendations: what the exported model answers for every query of a held-out split.

One line a query, `query_id<TAB>candidate candidate ...`, best first, what it has seen left out.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import tensorflow as tf
from scann.scann_ops.py import scann_ops  # noqa: F401 -- registers the ops of the index

from components.artifacts import Prepared, ServingModel
from components.entities import ID
from components.holdout import HeldOut, read_queries, read_seen
from models.features import FIRST_KNOWN_ROW
from models.ranking import Sets
from serving import signature as edge

_BATCH = 256


def recommend(model: ServingModel, prepared: Prepared, split: HeldOut, k: int, path: Path) -> int:
    """Writes the candidates of every known query of a split, and returns how many queries it wrote.

    The file appears whole, or not at all.
    """
    partial = path.with_name(path.name + ".partial")
    path.parent.mkdir(parents=True, exist_ok=True)
    lines = 0
    with partial.open("w", encoding="utf-8") as file:
        for query, candidates in answers(model, prepared, split, k):
            file.write(f"{query}\t{' '.join(candidates)}\n")
            lines += 1
    partial.replace(path)
    return lines


def answers(
    model: ServingModel, prepared: Prepared, split: HeldOut, k: int
) -> Iterator[tuple[str, list[str]]]:
    """Yields each known query of a split with its candidates, best first."""
    query_ids = pq.read_table(prepared.queries, columns=[ID])[ID].to_numpy()
    candidate_ids = pq.read_table(prepared.candidates, columns=[ID])[ID].to_numpy()
    retrieve = tf.saved_model.load(str(model.saved_model)).signatures[edge.RETRIEVE]
    queries, seen = read_queries(prepared, split), read_seen(prepared, split)
    for start in range(0, len(queries), _BATCH):
        rows = queries[start : start + _BATCH]
        names = query_ids[rows - FIRST_KNOWN_ROW]
        answer = retrieve(
            query_id=tf.constant(names),
            k=tf.fill([len(rows)], k),
            exclude=tf.constant(_padded(seen.take(rows), candidate_ids), tf.string),
        )
        counts = answer[edge.COUNT].numpy()
        for name, ids, count in zip(names, answer[edge.CANDIDATE_IDS].numpy(), counts, strict=True):
            yield name, [candidate.decode() for candidate in ids[:count]]


def _padded(seen: Sets, candidate_ids: np.ndarray) -> np.ndarray:
    """`[queries, longest]` ids of what each query has seen."""
    padded = np.full((len(seen), seen.sizes.max(initial=1)), edge.PADDING_ID, object)
    entry, column = np.nonzero(np.arange(padded.shape[1]) < seen.sizes[:, np.newaxis])
    padded[entry, column] = candidate_ids[seen.values - FIRST_KNOWN_ROW]
    return padded
