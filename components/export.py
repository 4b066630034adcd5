"""Export: trained towers, index and tables as one SavedModel that carries its own check.

export/model/
saved_model.pb, variables/
assets.extra/manifest.json                what the model was made from
assets.extra/golden_requests.json         the trainer's answers (see `components.skew`)
assets.extra/tf_serving_warmup_requests   replayed by the server before it says it is ready
"""

from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import tensorflow as tf
from pydantic import BaseModel, ConfigDict, Field

from components.artifacts import MANIFEST, MODEL, Counts, Prepared
from components.embedded import Embedded
from components.golden import golden_path, golden_requests
from components.holdout import read_holdout
from components.signatures import signatures
from components.skew import check_in_fresh_process
from components.warmup import write_warmup
from models.features import FIRST_KNOWN_ROW
from models.index import IndexConfig
from models.retriever import Retriever
from models.two_tower import TwoTower

_STACK = ("tensorflow", "scann", "tensorflow-recommenders", "tf-keras")


class ExportConfig(BaseModel):
    """What is exported."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    k: Annotated[int, Field(ge=1)] = 100
    """How many candidates `serving_default` returns."""
    index: IndexConfig = IndexConfig()
    golden_requests: Annotated[int, Field(ge=1)] = 64
    """How many queries the skew check asks."""
    least_recall: Annotated[float, Field(ge=0, le=1)] = 0.9
    """Share of the exact top k that the index must find in the skew check; an exact index, all."""


def export(
    config: ExportConfig,
    model: TwoTower,
    prepared: Prepared,
    directory: Path,
    *,
    provenance: Mapping[str, Any],
    seed: int,
) -> Counts:
    """Writes the SavedModel into `directory / "model"` and checks it in a fresh process.

    Args:
      config: What to export.
      model: The trained model.
      prepared: The tables it was trained on.
      directory: Where the model goes.
      provenance: What the model was made from, for its manifest.
      seed: Decides which queries the skew check asks.

    Returns:
      How many queries and candidates it knows, and how many golden requests it answered.

    Raises:
      SkewError: It does not answer as the trained model does.
    """
    embedded = Embedded.of(model, prepared)
    retriever = Retriever(
        model.query_tower,
        embedded.query_ids,
        embedded.candidates[FIRST_KNOWN_ROW:],
        embedded.candidate_ids,
        config.index,
    )
    saved = directory / MODEL
    tf.saved_model.save(retriever, str(saved), signatures=dict(signatures(retriever, config.k)))
    golden = golden_requests(
        embedded,
        read_holdout(prepared, "test"),
        count=config.golden_requests,
        k=config.k,
        least_recall=1.0 if retriever.exact else config.least_recall,
        seed=seed,
    )
    golden_path(saved).parent.mkdir()
    golden_path(saved).write_text(golden.model_dump_json(indent=1) + "\n", encoding="utf-8")
    write_warmup(saved, golden.requests[0].query_id, config.k)
    described = {
        **provenance,
        "k": config.k,
        "embedding_dim": embedded.candidates.shape[1],
        "temperature": float(model.temperature.value),
        "versions": {name: importlib.metadata.version(name) for name in _STACK},
    }
    manifest_path(saved).write_text(json.dumps(described, indent=2) + "\n", encoding="utf-8")
    check_in_fresh_process(saved)
    return {
        "queries": len(embedded.query_ids),
        "candidates": len(embedded.candidate_ids),
        "golden_requests": len(golden.requests),
    }


def manifest_path(model: Path) -> Path:
    """Where an exported model says what it was made from."""
    return model / "assets.extra" / MANIFEST
