import gzip

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet as pq
import pytest

from components import blocks
from components.columns import is_id
from components.delimited import CsvConfig
from components.errors import DataError
from components.files import (
    BATCH_ROWS,
    Wanted,
    check_columns,
    find_files,
    pieces,
    read_file,
    read_piece,
)
from components.malformed import LONGEST_TEXT, MalformedRows

CSV = CsvConfig()
SEMICOLON = CsvConfig(delimiter=";")
TABLE = pa.table({"user": ["a", "b", "", "NA"], "n": [1, 2, 3, 4]})
USER = Wanted("data.query", "user", is_id, "strings or integers")


@pytest.fixture
def parquet(tmp_path):
    pq.write_table(TABLE, tmp_path / "log.parquet", row_group_size=3)
    return find_files("train", [str(tmp_path / "log.parquet")])[0]


def one(path):
    return find_files("train", [str(path)])[0]


def test_files_are_named_below_their_section_without_the_path_above_them(tmp_path):
    for name in ("b/x.csv", "a/x.csv", "a/_SUCCESS", "a/.x.csv.crc"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("user\n")
    found = find_files("train", [str(tmp_path)])
    assert [file.name for file in found] == ["train/a/x.csv", "train/b/x.csv"]


def test_patterns_keep_their_order_and_a_file_named_twice_is_read_once(tmp_path):
    for name in ("b.csv", "a.csv", "c.csv"):
        (tmp_path / name).write_text("user\n")
    found = find_files("train", [str(tmp_path / "c.csv"), str(tmp_path / "*.csv")])
    assert [file.name for file in found] == ["train/c.csv", "train/a.csv", "train/b.csv"]


def test_a_path_that_looks_like_a_pattern_names_its_file(tmp_path):
    (tmp_path / "log[1].csv").write_text("user\n")
    assert one(tmp_path / "log[1].csv").name == "train/log[1].csv"


def test_a_pattern_that_names_nothing_is_an_error(tmp_path):
    with pytest.raises(DataError, match=r"none\*\.csv: there is no such file"):
        find_files("train", [str(tmp_path / "none*.csv")])


def test_another_kind_of_file_is_an_error_that_names_what_can_be_read(tmp_path):
    (tmp_path / "log.json").write_text("{}")
    with pytest.raises(
        DataError, match=r"log\.json: this kind of file cannot be read; give \.parquet;"
    ):
        find_files("train", [str(tmp_path)])


def test_a_missing_column_is_an_error_that_lists_those_there_are(parquet):
    wanted = Wanted("data.query", "person", is_id, "strings or integers")
    with pytest.raises(DataError) as raised:
        check_columns(parquet, [wanted], CSV)
    assert str(raised.value) == (
        f"{parquet.path}: there is no column `person`, which `data.query` names; "
        "its columns are `user`, `n`."
    )


def test_a_column_of_another_type_is_an_error(tmp_path):
    pq.write_table(pa.table({"user": [1.5]}), tmp_path / "log.parquet")
    with pytest.raises(DataError, match=r"`user`, which .* names, holds double; it must"):
        check_columns(one(tmp_path / "log.parquet"), [USER], CSV)


def test_the_columns_of_a_csv_file_are_those_of_its_header(tmp_path):
    (tmp_path / "log.csv").write_text("user;n\na;1\n")
    check_columns(one(tmp_path / "log.csv"), [USER], SEMICOLON)
    with pytest.raises(DataError, match="there is no column `user`"):
        check_columns(one(tmp_path / "log.csv"), [USER], CSV)


@pytest.mark.parametrize(("name", "data"), [("a.csv", b""), ("a.parquet", b"PAR1 PAR1")])
def test_an_unreadable_file_is_an_error_that_names_it(tmp_path, name, data):
    (tmp_path / name).write_bytes(data)
    with pytest.raises(DataError, match=f"{name}: the file cannot be read"):
        check_columns(one(tmp_path / name), [USER], CSV)


def test_a_csv_row_of_another_width_is_an_error_that_names_the_file(tmp_path):
    (tmp_path / "a.csv").write_text("user,n\na,1\nb\n")
    with pytest.raises(DataError, match=r"a\.csv: the file cannot be read \(.*got 1: b"):
        read_file(one(tmp_path / "a.csv"), ["user"], CSV)


@pytest.fixture(params=["some", "all of a block", "first and last", "none", "all"])
def ragged(request, tmp_path, monkeypatch):
    """A CSV file of many blocks that holds its row numbers, and which rows are malformed."""
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 64)
    malformed = {
        "some": {3, 4, 50, 51, 399},
        "all of a block": set(range(100, 200)),
        "first and last": {0, 399},
        "none": set(),
        "all": set(range(400)),
    }[request.param]
    lines = [f"{row},x,y\n" if row in malformed else f'{row},"\n"\n' for row in range(400)]
    (tmp_path / "log.csv").write_text("user,n\n" + "\n".join(lines))  # and blank lines, not rows
    return one(tmp_path / "log.csv"), sorted(malformed)


def test_rows_keep_their_numbers_where_malformed_ones_are_left_out(ragged):
    file, expected = ragged
    (piece,) = pieces(file)
    malformed = MalformedRows(most_texts=3)
    read = []
    for numbers, batch in read_piece(piece, ["user"], CSV, malformed):
        assert batch["user"].to_pylist() == [b"%d" % number for number in numbers]
        read += numbers.tolist()
    assert list(malformed.rows) == expected
    assert malformed.texts == [f"{row},x,y" for row in expected[:3]]
    assert sorted(read + expected) == list(range(400))


def test_the_text_of_a_malformed_row_is_cut(tmp_path):
    (tmp_path / "log.csv").write_text("user,n\n" + "é" * 10_000 + "\na,1\n")
    (piece,) = pieces(one(tmp_path / "log.csv"))
    malformed = MalformedRows(most_texts=1)
    assert [batch.num_rows for _, batch in read_piece(piece, ["user"], CSV, malformed)] == [1]
    assert malformed.texts == ["é" * LONGEST_TEXT]


@pytest.mark.parametrize(
    "header",
    [
        "user,n\n",
        "user,n\r\n",
        "user,n\r1,2\r",
        "\n\nuser,n\n",
        '"us""er","n\nn",user,n\n',
        'size 5",user,n\n',
        "\ufeffuser,n\n",
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_a_header_is_read_alone_however_it_is_written(tmp_path, header, packed):
    data = (header + "a,1\nb\n" * ("\n" in header)).encode()
    path = tmp_path / ("log.csv.gz" if packed else "log.csv")
    path.write_bytes(gzip.compress(data) if packed else data)
    check_columns(one(path), [USER], CSV)


def test_a_malformed_row_hides_no_column(tmp_path):
    (tmp_path / "a.csv").write_text("user,n\nb\n")
    check_columns(one(tmp_path / "a.csv"), [USER], CSV)
    with pytest.raises(DataError, match="there is no column `user`"):
        check_columns(one(tmp_path / "a.csv"), [USER], SEMICOLON)


def test_a_damaged_page_is_an_error_that_names_the_file(parquet, tmp_path):
    path = tmp_path / "log.parquet"
    data = bytearray(path.read_bytes())
    data[4:60] = b"\xff" * 56
    path.write_bytes(data)
    with pytest.raises(DataError, match=r"log\.parquet: the file cannot be read"):
        read_file(parquet, ["user", "n"], CSV)


def test_csv_is_read_as_text_and_keeps_words_that_look_like_null(tmp_path):
    pyarrow.csv.write_csv(TABLE, tmp_path / "log.csv")
    (tmp_path / "log.csv.gz").write_bytes(gzip.compress((tmp_path / "log.csv").read_bytes()))
    for name in ("log.csv", "log.csv.gz"):
        read = read_file(one(tmp_path / name), ["user", "n"], CSV)
        assert read.to_pydict() == {"user": ["a", "b", "", "NA"], "n": ["1", "2", "3", "4"]}


def test_small_row_groups_are_read_in_one_piece(parquet):
    (piece,) = pieces(parquet)
    assert (piece.first_row, piece.row_groups) == (0, (0, 1))


def test_the_rows_of_pieces_have_their_numbers_in_the_file(tmp_path):
    rows = 2 * BATCH_ROWS + 5
    table = pa.table({"n": pa.array(range(rows))})
    pq.write_table(table, tmp_path / "log.parquet", row_group_size=BATCH_ROWS // 2 + 1)
    seen = []
    for piece in pieces(one(tmp_path / "log.parquet")):
        for numbers, batch in read_piece(piece, ["n"], CSV):
            assert batch["n"].to_pylist() == numbers.tolist()
            seen.append(batch.num_rows)
    assert sum(seen) == rows
    assert max(seen) <= BATCH_ROWS


def test_a_file_without_rows_reads_as_an_empty_table(tmp_path):
    pq.write_table(TABLE.slice(0, 0), tmp_path / "log.parquet")
    assert read_file(one(tmp_path / "log.parquet"), ["user"], CSV).num_rows == 0
