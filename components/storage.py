"""Storage: files on this machine, or behind a scheme such as `s3://` in a store that Beam reaches.

A path without a scheme never imports Beam.
"""

from __future__ import annotations

import contextlib
import glob
import hashlib
import importlib.util
import json
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pyarrow as pa

from components.artifacts import file_digest
from components.errors import DataError

if TYPE_CHECKING:
    from apache_beam.io.filesystem import FileMetadata
    from apache_beam.io.filesystems import FileSystems
    from apache_beam.options.pipeline_options import PipelineOptions

_SCHEME = re.compile(r"([a-zA-Z][-a-zA-Z0-9+.]*)://")
_EXTRAS = {"s3": "s3", "gs": "gcs"}
_REFUSED = (401, 403)


def is_remote(path: str) -> bool:
    """Whether a path names a scheme."""
    return _SCHEME.match(path) is not None


def place(path: str) -> str:
    """An absolute path that stands for a path with or without a scheme, so that they compare."""
    scheme = _SCHEME.match(path)
    return f"/{scheme[1]}/{path[scheme.end() :]}" if scheme else path


def set_options(options: PipelineOptions) -> None:
    """Tells Beam's file systems of this process the options of the job, such as an endpoint.

    Beam does so itself, but only when it makes a pipeline or a worker.
    """
    from apache_beam.io.filesystems import FileSystems

    FileSystems.set_options(options)


def find(pattern: str) -> list[str]:
    """The files that a path, a glob or a directory names, sorted.

    Files of a directory whose names begin with `_` or `.` are left out: other systems leave the
    like of `_SUCCESS` beside the data they write.

    Raises:
      DataError: There is none, or the store cannot be asked.
    """
    if is_remote(pattern):
        named = [] if pattern.endswith("/") else _match(pattern)
        found = [metadata.path for metadata in named]
        if not found:
            directory = pattern.rstrip("/")
            listed = [metadata.path for metadata in _match(f"{directory}/**")]
            found = [path for path in listed if _is_data(path[len(directory) :])]
        if not found:
            raise DataError(f"{pattern}: there is no such file.")
        return sorted(found)
    path = Path(pattern)
    if path.is_dir():
        found = [
            str(child) for child in path.rglob("*") if child.is_file() and _is_data(str(child))
        ]
    elif path.is_file():
        found = [pattern]
    else:
        found = [name for name in glob.glob(pattern, recursive=True) if Path(name).is_file()]  # noqa: PTH207
    if not found:
        raise DataError(f"{pattern}: there is no such file; paths are relative to {Path.cwd()}.")
    return sorted(os.path.abspath(name) for name in found)  # noqa: PTH100


def open_input(path: str) -> pa.NativeFile:
    """Opens a file for reading at any place in it, its bytes as they are."""
    if not is_remote(path):
        return pa.OSFile(path)
    from apache_beam.io.filesystem import CompressionTypes

    with _telling(path):
        file = _file_systems(path).open(path, compression_type=CompressionTypes.UNCOMPRESSED)
    return pa.PythonFile(file, mode="r")


def size(path: str) -> int:
    """The bytes of a file.

    Raises:
      DataError: The store cannot be asked, or has the file no longer.
    """
    return _metadata(path).size_in_bytes if is_remote(path) else Path(path).stat().st_size


def digest(path: str) -> str:
    """SHA-256 that changes with a file: over its bytes, or over what its store says of it.

    That is its size, checksum and time of change: nothing is fetched to find out.

    Raises:
      DataError: The store cannot be asked, or has the file no longer.
    """
    if not is_remote(path):
        return file_digest(Path(path))
    metadata = _metadata(path)
    with _telling(path):
        checksum = _file_systems(path).checksum(path)
    described = [metadata.size_in_bytes, checksum, metadata.last_updated_in_seconds]
    return hashlib.sha256(json.dumps(described).encode()).hexdigest()


def _is_data(path: str) -> bool:
    return not path.rpartition("/")[2].startswith(("_", "."))


def _metadata(path: str) -> FileMetadata:
    for metadata in _match(path):
        if metadata.path == path:
            return metadata
    raise DataError(f"{path}: there is no such file any more.")


def _match(pattern: str) -> list[FileMetadata]:
    with _telling(pattern):
        (matched,) = _file_systems(pattern).match([pattern])
    return matched.metadata_list


def _file_systems(path: str) -> type[FileSystems]:
    """Beam's file systems, one of which knows the scheme of `path`.

    Raises:
      DataError: None does.
    """
    from apache_beam.io.filesystems import FileSystems

    scheme = FileSystems.get_scheme(path)
    try:
        if scheme == "s3" and importlib.util.find_spec("boto3") is None:
            raise ValueError("Beam registers `s3` without what it needs")
        FileSystems.get_filesystem(path)
    except ValueError as error:
        extra = _EXTRAS.get(scheme or "")
        cure = f"install shortlist[{extra}]" if extra else "give a scheme that Beam knows"
        raise DataError(f"{path}: nothing here can read `{scheme}://`; {cure}.") from error
    return FileSystems


@contextlib.contextmanager
def _telling(path: str) -> Iterator[None]:
    """Turns what a store answers into a sentence."""
    try:
        yield
    except DataError:
        raise
    except Exception as error:
        cause = _cause(error)
        reason = " ".join(str(cause).split())
        if getattr(cause, "code", None) in _REFUSED:
            cure = "access is refused; check the credentials and what they allow"
        else:
            cure = "the store cannot be used; check its options and the credentials"
        raise DataError(f"{path}: {cure} ({reason}).") from error


def _cause(error: BaseException) -> BaseException:
    """The innermost error: Beam wraps one into another, by the path they are of."""
    for inner in (getattr(error, "exception_details", None) or {}).values():
        return _cause(inner)
    return error
