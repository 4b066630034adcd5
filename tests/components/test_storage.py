"""Local files, and a real S3 server on this machine that Beam's own client speaks to."""

import subprocess
import sys
from typing import Any, NamedTuple

import boto3
import httpx
import pyarrow.csv
import pyarrow.parquet as pq
import pytest
from apache_beam.options.pipeline_options import PipelineOptions
from moto.server import ThreadedMotoServer

from components import storage
from components.beam.job import prepare
from components.errors import DataError
from components.preparation import describe, input_digests
from pipeline.runners import pipeline_options
from tests.preparing import COLUMNS, digests, make_config, planted
from tests.world import write_world

BUCKET = "s3://logs"


class Server(NamedTuple):
    """A client of the server, and what Beam must be told of it."""

    client: Any
    options: PipelineOptions


@pytest.fixture(scope="module")
def s3():
    """Beam's file systems know the server while it lives."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    keys = {"s3_access_key_id": "key", "s3_secret_access_key": "secret"}
    given = {"s3_endpoint_url": f"http://{host}:{port}", "s3_region_name": "us-east-1", **keys}
    client = boto3.client(
        "s3",
        endpoint_url=given["s3_endpoint_url"],
        region_name="us-east-1",
        aws_access_key_id="key",
        aws_secret_access_key="secret",
    )
    client.create_bucket(Bucket="logs")
    options = pipeline_options([f"--{name}={value}" for name, value in given.items()])
    storage.set_options(options)
    yield Server(client, options)
    storage.set_options(PipelineOptions([]))
    client.close()
    server.stop()


def put(s3, key, data=b"x"):
    s3.client.put_object(Bucket="logs", Key=key, Body=data)


def test_a_local_path_needs_no_beam():
    code = "from components import entities, files; files.find_files('x', ['setup.py'])"
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "setup.py: this kind of file cannot be read" in shown.stderr
    assert "apache_beam" not in shown.stderr
    code = (
        "import sys; from components import files, preparation; print('apache_beam' in sys.modules)"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout == "False\n"


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("find/b.csv", ["find/b.csv"]),
        ("find/*.csv", ["find/a.csv", "find/b.csv"]),
        ("find/**.csv", ["find/a.csv", "find/b.csv", "find/deep/er/c.csv"]),
        ("find/dee?/*/c.csv", ["find/deep/er/c.csv"]),
        ("find", ["find/a.csv", "find/b.csv", "find/deep/er/c.csv"]),
        ("find/", ["find/a.csv", "find/b.csv", "find/deep/er/c.csv"]),
    ],
)
def test_paths_globs_and_directories_find_objects(s3, pattern, found):
    for key in ("find/b.csv", "find/a.csv", "find/deep/er/c.csv", "find/_SUCCESS", "find/.c.crc"):
        put(s3, key)
    listed = [f"{BUCKET}/{key}" for key in found]
    matched = storage.find(f"{BUCKET}/{pattern}")
    assert [path for path in matched if path.endswith(".csv")] == listed


def test_a_directory_lists_no_marks_of_other_systems(s3):
    for key in ("marks/a.csv", "marks/_SUCCESS", "marks/deep/.b.csv.crc"):
        put(s3, key)
    assert storage.find(f"{BUCKET}/marks") == [f"{BUCKET}/marks/a.csv"]


@pytest.mark.parametrize("pattern", ["none.csv", "none/*.csv", "none"])
def test_nothing_that_matches_is_an_error(s3, pattern):
    with pytest.raises(DataError, match=r"^s3://logs/none.*: there is no such file\.$"):
        storage.find(f"{BUCKET}/{pattern}")


def test_any_place_of_an_object_can_be_read(s3):
    data = bytes(range(256)) * 1_000
    put(s3, "bytes.csv.gz", data)
    assert storage.size(f"{BUCKET}/bytes.csv.gz") == len(data)
    with storage.open_input(f"{BUCKET}/bytes.csv.gz") as file:
        file.seek(100_000)
        assert file.read(50) == data[100_000:100_050]
        file.seek(10)
        assert file.read() == data[10:]


def test_the_digest_of_an_object_changes_with_it(s3):
    put(s3, "digest.csv", b"one")
    before = storage.digest(f"{BUCKET}/digest.csv")
    assert storage.digest(f"{BUCKET}/digest.csv") == before
    put(s3, "digest.csv", b"two")
    assert storage.digest(f"{BUCKET}/digest.csv") != before


def test_a_refused_access_is_a_sentence(s3):
    put(s3, "secret.csv")
    switch = s3.client.meta.endpoint_url + "/moto-api/reset-auth"
    httpx.post(switch, content=b"0")  # from now on the server knows no key
    try:
        with pytest.raises(DataError, match=r"secret\.csv: access is refused; check the cred"):
            storage.find(f"{BUCKET}/secret.csv")
        with pytest.raises(DataError, match=r"\*\.csv: access is refused; check the credentials"):
            storage.find(f"{BUCKET}/*.csv")
        with pytest.raises(DataError, match=r"secret\.csv: access is refused"):
            storage.open_input(f"{BUCKET}/secret.csv")
    finally:
        httpx.post(switch, content=b"inf")


def test_a_missing_extra_is_named(monkeypatch):
    with pytest.raises(DataError, match=r"nothing here can read `gs://`; install shortlist\[gcs\]"):
        storage.find("gs://bucket/log.csv")
    monkeypatch.setitem(sys.modules, "boto3", None)
    with pytest.raises(DataError, match=r"nothing here can read `s3://`; install shortlist\[s3\]"):
        storage.find("s3://bucket/log.csv")
    with pytest.raises(DataError, match=r"nothing here can read `ftp://`; give a scheme"):
        storage.find("ftp://host/log.csv")


def test_a_preparation_from_a_store_is_the_one_from_local_files(s3, tmp_path):
    world = write_world(tmp_path / "world")
    planted(world, tmp_path / "world" / "log.parquet")
    log = pq.read_table(tmp_path / "world" / "log.parquet")
    (tmp_path / "world" / "logs").mkdir()
    pq.write_table(log.slice(0, 200), tmp_path / "world/logs/a.parquet", row_group_size=50)
    pyarrow.csv.write_csv(log.slice(200), tmp_path / "world/logs/b.csv")
    for path in (tmp_path / "world").rglob("*.*"):
        put(s3, f"world/{path.relative_to(tmp_path / 'world')}", path.read_bytes())
    made = {}
    for name, base in (("local", str(tmp_path / "world")), ("s3", f"{BUCKET}/world")):
        data = {"interactions": [f"{base}/logs/*.parquet", f"{base}/logs/*.csv"], **COLUMNS}
        config = make_config(world, data=data)
        sides = {
            side: getattr(config, side).model_copy(update={"files": (f"{base}/{side}.parquet",)})
            for side in ("queries", "candidates")
        }
        config = config.model_copy(update=sides)
        directory = tmp_path / name
        directory.mkdir()
        counts = prepare(config, directory, s3.options)
        made[name] = (counts, digests(directory), describe(config), input_digests(config).keys())
    assert made["s3"] == made["local"]
    assert made["s3"][0]["rows_rejected"] == 4
