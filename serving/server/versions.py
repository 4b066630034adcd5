"""What lies on disk -> which versions should be served -> what to do next. Nothing here waits."""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from serving.server.saved_model import SAVED_MODEL_FILE

logger = logging.getLogger(__name__)

LARGEST_VERSION = 2**63 - 1


@dataclass(frozen=True, slots=True)
class Step:
    """What brings the loaded versions one step nearer to the wanted ones."""

    load: int | None = None
    unload: int | None = None


def found_versions(base_path: Path) -> dict[int, Path]:
    """The complete versions under a base path.

    A version is a directory whose whole name is a number and that holds a SavedModel; it is
    published by a rename, so one that is there is complete.

    Args:
      base_path: The directory of the versions.

    Returns:
      The directory of each version.

    Raises:
      OSError: The base path is missing or cannot be read.
    """
    found: dict[int, Path] = {}
    for child in sorted(base_path.iterdir()):
        if not _is_version(child.name) or not (child / SAVED_MODEL_FILE).is_file():
            continue
        number = int(child.name)
        if number in found:
            logger.warning("%s and %s are the same version", found[number], child)
        found[number] = child
    return found


def latest(versions: Collection[int]) -> set[int]:
    """The policy: the largest version, if there is one, is to be served."""
    return {max(versions)} if versions else set()


def next_step(wanted: Collection[int], available: Collection[int], failed: Collection[int]) -> Step:
    """Chooses the next step so that there is a version to answer with at every moment.

    An unwanted version goes only when nothing is wanted, when a wanted one has taken its place,
    or when another unwanted one remains; otherwise the highest missing version is loaded.

    Args:
      wanted: The versions that should be available.
      available: The versions that are.
      failed: The versions that could not be loaded: they are not tried again.

    Returns:
      At most one version to load or to unload.
    """
    unwanted = sorted(set(available) - set(wanted))
    replaced = not wanted or bool(set(wanted) & set(available)) or len(unwanted) > 1
    if unwanted and replaced:
        return Step(unload=unwanted[0])
    missing = set(wanted) - set(available) - set(failed)
    return Step(load=max(missing)) if missing else Step()


def _is_version(name: str) -> bool:
    return name.isascii() and name.isdigit() and int(name) <= LARGEST_VERSION
