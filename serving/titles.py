"""The titles of candidates, from a parquet file, for people who read an answer."""

from __future__ import annotations

from pathlib import Path

ID = "id"
TITLE = "title"


class TitlesError(Exception):
    """The file of titles is missing, or is not what it should be."""


def read_titles(path: Path) -> dict[str, str]:
    """Reads the columns `id` and `title`.

    Args:
      path: A parquet file.

    Returns:
      The title of each id, "" where the file has none.

    Raises:
      TitlesError: There is no such file, it is no parquet, or it lacks a column.
    """
    import pyarrow.lib
    import pyarrow.parquet

    try:
        table = pyarrow.parquet.read_table(path)
    except (OSError, pyarrow.lib.ArrowException) as error:
        raise TitlesError(f"{path} cannot be read as parquet: {error}") from error
    missing = {ID, TITLE} - set(table.column_names)
    if missing:
        raise TitlesError(f"{path} lacks the column {', '.join(sorted(missing))}.")
    ids, titles = table[ID].to_pylist(), table[TITLE].to_pylist()
    return {str(each): title or "" for each, title in zip(ids, titles, strict=True)}
