from collections.abc import Mapping, MutableMapping, MutableSequence, Sequence

from google.protobuf.any_pb2 import Any
from google.protobuf.message import Message
from google.protobuf.wrappers_pb2 import Int64Value

DT_FLOAT: int
DT_DOUBLE: int
DT_INT32: int
DT_UINT8: int
DT_INT16: int
DT_INT8: int
DT_STRING: int
DT_COMPLEX64: int
DT_INT64: int
DT_BOOL: int
DT_BFLOAT16: int
DT_UINT16: int
DT_COMPLEX128: int
DT_HALF: int
DT_UINT32: int
DT_UINT64: int

class _Dim(Message):
    size: int

class _Dims(Sequence[_Dim]):
    def add(self, *, size: int) -> _Dim: ...

class _TensorShapeProto(Message):
    unknown_rank: bool
    @property
    def dim(self) -> _Dims: ...

class TensorProto(Message):
    dtype: int
    tensor_content: bytes
    def __init__(
        self,
        *,
        dtype: int = ...,
        tensor_content: bytes = ...,
        float_val: Sequence[float] = ...,
        int_val: Sequence[int] = ...,
    ) -> None: ...
    @property
    def float_val(self) -> MutableSequence[float]: ...
    @property
    def int_val(self) -> MutableSequence[int]: ...
    @property
    def string_val(self) -> MutableSequence[bytes]: ...
    @property
    def tensor_shape(self) -> _TensorShapeProto: ...

class _TensorInfo(Message):
    name: str
    dtype: int

class SignatureDef(Message):
    method_name: str
    @property
    def inputs(self) -> Mapping[str, _TensorInfo]: ...
    @property
    def outputs(self) -> Mapping[str, _TensorInfo]: ...
    @property
    def defaults(self) -> Mapping[str, TensorProto]: ...

class CallableOptions(Message):
    def __init__(self, *, feed: Sequence[str], fetch: Sequence[str]) -> None: ...

class RunOptions(Message):
    def __init__(self, *, timeout_in_ms: int) -> None: ...

class ModelSpec(Message):
    name: str
    version_label: str
    signature_name: str
    def __init__(
        self, *, name: str = ..., version: Mapping[str, int] = ..., version_label: str = ...
    ) -> None: ...
    @property
    def version(self) -> Int64Value: ...

class PredictRequest(Message):
    @property
    def model_spec(self) -> ModelSpec: ...
    @property
    def inputs(self) -> MutableMapping[str, TensorProto]: ...
    @property
    def output_filter(self) -> MutableSequence[str]: ...

class PredictResponse(Message):
    @property
    def model_spec(self) -> ModelSpec: ...
    @property
    def outputs(self) -> MutableMapping[str, TensorProto]: ...

class _PredictLog(Message):
    @property
    def request(self) -> PredictRequest: ...

class PredictionLog(Message):
    @property
    def predict_log(self) -> _PredictLog: ...
    @property
    def session_run_log(self) -> Message: ...

class GetModelMetadataRequest(Message):
    def __init__(
        self, *, model_spec: ModelSpec = ..., metadata_field: Sequence[str] = ...
    ) -> None: ...
    @property
    def model_spec(self) -> ModelSpec: ...
    @property
    def metadata_field(self) -> MutableSequence[str]: ...

class GetModelMetadataResponse(Message):
    @property
    def model_spec(self) -> ModelSpec: ...
    @property
    def metadata(self) -> MutableMapping[str, Any]: ...

class SignatureDefMap(Message):
    def __init__(self, *, signature_def: Mapping[str, SignatureDef] = ...) -> None: ...
    @property
    def signature_def(self) -> Mapping[str, SignatureDef]: ...

class GetModelStatusRequest(Message):
    @property
    def model_spec(self) -> ModelSpec: ...

class _StatusProto(Message):
    error_code: int
    error_message: str

class ModelVersionStatus(Message):
    UNKNOWN: int
    START: int
    LOADING: int
    AVAILABLE: int
    UNLOADING: int
    END: int
    version: int
    state: int
    def __init__(self, *, version: int = ..., state: int = ...) -> None: ...
    @property
    def status(self) -> _StatusProto: ...

class _ModelVersionStatuses(Sequence[ModelVersionStatus]):
    def add(self, *, version: int, state: int) -> ModelVersionStatus: ...

class GetModelStatusResponse(Message):
    def __init__(self, *, model_version_status: Sequence[ModelVersionStatus] = ...) -> None: ...
    @property
    def model_version_status(self) -> _ModelVersionStatuses: ...
