"""What a Predict request asks for, and how its answer is written, whatever brings it in."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass

import grpc
import numpy as np

from serving.server import tensors
from serving.server.deadlines import Deadline
from serving.server.protos import PredictRequest, PredictResponse, TensorProto
from serving.server.saved_model import SavedModel, Signature
from serving.server.statuses import StatusError, deadline_exceeded, invalid_argument
from serving.signature import SERVING_DEFAULT


@dataclass(frozen=True, slots=True)
class Call:
    """A signature, an array for each of its inputs, and the outputs to compute."""

    signature: Signature
    inputs: Mapping[str, np.ndarray]
    outputs: Sequence[str]


def call_of(model: SavedModel, request: PredictRequest) -> Call:
    """Reads a request for a model.

    Raises:
      StatusError: The request does not fit the signature that it names.
    """
    name = request.model_spec.signature_name or SERVING_DEFAULT
    signature = model.signatures.get(name)
    if signature is None:
        raise StatusError(
            grpc.StatusCode.FAILED_PRECONDITION, f'Serving signature key "{name}" not found.'
        )
    _check_input_count(signature, request.inputs)
    inputs = _inputs(signature, request.inputs)
    return Call(signature, inputs, _outputs(signature, request.output_filter))


def response(
    request: PredictRequest, version: int, call: Call, arrays: Mapping[str, np.ndarray]
) -> PredictResponse:
    """Writes the answer, its tensors as values of typed fields.

    Args:
      request: What is answered.
      version: The version that answered.
      call: What the request asked for.
      arrays: The outputs by alias.

    Returns:
      The response, with the model, the signature and the version that were used.
    """
    answer = PredictResponse()
    answer.model_spec.name = request.model_spec.name
    answer.model_spec.signature_name = call.signature.name
    answer.model_spec.version.value = version
    for alias, array in arrays.items():
        tensors.to_proto(array, answer.outputs[alias])
    return answer


def predict(model: SavedModel, version: int, request: PredictRequest) -> PredictResponse:
    """Answers a request in the calling thread, however long it takes."""
    call = call_of(model, request)
    return response(request, version, call, run(model, call, Deadline()))


def run(model: SavedModel, call: Call, deadline: Deadline) -> dict[str, np.ndarray]:
    """Runs a call in the calling thread, unless nobody waits for it any more.

    Raises:
      StatusError: The model failed, or the deadline passed before or meanwhile.
    """
    if deadline.has_passed:
        raise deadline_exceeded("The deadline passed before the request was run.")
    return model.run(call.signature, call.inputs, call.outputs, deadline.remaining_s)


def _check_input_count(signature: Signature, sent: Collection[str]) -> None:
    too_many = len(sent) > len(signature.inputs)
    too_few = len(sent) < len(signature.inputs) and not signature.has_defaults
    if too_many or too_few:
        names, expected = set(sent), set(signature.inputs)
        raise invalid_argument(
            f"input size does not match signature: {len(sent)}!={len(expected)} "
            f"len({_braced(names)}) != len({_braced(expected)}). "
            f"Sent extra: {_braced(names - expected)}. "
            f"Missing but required: {_braced(expected - names)}."
        )


def _inputs(signature: Signature, sent: Mapping[str, TensorProto]) -> dict[str, np.ndarray]:
    arrays = {}
    for alias, each in signature.inputs.items():
        proto = sent.get(alias, each.default)
        if proto is None:
            defaults = {a for a, other in signature.inputs.items() if other.default is not None}
            raise invalid_argument(
                f"Signature input alias: {alias}(feed name: {each.feed}) not found in request and "
                f"no default value provided. Inputs expected to be in the request "
                f"{_braced(sent)}, or default input alias set: {_joined(defaults)}"
            )
        try:
            arrays[alias] = tensors.to_array(proto)
        except tensors.TensorError as error:
            raise invalid_argument(f"tensor parsing error: {alias}") from error
    used = set(sent) & set(signature.inputs)
    if len(used) != len(sent):
        raise invalid_argument(
            f"Inputs contains invalid name. Used request inputs: {_joined(used)}, "
            f"request input: {_joined(sent)}"
        )
    return arrays


def _outputs(signature: Signature, output_filter: Sequence[str]) -> list[str]:
    chosen: list[str] = []
    for alias in output_filter:
        if alias not in signature.outputs:
            raise invalid_argument(
                f"output tensor alias not found in signature: {alias} Outputs expected to be in "
                f"the set {_braced(signature.outputs)}."
            )
        if alias in chosen:
            raise invalid_argument(f"duplicate output tensor alias: {alias}")
        chosen.append(alias)
    return chosen or list(signature.outputs)


def _joined(names: Iterable[str]) -> str:
    return ",".join(sorted(names))


def _braced(names: Iterable[str]) -> str:
    return "{" + _joined(names) + "}"
