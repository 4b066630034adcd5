"""Publishing: a new numbered directory that appears whole, under the path a model server watches.

<model_dir>/
1/  2/  3/        versions; the server serves the largest
.publishing-*     a copy under way; not a number, so no server looks at it
"""

from __future__ import annotations

import errno
import json
import logging
import os
import shutil
from pathlib import Path

from components.artifacts import ServingModel
from components.errors import ArtifactError
from components.export import manifest_path

_log = logging.getLogger(__name__)


def publish(model: ServingModel, model_dir: Path) -> Path:
    """Publishes an exported model as the next version, unless it is the newest version already.

    Args:
      model: The checked export.
      model_dir: The directory of one model's versions; made when it is missing.

    Returns:
      The directory of the version.
    """
    model_dir.mkdir(parents=True, exist_ok=True)
    newest = max(versions(model_dir), default=0)
    if newest and _provenance(model_dir / str(newest)) == _provenance(model.saved_model):
        _log.info("published already version=%d path=%s", newest, model_dir / str(newest))
        return model_dir / str(newest)
    copy = model_dir / f".publishing-{os.getpid()}"
    try:
        shutil.copytree(model.saved_model, copy)
        version = _take_next(copy, model_dir)
    finally:
        shutil.rmtree(copy, ignore_errors=True)
    _log.info("published version=%s path=%s", version.name, version)
    return version


def _take_next(copy: Path, model_dir: Path) -> Path:
    """Renames the copy to the next free number; another publisher may take one meanwhile."""
    while True:
        version = model_dir / str(max(versions(model_dir), default=0) + 1)
        try:
            return copy.rename(version)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise


def versions(model_dir: Path) -> list[int]:
    """The published versions, ascending."""
    names = [entry.name for entry in model_dir.iterdir() if entry.is_dir()]
    return sorted(int(name) for name in names if name.isdecimal())


def newest_version(model_dir: Path) -> Path:
    """The directory of the newest published version.

    Raises:
      ArtifactError: Nothing is published.
    """
    published = versions(model_dir) if model_dir.is_dir() else []
    if not published:
        raise ArtifactError(
            f"{model_dir}: no version is published here; publish one with `python -m pipeline run`."
        )
    return model_dir / str(published[-1])


def _provenance(saved_model: Path) -> object:
    """What a published model was made from; None where it does not say."""
    path = manifest_path(saved_model)
    return json.loads(path.read_text(encoding="utf-8")) if path.exists() else None
