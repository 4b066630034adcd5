"""Forms: what kind of file a name tells of."""

from __future__ import annotations

from typing import Literal

from components.errors import DataError

Form = Literal["parquet", "csv", "tsv", "json_lines", "tfrecord"]

_FORMS: dict[str, Form] = {
    ".parquet": "parquet",
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "json_lines",
    ".ndjson": "json_lines",
    ".tfrecord": "tfrecord",
}
_PACKINGS = {".gz": "gzip", ".zst": "zstd"}


def form_of(path: str) -> tuple[Form, str | None]:
    """What kind of file it is and how it is compressed, in Arrow's words, by its name.

    Raises:
      DataError: It is of a kind that cannot be read.
    """
    packing = next((ending for ending in _PACKINGS if path.endswith(ending)), "")
    unpacked = path.removesuffix(packing)
    (*_, form) = [None, *(_FORMS[ending] for ending in _FORMS if unpacked.endswith(ending))]
    if form is None or (form == "parquet" and packing) or (form, packing) == ("tfrecord", ".zst"):
        raise DataError(
            f"{path}: this kind of file cannot be read; give .parquet; .csv, .tsv, .jsonl or "
            ".ndjson, plain, .gz or .zst; .tfrecord or .tfrecord.gz."
        )
    return form, _PACKINGS.get(packing)
