"""A tiny retrieval model, and a real server process to serve it."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import tensorflow as tf

from serving.signature import (
    CANDIDATE_IDS,
    COUNT,
    EMBED_QUERY,
    EMBEDDING,
    EXACT,
    EXCLUDE,
    QUERY_ID,
    RETRIEVE,
    SCORES,
    SERVING_DEFAULT,
    K,
)

CANDIDATES = [f"c{number}" for number in range(10)]
DEFAULT_K = 3
COUNT_TO = "count_to"
"""A signature that counts to its input `n`, so that a test can ask for something slow."""
SLOW_N = 400_000
"""Takes seconds to count to."""
DEADLINE_S = 60.0


class TinyRetriever(tf.Module):
    """Ten candidates with the scores 9, 8, ... 0 for every query, `c9` down to `c0`.

    Version 2 of a model is told from version 1 by `offset`, which is added to each score.
    """

    def __init__(self, offset: float = 0.0):
        super().__init__()
        self.ids = tf.Variable(tf.constant(CANDIDATES))
        self.embeddings = tf.Variable(tf.range(10.0)[:, None])
        self.offset = tf.constant(offset)

    def _top(self, query_id, k, excluded):
        scores = self.embed(query_id)[EMBEDDING] @ tf.transpose(self.embeddings) + self.offset
        scores = tf.where(excluded, -np.inf, scores)
        best, at = tf.math.top_k(scores, k)
        found = tf.math.is_finite(best)
        return tf.where(found, tf.gather(self.ids, at), ""), best, found

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name=QUERY_ID)])
    def embed(self, query_id):
        return {EMBEDDING: tf.ones([tf.size(query_id), 1])}

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name=QUERY_ID)])
    def serve(self, query_id):
        excluded = tf.zeros([tf.size(query_id), 10], tf.bool)
        ids, scores, _ = self._top(query_id, DEFAULT_K, excluded)
        return {CANDIDATE_IDS: ids, SCORES: scores}

    @tf.function(
        input_signature=[
            tf.TensorSpec([None], tf.string, name=QUERY_ID),
            tf.TensorSpec([None], tf.int32, name=K),
            tf.TensorSpec([None, None], tf.string, name=EXCLUDE),
        ]
    )
    def retrieve(self, query_id, k, exclude):
        excluded = tf.reduce_any(exclude[:, :, None] == self.ids[None, None, :], axis=1)
        ids, scores, found = self._top(query_id, tf.minimum(tf.reduce_max(k), 10), excluded)
        kept = found & (tf.range(tf.shape(scores)[1])[None, :] < k[:, None])
        return {
            CANDIDATE_IDS: tf.where(kept, ids, ""),
            SCORES: tf.where(kept, scores, -np.inf),
            COUNT: tf.reduce_sum(tf.cast(kept, tf.int32), axis=1),
            EXACT: tf.ones_like(query_id, tf.int32) > 0,
        }

    @tf.function(input_signature=[tf.TensorSpec([], tf.int32, name="n")])
    def count_to(self, n):
        return {"reached": tf.while_loop(lambda i: i < n, lambda i: (i + 1,), [tf.constant(0)])[0]}


def export_retriever(path: Path, offset: float = 0.0) -> Path:
    module = TinyRetriever(offset)
    signatures = {
        SERVING_DEFAULT: module.serve,
        RETRIEVE: module.retrieve,
        EMBED_QUERY: module.embed,
        COUNT_TO: module.count_to,
    }
    tf.saved_model.save(module, str(path), signatures=signatures)
    return path


class Doubler(tf.Module):
    """A model that retrieves nothing."""

    @tf.function(input_signature=[tf.TensorSpec([None], tf.float32, name="x")])
    def double(self, x):
        return {"y": 2 * x}


def export_doubler(path: Path, signature: str) -> Path:
    """Exports a model whose one signature has neither the inputs nor the outputs of ours."""
    module = Doubler()
    tf.saved_model.save(module, str(path), signatures={signature: module.double})
    return path


def publish(source: Path, base_path: Path, version: int) -> Path:
    """Puts a version in place by a rename, as publishing does."""
    base_path.mkdir(exist_ok=True)
    incoming = base_path / f"incoming-{version}"
    shutil.copytree(source, incoming)
    return incoming.rename(base_path / str(version))


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def wait_for(happened: Callable[[], object], what: str, deadline_s: float = DEADLINE_S) -> None:
    end = time.monotonic() + deadline_s
    while not happened():
        if time.monotonic() > end:
            raise TimeoutError(f"Waited {deadline_s:g} s for: {what}.")
        time.sleep(0.02)


class ServerProcess:
    """`python -m serving serve` on two free ports, with its log in a file."""

    def __init__(self, base_path: Path, log: Path, flags: Sequence[str] = ()):
        self.port, self.rest_port = free_port(), free_port()
        self.target = f"localhost:{self.port}"
        self.url = f"http://localhost:{self.rest_port}"
        self._log = log
        command = [sys.executable, "-m", "serving", "serve", f"--port={self.port}"]
        command += [f"--rest_api_port={self.rest_port}", "--model_name=candidates"]
        command += [f"--model_base_path={base_path}", *flags]
        with log.open("w") as output:
            self._process = subprocess.Popen(
                command,
                stdout=output,
                stderr=subprocess.STDOUT,
                cwd=Path(__file__).parents[2],
                env={**os.environ, "PYTHONWARNINGS": "default"},
            )

    @property
    def log(self) -> str:
        return self._log.read_text()

    @property
    def cpu_seconds(self) -> float:
        """The time that the process has computed so far."""
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def wait_for_log(self, text: str) -> None:
        wait_for(lambda: text in self.log or self._process.poll() is not None, text)
        assert text in self.log, self.log

    def send_sigterm(self) -> None:
        self._process.send_signal(signal.SIGTERM)

    def exit_code(self) -> int:
        return self._process.wait(DEADLINE_S)

    def stop(self) -> None:
        if self._process.poll() is None:
            self.send_sigterm()
            try:
                self._process.wait(DEADLINE_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
