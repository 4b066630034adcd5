"""The skew check: a fresh process loads the exported model and must answer as the trainer did.

    python -m components.skew MODEL     exit code 0, or 3 with one line for each difference

The trainer writes its own answers, ranked exactly from the embeddings it trained, into
`assets.extra/golden_requests.json`. What they are compared with went the whole way through tables,
index and signatures.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from components.errors import SkewError
from components.golden import GoldenRequest, GoldenRequests, golden_path
from serving import signature as edge

SCORE_TOLERANCE = 1e-4
"""How far a score of 1 may lie from the trainer's: float32 sums in another order differ less."""


def check_in_fresh_process(model: Path) -> None:
    """Runs the check where nothing of the trainer is left in memory.

    Raises:
      SkewError: The model answers differently, or cannot be loaded.
    """
    done = subprocess.run(
        [sys.executable, "-m", "components.skew", str(model)],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        told = (done.stdout or done.stderr).strip().splitlines()
        raise SkewError(
            f"{model}: the exported model does not answer as the trained one, so it is not "
            f"published: {'; '.join(told[-3:])}."
        )


def differences(model: Path) -> Iterator[str]:
    """Loads an exported model and yields a sentence for each answer that is not the trainer's."""
    import tensorflow as tf
    from scann.scann_ops.py import scann_ops  # noqa: F401 -- registers the ops of the index

    golden = GoldenRequests.model_validate_json(golden_path(model).read_text(encoding="utf-8"))
    loaded = tf.saved_model.load(str(model)).signatures
    missed = wanted = 0
    for request in golden.requests:
        embedding = loaded[edge.EMBED_QUERY](query_id=tf.constant([request.query_id]))
        answer = loaded[edge.RETRIEVE](
            query_id=tf.constant([request.query_id]),
            k=tf.constant([request.k]),
            exclude=tf.constant([request.exclude], tf.string, shape=[1, len(request.exclude)]),
        )
        if not np.allclose(
            embedding[edge.EMBEDDING][0], request.embedding, SCORE_TOLERANCE, SCORE_TOLERANCE
        ):
            yield f"query {request.query_id!r}: another embedding than the trainer's"
        count = int(answer[edge.COUNT][0])
        ids = [value.decode() for value in answer[edge.CANDIDATE_IDS][0, :count].numpy()]
        scores = answer[edge.SCORES][0, :count].numpy()
        yield from _compare(request, ids, scores)
        wanted += len(request.candidate_ids)
        missed += _missed(request, ids, scores)
    recall = 1 - missed / max(wanted, 1)
    if recall < golden.least_recall:
        yield f"recall {recall:.4f} of the trainer's candidates is below {golden.least_recall}"


def _compare(request: GoldenRequest, ids: Sequence[str], scores: np.ndarray) -> Iterator[str]:
    where = f"query {request.query_id!r}"
    if len(ids) != len(request.candidate_ids):
        yield f"{where}: {len(ids)} candidates where the trainer gave {len(request.candidate_ids)}"
    if set(ids) & set(request.exclude):
        yield f"{where}: an excluded candidate came back"
    if len(set(ids)) != len(ids):
        yield f"{where}: a candidate came back twice"
    if (np.diff(scores) > _tolerance(request)).any():
        yield f"{where}: the scores do not descend"
    trained = dict(zip(request.candidate_ids, request.scores, strict=True))
    # A candidate outside the trainer's list can at best tie with the last of it.
    most = min(request.scores, default=-np.inf)
    for candidate, score in zip(ids, scores, strict=True):
        expected = trained.get(candidate, min(score, most))
        if abs(expected - score) > _tolerance(request):
            yield f"{where}: candidate {candidate!r} scored {score}, by the trainer {expected}"


def _tolerance(request: GoldenRequest) -> float:
    """Dot products may be of any size; sums of another order differ in proportion to it."""
    return SCORE_TOLERANCE * max(1.0, max(map(abs, request.scores), default=0.0))


def _missed(request: GoldenRequest, ids: Sequence[str], scores: np.ndarray) -> int:
    """How many of the trainer's candidates are missing though better than the worst given."""
    full = len(ids) == len(request.candidate_ids)
    worst = min(scores, default=-np.inf) if full else -np.inf
    return sum(
        candidate not in ids and score > worst + _tolerance(request)
        for candidate, score in zip(request.candidate_ids, request.scores, strict=True)
    )


def main(arguments: Sequence[str]) -> int:
    """Checks the model in the one argument; returns the exit code."""
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    (model,) = arguments
    found = list(differences(Path(model)))
    sys.stdout.write("".join(f"{line}\n" for line in found))
    return SkewError.exit_code if found else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
