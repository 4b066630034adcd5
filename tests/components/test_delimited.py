import gzip

import pytest
from pydantic import ValidationError

from components import blocks
from components.delimited import CsvConfig, read_delimited, split_header
from components.errors import DataError
from components.files import Piece, find_files, pieces, read_file, read_piece
from components.malformed import MalformedRows

CSV = CsvConfig()


def rows(text, csv=CSV, columns=("a", "b"), malformed=None):
    """The rows of a text, with their numbers."""
    names, _ = split_header(iter([text]), csv)
    read = []
    for numbers, batch in read_delimited(
        lambda: split_header(iter([text]), csv)[1], names, columns, csv, malformed
    ):
        values = zip(*(column.to_pylist() for column in batch.columns), strict=True)
        read += zip(numbers.tolist(), values, strict=True)
    return read


def test_values_are_bytes_and_words_that_look_like_null_are_kept():
    assert rows(b'a,b\nx,NA\n"",1\n') == [(0, (b"x", b"NA")), (1, (b"", b"1"))]


@pytest.mark.parametrize(
    ("csv", "text"),
    [
        ({"delimiter": ";", "quote": "'"}, b"a;b\n'x;\n''y';2\n"),
        ({"columns": ["a", "b"]}, b'"x;\n\'y",2\n'),
        ({"columns": ["c", "b", "a"], "delimiter": "|"}, b'|2|"x;\n\'y"\n'),
    ],
)
def test_text_is_read_as_the_config_says(csv, text):
    assert rows(text, CsvConfig.model_validate(csv)) == [(0, (b"x;\n'y", b"2"))]


def test_without_a_quote_nothing_encloses_a_value():
    csv = CsvConfig(quote="")
    assert rows(b'a,b\n"x,2\n3,"\n', csv) == [(0, (b'"x', b"2")), (1, (b"3", b'"'))]


@pytest.mark.parametrize("text", [b"a,b", b"a,b\n", b"a,b\n\n\r\n\n", b"\n\na,b\r\n\r\n"])
def test_a_header_alone_has_no_rows(text):
    assert rows(text) == []


def test_a_malformed_row_may_be_no_utf8():
    malformed = MalformedRows(most_texts=5)
    text = "a,b\nx,1\né\nz\xff\ny,2\n\xffé,3\n".encode("latin-1").replace(b"\xe9", "é".encode())
    assert rows(text, malformed=malformed) == [
        (0, (b"x", b"1")),
        (3, (b"y", b"2")),
        (4, (b"\xff\xc3\xa9", b"3")),
    ]
    assert list(malformed.rows) == [1, 2]
    assert malformed.texts == ["é", "z�"]


@pytest.mark.parametrize("ending", [".csv", ".csv.gz", ".tsv"])
def test_a_byte_that_is_no_utf8_late_in_a_file_changes_no_other_row(tmp_path, monkeypatch, ending):
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 64)
    between = "\t" if ending == ".tsv" else ","
    lines = [f"ü{row}{between}é{row}" * (1 + (row % 7 == 5)) for row in range(100)]
    data = "\n".join([f"name ü{between}b", *lines]).encode()
    data = data.replace("é80".encode(), b"\xc3\x2880")
    path = tmp_path / f"log{ending}"
    path.write_bytes(gzip.compress(data) if ending.endswith("gz") else data)
    (file,) = find_files("train", [str(path)])
    (piece,) = pieces(file)
    malformed = MalformedRows(most_texts=100)
    read = {}
    for numbers, batch in read_piece(piece, ["b", "name ü"], CSV, malformed):
        columns = (numbers.tolist(), batch["b"].to_pylist(), batch["name ü"].to_pylist())
        for number, *values in zip(*columns, strict=True):
            read[number] = values
    expected = {row: [f"é{row}".encode(), f"ü{row}".encode()] for row in range(100) if row % 7 != 5}
    expected[80][0] = b"\xc3\x2880"
    assert read == expected
    assert list(malformed.rows) == [row for row in range(100) if row % 7 == 5]
    assert malformed.texts == [lines[row] for row in malformed.rows]


def test_a_header_that_is_no_utf8_is_an_error(tmp_path):
    (tmp_path / "log.csv").write_bytes(b"a,\xff\n1,2\n")
    (file,) = find_files("train", [str(tmp_path / "log.csv")])
    with pytest.raises(DataError, match=r"log\.csv: the file cannot be read \('utf-8' codec"):
        read_file(file, ["a"], CSV)


def test_a_side_table_must_be_utf8(tmp_path):
    (tmp_path / "log.csv").write_bytes(b"a,b\nx,2\ny\xff,2\n")
    (file,) = find_files("train", [str(tmp_path / "log.csv")])
    with pytest.raises(DataError, match=r"column `a` holds b'y\\xff', which is no UTF-8"):
        read_file(file, ["a"], CSV)
    assert read_file(file, ["b"], CSV)["b"].to_pylist() == ["2", "2"]


def test_a_piece_below_the_header_is_told_its_columns(tmp_path):
    (tmp_path / "log.csv").write_bytes(b"a,b\nx,1\ny,2\nz\nw,4\n")
    (file,) = find_files("train", [str(tmp_path / "log.csv")])
    piece = Piece(file, 1, start=8, end=14, names=("a", "b"))
    malformed = MalformedRows(most_texts=5)
    ((numbers, batch),) = read_piece(piece, ["b"], CSV, malformed)
    assert (numbers.tolist(), batch["b"].to_pylist()) == ([1], [b"2"])
    assert (list(malformed.rows), malformed.texts) == ([2], ["z"])


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"delimiter": ""}, "at least 1 character"),
        ({"delimiter": "ab"}, "at most 1 character"),
        ({"delimiter": "é"}, "must be an ASCII character"),
        ({"quote": "\n"}, "must be an ASCII character, and end no line"),
        ({"delimiter": '"'}, "`delimiter` and `quote` must differ"),
        ({"columns": ["a", ""]}, "at least 1 character"),
        ({"columns": ["a", "a"]}, "`a` is given twice"),
    ],
)
def test_a_config_that_breaks_a_rule_is_refused_with_the_rule(given, sentence):
    with pytest.raises(ValidationError, match=sentence):
        CsvConfig.model_validate(given)


def test_the_config_survives_a_round_trip():
    csv = CsvConfig(delimiter="|", quote="", columns=("a", "b"))
    assert CsvConfig.model_validate_json(csv.model_dump_json()) == csv
    assert csv.with_header().with_tabs() == CsvConfig(delimiter="\t", quote="")
