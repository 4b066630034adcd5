"""One SavedModel in memory: its signatures, and a session that runs them.

It is loaded by TensorFlow's first loader and run through callables of the session, because that
path does not compare the shapes of the inputs with the signature: a server must leave that to the
graph, as clients rely on it.
"""

from __future__ import annotations

import gc
import importlib.util
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import tensorflow as tf
from tensorflow.python.client import pywrap_tf_session

from serving.server import statuses
from serving.server.protos import CallableOptions, RunOptions, SignatureDef, TensorProto
from serving.server.tensors import ELEMENT_TYPES, ElementType, element_type

SAVED_MODEL_FILE = "saved_model.pb"
SERVE_TAG = "serve"


@dataclass(frozen=True, slots=True)
class Input:
    """An input of a signature.

    Args:
      alias: The name that callers use.
      feed: The name of the tensor in the graph.
      dtype: How the graph declares it; None for a type that cannot travel.
      default: What is fed where a request leaves it out.
    """

    alias: str
    feed: str
    dtype: ElementType | None
    default: TensorProto | None


@dataclass(frozen=True, slots=True)
class Signature:
    """A named function of the model; inputs and outputs are in alphabetical order."""

    name: str
    inputs: Mapping[str, Input]
    outputs: Mapping[str, str]

    @classmethod
    def from_proto(cls, name: str, proto: SignatureDef) -> Signature:
        """Reads the part of a SignatureDef that a run needs."""
        inputs = {
            alias: Input(
                alias,
                proto.inputs[alias].name,
                ELEMENT_TYPES.get(proto.inputs[alias].dtype),
                proto.defaults.get(alias),
            )
            for alias in sorted(proto.inputs)
        }
        outputs = {alias: proto.outputs[alias].name for alias in sorted(proto.outputs)}
        return cls(name, inputs, outputs)

    @property
    def has_defaults(self) -> bool:
        """Whether a request may leave inputs out."""
        return any(each.default is not None for each in self.inputs.values())


def load_custom_ops() -> None:
    """Registers ScaNN's ops where ScaNN is installed, without importing its Python side."""
    spec = importlib.util.find_spec("scann")
    if spec is None or not spec.submodule_search_locations:
        return
    tf.load_op_library(
        str(Path(spec.submodule_search_locations[0], "scann_ops", "cc", "_scann_ops.so"))
    )


class SavedModel:
    """A SavedModel, loaded and ready to run in any thread.

    Args:
      path: The version's directory.

    Raises:
      StatusError: TensorFlow could not load it.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._graph = tf.Graph()
        self._session = tf.compat.v1.Session(graph=self._graph)
        try:
            with self._graph.as_default():
                meta_graph = tf.compat.v1.saved_model.load(self._session, [SERVE_TAG], str(path))
        except tf.errors.OpError as error:
            self._session.close()
            raise _status(error) from error
        except (OSError, RuntimeError, ValueError) as error:
            self._session.close()
            raise statuses.not_found(f"Could not load {path}: {error}") from error
        self.signature_defs: Mapping[str, SignatureDef] = meta_graph.signature_def
        self.signatures = {
            name: Signature.from_proto(name, proto)
            for name, proto in meta_graph.signature_def.items()
        }
        self._runs: dict[tuple[str, tuple[str, ...]], _Run] = {}
        self._lock = threading.Lock()

    def run(
        self,
        signature: Signature,
        inputs: Mapping[str, np.ndarray],
        outputs: Sequence[str],
        timeout_s: float | None = None,
    ) -> dict[str, np.ndarray]:
        """Runs a signature.

        Args:
          signature: One of `signatures`.
          inputs: An array for every input, by alias.
          outputs: The aliases to compute.
          timeout_s: After how long the run is given up. None lets it take its time.

        Returns:
          The outputs, by alias.

        Raises:
          StatusError: The graph refused the inputs, failed, or ran out of time.
        """
        aliases = tuple(sorted(outputs))
        feeds = [inputs[alias] for alias in signature.inputs]
        try:
            arrays = self._run_of(signature, aliases)(feeds, timeout_s)
        except tf.errors.OpError as error:
            raise _status(error) from error
        except (KeyError, ValueError) as error:
            # The signature names no single tensor: a sparse one has none.
            raise statuses.invalid_argument(str(error)) from error
        return dict(zip(aliases, arrays, strict=True))

    def close(self) -> None:
        """Frees the session and what it holds; a run that is still going on is cancelled."""
        self._session.close()
        self._runs.clear()
        del self._session, self._graph
        gc.collect()

    def _run_of(self, signature: Signature, aliases: tuple[str, ...]) -> _Run:
        key = (signature.name, aliases)
        with self._lock:
            if key not in self._runs:
                fetches = [signature.outputs[alias] for alias in aliases]
                self._runs[key] = _Run(self._session, signature, fetches)
            return self._runs[key]


class _Run:
    """A function of a session from the inputs of a signature to some of its outputs.

    A callable of the session is the quickest way to run, but its time limit is fixed when it is
    made, which takes milliseconds. A run with a limit of its own goes through the session's plain
    entry, which takes options. A wrong dtype never does, so that its error is always the same.
    """

    def __init__(
        self, session: tf.compat.v1.Session, signature: Signature, fetches: Sequence[str]
    ) -> None:
        feeds = [each.feed for each in signature.inputs.values()]
        self._dtypes = [each.dtype for each in signature.inputs.values()]
        self._session = session
        self._callable = session._make_callable_from_options(
            CallableOptions(feed=feeds, fetch=fetches)
        )
        self._feeds = [_output(session.graph, name) for name in feeds]
        self._fetches = [_output(session.graph, name) for name in fetches]

    def __call__(self, feeds: Sequence[np.ndarray], timeout_s: float | None) -> list[np.ndarray]:
        if timeout_s is None or [element_type(feed.dtype) for feed in feeds] != self._dtypes:
            return self._callable(*feeds)
        options = RunOptions(timeout_in_ms=max(1, int(1000 * timeout_s)))
        buffer = pywrap_tf_session.TF_NewBufferFromString(options.SerializeToString())
        try:
            return self._session._call_tf_sessionrun(
                buffer, dict(zip(self._feeds, feeds, strict=True)), self._fetches, [], None
            )
        finally:
            pywrap_tf_session.TF_DeleteBuffer(buffer)


def _output(graph: tf.Graph, name: str) -> object:
    return graph.get_tensor_by_name(name)._as_tf_output()


def _status(error: tf.errors.OpError) -> statuses.StatusError:
    return statuses.numbered(error.error_code, error.message)
