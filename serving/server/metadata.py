"""What a model tells about itself: its signatures."""

from __future__ import annotations

from serving.server.manager import Manager
from serving.server.protos import GetModelMetadataRequest, GetModelMetadataResponse, SignatureDefMap
from serving.server.specs import spec_of
from serving.server.statuses import invalid_argument

SIGNATURE_DEF = "signature_def"


def model_metadata(manager: Manager, request: GetModelMetadataRequest) -> GetModelMetadataResponse:
    """Answers a GetModelMetadata request.

    Raises:
      StatusError: The model is not here, or something else than the signatures is asked for.
    """
    spec = spec_of(request)
    if spec is None:
        raise invalid_argument("Missing ModelSpec")
    if not request.metadata_field:
        raise invalid_argument("GetModelMetadataRequest must specify at least one metadata_field")
    for field in request.metadata_field:
        if field != SIGNATURE_DEF:
            raise invalid_argument(f"Metadata field {field} is not supported")
    served = manager.resolve(spec)
    with served.in_use() as model:
        signatures = SignatureDefMap(signature_def=model.signature_defs)
    response = GetModelMetadataResponse()
    response.model_spec.name = spec.name
    response.model_spec.version.value = served.version
    response.metadata[SIGNATURE_DEF].Pack(signatures)
    return response
