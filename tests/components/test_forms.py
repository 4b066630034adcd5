import json

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import tensorflow as tf

from components.errors import DataError
from components.forms import form_of
from components.preparation import PreparationConfig
from components.splits import SPLITS
from tests.preparing import COLUMNS, digests, make_config, run
from tests.world import write_world
from tests.writing import ENDINGS, write_table


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return write_world(tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def prepared(world, tmp_path_factory):
    directory = tmp_path_factory.mktemp("prepared") / "prepared"
    run(make_config(world), directory)
    return digests(directory)


@pytest.mark.parametrize("ending", ENDINGS)
def test_every_form_gives_the_bytes_that_parquet_gives(world, prepared, tmp_path, ending):
    config = make_config(world)
    for name in ("interactions", "queries", "candidates"):
        write_table(pq.read_table(getattr(world, name)), tmp_path / f"{name}{ending}")
    sides = {
        side: getattr(config, side).model_copy(
            update={"files": (str(tmp_path / f"{side}{ending}"),)}
        )
        for side in ("queries", "candidates")
    }
    log = config.data.model_copy(
        update={"interactions": (str(tmp_path / f"interactions{ending}"),)}
    )
    run(config.model_copy(update={"data": log, **sides}), tmp_path / "out")
    assert digests(tmp_path / "out") == prepared


def test_a_log_without_a_header_names_its_columns_in_the_run_file(world, prepared, tmp_path):
    rows = pq.read_table(world.interactions).to_pylist()
    lines = [f"{row['timestamp']}|'{row['candidate_id']}'|{row['query_id']}\n" for row in rows]
    (tmp_path / "log.csv").write_text("".join(lines))
    names = ["timestamp", "candidate_id", "query_id"]
    csv = {"delimiter": "|", "quote": "'", "columns": names}
    data = {"interactions": [str(tmp_path / "log.csv")], "csv": csv, **COLUMNS}
    run(make_config(world, data=data), tmp_path / "out")
    assert digests(tmp_path / "out") == prepared


@pytest.mark.parametrize("ending", [".jsonl", ".tfrecord", ".csv"])
def test_a_missing_column_is_found_before_anything_runs(world, tmp_path, ending):
    write_table(pa.table({"person": ["a"], "n": [1]}), tmp_path / f"log{ending}")
    data = {"interactions": [str(tmp_path / f"log{ending}")], **COLUMNS}
    with pytest.raises(DataError, match=r"no column `query_id`.* columns are (`person`|`n`), `"):
        run(make_config(world, data=data), tmp_path / "out")


GOOD = {"user": b"u1", "film": b"f1", "at": b"1700000000", "stars": b"4"}
DEFECTS = {
    "malformed_row": None,
    "invalid_utf8": {"film": b"f\xff"},
    "missing_query": {"user": b""},
    "missing_candidate": {"film": b""},
    "long_query": {"user": b"u" * 17},
    "long_candidate": {"film": "é".encode() * 9},
    "bad_timestamp": {"at": b"soon"},
    "too_early": {"at": b"1600000000"},
    "too_late": {"at": b"2024-01-02"},
    "bad_label": {"stars": b"five"},
}
CHANGES = {**DEFECTS, "below": {"stars": b"2.5"}, None: {}}


def planted(path):
    """Writes rows with every defect at `path`; returns the reason of each, None where it is good.

    A row that lies below the least label says so.
    """
    reasons = [None if place % 3 else list(DEFECTS)[place // 3 % 10] for place in range(90)]
    if path.suffix == ".parquet":
        reasons = [None if reason == "malformed_row" else reason for reason in reasons]
    reasons += ["below"] * 7
    rows = [
        None if reason == "malformed_row" else {**GOOD, "film": b"f%d" % place, **CHANGES[reason]}
        for place, reason in enumerate(reasons)
    ]
    if path.suffix == ".parquet":
        pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=20)
    elif path.suffix == ".tfrecord":
        with tf.io.TFRecordWriter(str(path)) as writer:
            for row in rows:
                example = tf.train.Example()
                for name, value in (row or {}).items():
                    example.features.feature[name].bytes_list.value.append(value)
                writer.write(example.SerializeToString() if row else b"\x0a\xff\xff")
    elif path.suffix == ".jsonl":
        lines = [
            b"{%s}" % b", ".join(b'"%s": "%s"' % (name.encode(), row[name]) for name in row)
            if row
            else b"oops \xff"
            for row in rows
        ]
        path.write_bytes(b"\n".join(lines))
    else:
        between = b"\t" if path.suffix == ".tsv" else b","
        lines = [between.join(row.values()) if row else b"alone \xff" for row in rows]
        path.write_bytes(b"\n".join([between.join(name.encode() for name in GOOD), *lines]))
    return reasons


@pytest.mark.parametrize("ending", [".parquet", ".csv", ".tsv", ".jsonl", ".tfrecord"])
def test_every_defect_is_counted_and_kept_in_every_form_and_the_counts_reconcile(tmp_path, ending):
    reasons = planted(tmp_path / f"log{ending}")
    config = PreparationConfig.model_validate(
        {
            "data": {
                "interactions": [str(tmp_path / f"log{ending}")],
                "query": "user",
                "candidate": "film",
                "timestamp": "at",
                "label": "stars",
                "earliest": "2023-01-01",
                "latest": "2024-01-01",
                "max_id_bytes": 16,
                "min_label": 3,
                "max_reject_share": 1,
            },
            "split": {"kind": "per_query_time"},
            "seed": 1,
        }
    )
    counts = run(config, tmp_path / "out")
    for reason in DEFECTS:
        assert counts[f"rejected_{reason}"] == reasons.count(reason)
    rejected = [(row, reason) for row, reason in enumerate(reasons) if reason in DEFECTS]
    assert counts["rows_rejected"] == len(rejected)
    assert counts["rows_below_min_label"] == 7
    assert sum(counts[f"rows_{split}"] for split in SPLITS) == reasons.count(None)
    assert counts["rows_read"] == len(reasons)
    lines = (tmp_path / "out/rejects/part-00000.jsonl").read_text().splitlines()
    kept = [json.loads(line) for line in lines]
    assert [(reject["row"], reject["reason"]) for reject in kept] == rejected
    for reject in kept:
        defect = DEFECTS[reject["reason"]]
        if defect is None:
            assert "\ufffd" in reject["values"]["text"]
        else:
            ((name, value),) = defect.items()
            assert reject["values"][name] == value.decode("utf-8", "replace")


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("a/b.parquet", ("parquet", None)),
        ("b.csv.gz", ("csv", "gzip")),
        ("b.tsv.zst", ("tsv", "zstd")),
        ("s3://x/b.ndjson", ("json_lines", None)),
        ("b.jsonl.zst", ("json_lines", "zstd")),
        ("b.tfrecord.gz", ("tfrecord", "gzip")),
    ],
)
def test_the_name_tells_the_form(path, form):
    assert form_of(path) == form


@pytest.mark.parametrize("path", ["a.json", "a.parquet.gz", "a.tfrecord.zst", "csv", "a.csv.bz2"])
def test_another_name_is_an_error_that_lists_what_can_be_read(path):
    with pytest.raises(
        DataError, match=rf"{path}: this kind .* \.parquet; \.csv, \.tsv, \.jsonl or"
    ):
        form_of(path)
