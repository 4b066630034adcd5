"""Artifacts: directories that are complete when they are present.

An artifact is made in `<name>.partial/`, described by its `manifest.json`, and renamed to `<name>/`
last. The manifest holds what the artifact was made from (`Recipe`) and what came out (`counts`); it
holds no time and no path, so that the same recipe gives the same bytes. A step whose artifact
carries the recipe's fingerprint is not run again.

    runs/ml100k/
      frequencies/  Frequencies  how often candidates occur, and their log probability
      prepared/     Prepared     tables, vocabularies, frequencies, TFRecords, rejects
      checkpoint/   Checkpoint   the trained weights, metrics.jsonl, TensorBoard events
      metrics/      Metrics      metrics.json
      export/       ServingModel the SavedModel that is published
      precomputed/  Precomputed  what the published model answers every query
"""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import hashlib
import importlib.metadata
import json
import logging
import os
import shutil
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Self

from components.errors import ArtifactError
from components.whole_files import remove_tree

MANIFEST = "manifest.json"
METRICS_FILE = "metrics.json"
MODEL = "model"
CANDIDATES = "candidates"
SCHEMA_VERSION = 1

Counts = Mapping[str, int | float]

_log = logging.getLogger(__name__)


@dataclasses.dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides the bytes of an artifact.

    Attributes:
      kind: What the artifact is, for example `prepared`.
      config: The resolved configuration of the step, as JSON values.
      inputs: Name of each input to its digest: the fingerprint of an artifact, or the SHA-256 of a
        file.
      software: Name of each distribution that makes artifacts to its version.
    """

    kind: str
    config: Mapping[str, Any]
    inputs: Mapping[str, str]
    software: Mapping[str, str]

    @property
    def fingerprint(self) -> str:
        """SHA-256 over all of it, and the version of the layout."""
        described = json.dumps(
            {"schema_version": SCHEMA_VERSION, **dataclasses.asdict(self)}, sort_keys=True
        )
        return hashlib.sha256(described.encode()).hexdigest()


@dataclasses.dataclass(frozen=True, slots=True)
class Manifest:
    """What `manifest.json` holds: the recipe, its fingerprint and the counts of what was made."""

    recipe: Recipe
    fingerprint: str
    counts: Counts

    def write(self, directory: Path) -> None:
        """Writes the manifest into `directory`, flushed to the disk."""
        described = {
            "schema_version": SCHEMA_VERSION,
            **dataclasses.asdict(self.recipe),
            "fingerprint": self.fingerprint,
            "counts": dict(self.counts),
        }
        with (directory / MANIFEST).open("w", encoding="utf-8") as file:
            json.dump(described, file, indent=2, sort_keys=True)
            file.write("\n")
            file.flush()
            os.fsync(file.fileno())

    @classmethod
    def read(cls, directory: Path) -> Manifest:
        """Reads the manifest of a complete artifact.

        Raises:
          ArtifactError: The directory holds no manifest, or one that cannot be read.
        """
        path = directory / MANIFEST
        try:
            described = json.loads(path.read_text(encoding="utf-8"))
            recipe = Recipe(
                **{field.name: described[field.name] for field in dataclasses.fields(Recipe)}
            )
            return cls(recipe, described["fingerprint"], described["counts"])
        except FileNotFoundError:
            raise ArtifactError(
                f"{directory}: no complete artifact here ({MANIFEST} is missing); "
                "run the step that makes it."
            ) from None
        except (ValueError, KeyError, TypeError) as error:
            raise ArtifactError(f"{path}: not a readable manifest ({error}).") from error


@dataclasses.dataclass(frozen=True, slots=True)
class Artifact:
    """A complete artifact on disk. Subclasses name the files inside."""

    kind: ClassVar[str]

    path: Path
    manifest: Manifest

    @classmethod
    def open(cls, path: Path) -> Self:
        """Opens the artifact at `path`.

        Raises:
          ArtifactError: It is missing, incomplete, or of another kind.
        """
        manifest = Manifest.read(path)
        if manifest.recipe.kind != cls.kind:
            raise ArtifactError(
                f"{path}: holds a {manifest.recipe.kind!r} artifact where a {cls.kind!r} is needed."
            )
        return cls(path, manifest)

    @classmethod
    def make(
        cls,
        path: Path,
        config: Mapping[str, Any],
        inputs: Mapping[str, str],
        build: Callable[[Path], Counts],
        *,
        resumable: bool = False,
    ) -> Self:
        """Returns the artifact at `path`, building it when it is missing or stale.

        Args:
          path: Where the finished artifact stands.
          config: The resolved configuration of the step.
          inputs: The digest of every input, by name.
          build: Fills the directory it is given and returns the counts for the manifest.
          resumable: Keep what an interrupted build of the *same* recipe left behind, for `build` to
            continue from.
        """
        recipe = Recipe(cls.kind, config, inputs, _software())
        if (path / MANIFEST).exists() and Manifest.read(path).fingerprint == recipe.fingerprint:
            _log.info("reused artifact=%s path=%s", cls.kind, path)
            return cls.open(path)
        started = time.monotonic()
        with _alone_in(path.parent):
            partial = _partial(path, recipe, resumable=resumable)
            try:
                counts = build(partial)
            except Exception:
                if not resumable:
                    remove_tree(partial)
                raise
            # The mark goes last: a kill before the rename leaves a build that is continued.
            Manifest(recipe, recipe.fingerprint, counts).write(partial)
            _replace(partial, path)
            (path / _FINGERPRINT).unlink()
        _log.info(
            "made artifact=%s path=%s seconds=%.1f", cls.kind, path, time.monotonic() - started
        )
        return cls.open(path)


class _Counted:
    """The part of an artifact that says how often candidates occur."""

    __slots__ = ()
    path: Path

    @property
    def frequencies(self) -> Path:
        """Table `id`, `count`, `weight`, `log_q`, most frequent first."""
        return self.path / "frequencies.parquet"

    @property
    def frequency_totals(self) -> Path:
        """JSON object: what the frequencies were made from, and `log_q_unknown`."""
        return self.path / "frequencies.json"

    def occurrences(self, section: str) -> Path:
        """Table of how often each id of `queries` or `candidates` occurs, by split and period."""
        return self.path / "occurrences" / f"{section}.parquet"


class Frequencies(_Counted, Artifact):
    """How often the candidates of a whole log occur, for a model that is trained elsewhere."""

    kind = "frequencies"


class Prepared(_Counted, Artifact):
    """What the Beam job makes of the logs: all that training, evaluation and export read.

    Row `i` of a table is row `i + 1` of its embedding: row 0 is the unknown's, in every vocabulary.
    """

    kind = "prepared"

    @property
    def queries(self) -> Path:
        """Table of the queries seen in training.

        Columns `id`, `count`, and one a feature, encoded as rows.
        """
        return self.path / "queries.parquet"

    @property
    def candidates(self) -> Path:
        """Table of the catalogue.

        Columns `id`, `count`, `title` where known, and one a feature, encoded as rows.
        """
        return self.path / "candidates.parquet"

    @property
    def cold(self) -> Path:
        """Directory of the held-out rows whose query or candidate no training row shows."""
        return self.path / "cold"

    @property
    def statistics(self) -> Path:
        """JSON object, as `components.statistics` says."""
        return self.path / "statistics.json"

    @property
    def rejects(self) -> Path:
        """Directory of the rows that were rejected, with their reasons; absent where none was."""
        return self.path / "rejects"

    def vocabulary(self, feature: str) -> Path:
        """Parquet table `value`, `count` of one feature, most frequent first."""
        return self.path / "vocabularies" / f"{feature}.parquet"

    def moments(self, feature: str) -> Path:
        """JSON object: `mean` and `variance` of one standardised feature over the training rows."""
        return self.path / "vocabularies" / f"{feature}.json"

    def examples(self, split: str) -> Sequence[Path]:
        """The TFRecord shards of `train`, `validation` or `test`, in order; some may be empty."""
        return sorted((self.path / "examples").glob(f"{split}-*.tfrecord*"))


class Checkpoint(Artifact):
    """The trained model: its weights, and the logs of its training."""

    kind = "checkpoint"

    @property
    def weights(self) -> Path:
        """Prefix of the TensorFlow checkpoint that holds the model's variables."""
        return self.path / "weights" / "weights"

    @property
    def log(self) -> Path:
        """One JSON object an epoch."""
        return self.path / "metrics.jsonl"


class Metrics(Artifact):
    """The evaluation of the test split beside its baselines."""

    kind = "metrics"

    @property
    def table(self) -> Path:
        """The metrics of every system, as one JSON object."""
        return self.path / METRICS_FILE


class ServingModel(Artifact):
    """The exported SavedModel with its self-check, ready to be published."""

    kind = "serving_model"

    @property
    def saved_model(self) -> Path:
        """The SavedModel directory that becomes a version."""
        return self.path / MODEL


class Precomputed(Artifact):
    """What a published model answers every query of the prepared data, as Parquet files."""

    kind = "precomputed"

    @property
    def candidates(self) -> Path:
        """Directory of the files: columns `query_id`, `candidate_ids`, `scores`."""
        return self.path / CANDIDATES


class Dataset(Artifact):
    """A public data set, converted to Parquet."""

    kind = "dataset"


def file_digest(path: Path) -> str:
    """SHA-256 of a file's bytes, as hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


_FINGERPRINT = "fingerprint"
_SOFTWARE = ("shortlist", "apache-beam", "tensorflow", "tensorflow-recommenders", "scann")


def _software() -> dict[str, str]:
    """Versions of what decides an artifact's bytes beside configuration and inputs."""
    return {name: importlib.metadata.version(name) for name in _SOFTWARE}


@contextlib.contextmanager
def _alone_in(directory: Path) -> Iterator[None]:
    """Keeps other processes from building in a directory; the lock ends with the process.

    Raises:
      ArtifactError: Another process is building there, or a file stands in its place.
    """
    try:
        directory.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise ArtifactError(
            f"{directory}: a file stands where this directory is needed; name another `work_dir`."
        ) from None
    lock = os.open(directory, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise ArtifactError(
            f"{directory}: another run is at work there; wait for its end, or give this one a "
            "`work_dir` of its own."
        ) from None
    finally:
        os.close(lock)


def _partial(path: Path, recipe: Recipe, *, resumable: bool) -> Path:
    """The directory to build in: what an interrupted build of this recipe left, or an empty one."""
    partial = path.with_name(path.name + ".partial")
    mark = partial / _FINGERPRINT
    continues = resumable and mark.exists() and mark.read_text() == recipe.fingerprint
    if not continues:
        if partial.exists():
            remove_tree(partial)
        partial.mkdir(parents=True)
        mark.write_text(recipe.fingerprint)
    return partial


def _replace(partial: Path, path: Path) -> None:
    """Puts the finished directory in place of what stood there."""
    if path.exists():
        stale = path.with_name(path.name + ".stale")
        shutil.rmtree(stale, ignore_errors=True)
        path.rename(stale)
        partial.rename(path)
        shutil.rmtree(stale)
    else:
        partial.rename(path)
