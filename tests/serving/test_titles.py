import pyarrow as pa
import pytest
from pyarrow import parquet

from serving.titles import TitlesError, read_titles


def write(path, **columns):
    parquet.write_table(pa.table(columns), path)
    return path


def test_titles_are_read_by_id(tmp_path):
    path = write(tmp_path / "t.parquet", id=["a", "b"], title=["Alien (1979)", None], year=[1, 2])
    assert read_titles(path) == {"a": "Alien (1979)", "b": ""}


def test_a_missing_column_is_named(tmp_path):
    with pytest.raises(TitlesError, match="lacks the column title"):
        read_titles(write(tmp_path / "t.parquet", id=["a"]))


def test_a_file_that_is_missing_or_no_parquet_is_named(tmp_path):
    (tmp_path / "text").write_text("id,title\n")
    for name in ("none", "text"):
        with pytest.raises(TitlesError, match=f"{name} cannot be read as parquet"):
            read_titles(tmp_path / name)
