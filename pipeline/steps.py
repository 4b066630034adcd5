"""What makes which artifact from which; a step whose artifact is there and fresh is not run again.

files --prepare--> Prepared --train--> Checkpoint --evaluate--> Metrics
|                    |
+------- export -----+--> ServingModel --publish--> <model_dir>/<version>/
                     |                                      |
                     +------------ precompute --------------+--> Precomputed
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from components import evaluation, training
from components import export as exporting
from components import precompute as precomputing
from components import preparation as preparing
from components import publish as publishing
from components.artifacts import (
    Checkpoint,
    Counts,
    Frequencies,
    Metrics,
    Precomputed,
    Prepared,
    ServingModel,
)
from components.beam import asking, job
from components.catalogue import Past
from components.embedded import Embedded
from components.model import build_model, restore
from components.questions import Question
from components.storage import set_options
from models.two_tower import TwoTower
from pipeline import runners
from pipeline.config import Run

if TYPE_CHECKING:
    from apache_beam.options.pipeline_options import PipelineOptions

_log = logging.getLogger(__name__)


def prepare(run: Run, options: PipelineOptions) -> Prepared:
    """Runs the Beam job on the input files, after what `since` names."""
    config = run.preparation
    set_options(options)
    inputs = preparing.input_digests(config)
    past = None
    if config.since is not None:
        earlier = Prepared.open(config.since)
        past = Past.of(earlier, config.frequencies.half_life_days)
        inputs["since"] = earlier.manifest.fingerprint

    def build(directory: Path) -> Counts:
        with runners.failures_told(options):
            return job.prepare(config, directory, options, past)

    return Prepared.make(run.work_dir / "prepared", preparing.describe(config), inputs, build)


def frequencies(run: Run, options: PipelineOptions) -> Frequencies:
    """Counts the candidates of all rows of the interaction files."""
    config = run.preparation
    set_options(options)

    def build(directory: Path) -> Counts:
        with runners.failures_told(options):
            return job.count_candidates(config, directory, options)

    return Frequencies.make(
        run.work_dir / "frequencies",
        preparing.describe(config),
        preparing.input_digests(config),
        build,
    )


def train(run: Run, prepared: Prepared) -> Checkpoint:
    """Trains the model; continues a run that was cut off."""

    def build(directory: Path) -> Counts:
        return training.train(
            run.train, lambda splits: _model(run, prepared, splits), prepared, directory, run.seed
        )

    return Checkpoint.make(
        run.work_dir / "checkpoint",
        {"model": _json(run.model), "train": _json(run.train), "seed": run.seed},
        {"prepared": prepared.manifest.fingerprint},
        build,
        resumable=True,
    )


def evaluate(run: Run, prepared: Prepared, checkpoint: Checkpoint) -> Metrics:
    """Measures the model and its baselines on the test split."""

    def build(directory: Path) -> Counts:
        vectors = embedded(run, prepared, checkpoint)
        return evaluation.evaluate(run.evaluate, vectors, prepared, directory, run.seed)

    return Metrics.make(
        run.work_dir / "metrics",
        {"evaluate": _json(run.evaluate), "seed": run.seed},
        _inputs(prepared, checkpoint),
        build,
    )


def export(run: Run, prepared: Prepared, checkpoint: Checkpoint) -> ServingModel:
    """Exports the model and checks that a fresh process answers as the trainer does."""
    config = {
        "name": run.name,
        "export": _json(run.export),
        "model": _json(run.model),
        "seed": run.seed,
    }
    inputs = _inputs(prepared, checkpoint)

    def build(directory: Path) -> Counts:
        return exporting.export(
            run.export,
            _trained(run, prepared, checkpoint),
            prepared,
            directory,
            provenance={**config, "inputs": inputs},
            seed=run.seed,
        )

    return ServingModel.make(run.work_dir / "export", config, inputs, build)


def publish(run: Run, model: ServingModel) -> Path:
    """Puts the exported model where the server looks for new versions."""
    return publishing.publish(model, run.model_dir)


def published(run: Run) -> Path:
    """The newest version that is published."""
    return publishing.newest_version(run.model_dir)


def precompute(
    run: Run,
    prepared: Prepared,
    version: Path,
    question: Question,
    options: PipelineOptions,
) -> tuple[Precomputed, float | None]:
    """Asks a published version for the candidates of every query, with a Beam job.

    Returns:
      The answers, and the queries a second of the job; None where it was not run again.
    """
    rate: float | None = None

    def build(directory: Path) -> Counts:
        nonlocal rate
        started = time.monotonic()
        with runners.failures_told(options):
            counts = asking.precompute(question, version, prepared, directory, options)
        seconds = time.monotonic() - started
        rate = counts["queries"] / seconds
        _log.info(
            "precomputed version=%s queries=%d seconds=%.1f rows_per_s=%.0f",
            version.name,
            counts["queries"],
            seconds,
            rate,
        )
        return counts

    precomputed = Precomputed.make(
        run.work_dir / "precomputed",
        precomputing.describe(question),
        precomputing.input_digests(prepared, version),
        build,
    )
    return precomputed, rate


def embedded(run: Run, prepared: Prepared, checkpoint: Checkpoint) -> Embedded:
    """The trained embeddings of every query and candidate."""
    return Embedded.of(_trained(run, prepared, checkpoint), prepared)


def _model(run: Run, prepared: Prepared, splits: Sequence[str]) -> TwoTower:
    return build_model(
        run.model,
        prepared,
        query_features=run.queries.features,
        candidate_features=run.candidates.features,
        splits=splits,
        seed=run.seed,
    )


def _trained(run: Run, prepared: Prepared, checkpoint: Checkpoint) -> TwoTower:
    model = _model(run, prepared, ["train"])
    restore(model, checkpoint)
    return model


def _inputs(prepared: Prepared, checkpoint: Checkpoint) -> Mapping[str, str]:
    return {
        "prepared": prepared.manifest.fingerprint,
        "checkpoint": checkpoint.manifest.fingerprint,
    }


def _json(config: BaseModel) -> dict[str, Any]:
    return config.model_dump(mode="json")
