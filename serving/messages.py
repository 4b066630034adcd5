"""The few messages of TF Serving that a client needs, without TensorFlow.

TF Serving's own package imports TensorFlow for its messages, which takes seconds and gigabytes.
Here they are described field by field and made at run time in a pool of their own, so that they
live beside TensorFlow's where both are loaded. On the wire they are the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory, wrappers_pb2

from serving.signature import EXCLUDE, QUERY_ID, RETRIEVE, K

DT_INT32 = 3
DT_STRING = 7
AVAILABLE = 30

PREDICT = "/tensorflow.serving.PredictionService/Predict"
GET_MODEL_STATUS = "/tensorflow.serving.ModelService/GetModelStatus"

_Field = descriptor_pb2.FieldDescriptorProto
_TYPES = {
    "bool": _Field.TYPE_BOOL,
    "bytes": _Field.TYPE_BYTES,
    "double": _Field.TYPE_DOUBLE,
    "float": _Field.TYPE_FLOAT,
    "int32": _Field.TYPE_INT32,
    "int64": _Field.TYPE_INT64,
    "string": _Field.TYPE_STRING,
}
_REPEATED = "repeated "


def _file() -> descriptor_pb2.FileDescriptorProto:
    """Every message with its fields: name, number and type as in the .proto files.

    Enumerations are `int32` here, which is what they are on the wire.
    """
    file = descriptor_pb2.FileDescriptorProto(
        name="serving/messages.proto",
        package="shortlist",
        syntax="proto3",
        dependency=[wrappers_pb2.DESCRIPTOR.name],
    )
    _add(file, "Dim", size=(1, "int64"))
    _add(file, "TensorShape", dim=(2, "repeated Dim"), unknown_rank=(3, "bool"))
    _add(
        file,
        "TensorProto",
        dtype=(1, "int32"),
        tensor_shape=(2, "TensorShape"),
        tensor_content=(4, "bytes"),
        float_val=(5, "repeated float"),
        double_val=(6, "repeated double"),
        int_val=(7, "repeated int32"),
        string_val=(8, "repeated bytes"),
        int64_val=(10, "repeated int64"),
        bool_val=(11, "repeated bool"),
    )
    spec = _add(
        file,
        "ModelSpec",
        name=(1, "string"),
        version=(2, ".google.protobuf.Int64Value"),
        signature_name=(3, "string"),
        version_label=(4, "string"),
    )
    spec.oneof_decl.add(name="version_choice")
    for field in spec.field:
        if field.name in ("version", "version_label"):
            field.oneof_index = 0
    request = _add(
        file, "PredictRequest", model_spec=(1, "ModelSpec"), output_filter=(3, "repeated string")
    )
    _add_tensor_map(request, "inputs", 2)
    response = _add(file, "PredictResponse", model_spec=(2, "ModelSpec"))
    _add_tensor_map(response, "outputs", 1)
    _add(file, "GetModelStatusRequest", model_spec=(1, "ModelSpec"))
    _add(file, "StatusProto", error_code=(1, "int32"), error_message=(2, "string"))
    _add(
        file,
        "ModelVersionStatus",
        version=(1, "int64"),
        state=(2, "int32"),
        status=(3, "StatusProto"),
    )
    _add(file, "GetModelStatusResponse", model_version_status=(1, "repeated ModelVersionStatus"))
    return file


def _add(
    file: descriptor_pb2.FileDescriptorProto, message: str, **fields: tuple[int, str]
) -> descriptor_pb2.DescriptorProto:
    described = file.message_type.add(name=message)
    for name, (number, type_name) in fields.items():
        _add_field(described, name, number, type_name)
    return described


def _add_field(
    message: descriptor_pb2.DescriptorProto, name: str, number: int, type_name: str
) -> None:
    is_repeated = type_name.startswith(_REPEATED)
    single = type_name.removeprefix(_REPEATED)
    field = message.field.add(
        name=name,
        number=number,
        label=_Field.LABEL_REPEATED if is_repeated else _Field.LABEL_OPTIONAL,
    )
    if single in _TYPES:
        field.type = _TYPES[single]
    else:
        field.type = _Field.TYPE_MESSAGE
        field.type_name = single if single.startswith(".") else f".shortlist.{single}"


def _add_tensor_map(message: descriptor_pb2.DescriptorProto, name: str, number: int) -> None:
    entry_name = f"{name.capitalize()}Entry"
    entry = message.nested_type.add(name=entry_name)
    entry.options.map_entry = True
    _add_field(entry, "key", 1, "string")
    _add_field(entry, "value", 2, "TensorProto")
    _add_field(message, name, number, f"repeated .shortlist.{message.name}.{entry_name}")


_POOL = descriptor_pool.DescriptorPool()
_POOL.AddSerializedFile(wrappers_pb2.DESCRIPTOR.serialized_pb)
_POOL.AddSerializedFile(_file().SerializeToString())


def _class(name: str) -> Any:  # noqa: ANN401 - the fields exist at run time only
    return message_factory.GetMessageClass(_POOL.FindMessageTypeByName(f"shortlist.{name}"))


TensorProto = _class("TensorProto")
ModelSpec = _class("ModelSpec")
PredictRequest = _class("PredictRequest")
PredictResponse = _class("PredictResponse")
GetModelStatusRequest = _class("GetModelStatusRequest")
GetModelStatusResponse = _class("GetModelStatusResponse")


def retrieve_request(
    model_name: str, queries: Sequence[str], k: int, exclude: Sequence[Sequence[str]]
) -> Any:  # noqa: ANN401 - a PredictRequest
    """A Predict request for the `retrieve` signature.

    Args:
      model_name: The model to ask.
      queries: `[batch]`.
      k: How many candidates each query asks for.
      exclude: `[batch]` lists of any length; padded to the longest.

    Returns:
      The PredictRequest.
    """
    request = PredictRequest()
    request.model_spec.name = model_name
    request.model_spec.signature_name = RETRIEVE
    width = max(map(len, exclude), default=0)
    batch = len(queries)
    _fill_strings(request.inputs[QUERY_ID], queries, [batch])
    _fill(request.inputs[K], DT_INT32, [batch])
    request.inputs[K].int_val.extend([k] * batch)
    padded = [each for row in exclude for each in [*row, *[""] * (width - len(row))]]
    _fill_strings(request.inputs[EXCLUDE], padded, [batch, width])
    return request


def _fill_strings(tensor: Any, values: Sequence[str], shape: Sequence[int]) -> None:  # noqa: ANN401
    _fill(tensor, DT_STRING, shape)
    tensor.string_val.extend(value.encode() for value in values)


def _fill(tensor: Any, dtype: int, shape: Sequence[int]) -> None:  # noqa: ANN401
    tensor.dtype = dtype
    for size in shape:
        tensor.tensor_shape.dim.add(size=size)
