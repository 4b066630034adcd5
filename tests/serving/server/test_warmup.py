import pytest
import tensorflow as tf

from serving.server import warmup
from serving.server.protos import PredictionLog
from serving.server.statuses import StatusError
from tests.serving.harness import publish


def predict_log(signature="serving_default"):
    log = PredictionLog()
    request = log.predict_log.request
    request.model_spec.name = "another name"
    request.model_spec.version.value = 99
    request.model_spec.signature_name = signature
    request.inputs["query_id"].CopyFrom(tf.make_tensor_proto(["196"]))
    return log


@pytest.fixture
def version(version_1, tmp_path):
    return publish(version_1, tmp_path / "candidates", 1)


def record(version, *logs):
    file = version / warmup.WARMUP_FILE
    file.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(file)) as writer:
        for log in logs:
            writer.write(log.SerializeToString())
    return file


def test_recorded_requests_are_replayed_whatever_model_they_name(version, caplog):
    caplog.set_level("INFO")
    record(version, predict_log(), predict_log("embed_query"))
    warmup.load(version, 3).close()
    assert "requests=2 iterations=3" in caplog.text


def test_a_version_without_recorded_requests_is_loaded(version):
    warmup.load(version, 1).close()


def test_without_warm_up_the_recorded_requests_are_not_read(version):
    record(version, predict_log("none")).write_bytes(b"garbage")
    warmup.load(version, 0).close()


def failure(version):
    with pytest.raises(StatusError) as raised:
        warmup.load(version, 1)
    return raised.value


def test_a_failing_request_fails_the_load(version):
    record(version, predict_log("none"))
    assert failure(version).message == 'Serving signature key "none" not found.'


def test_a_damaged_file_fails_the_load(version):
    record(version).write_bytes(b"not a record file")
    error = failure(version)
    assert error.code.name == "DATA_LOSS"
    assert error.message.endswith(". Please verify your warmup data is in TFRecord format.")


def test_another_kind_of_request_fails_the_load(version):
    log = PredictionLog()
    log.session_run_log.SetInParent()
    record(version, log)
    error = failure(version)
    assert (error.code.name, error.message) == (
        "UNIMPLEMENTED",
        "Unsupported log_type for warmup: 5",
    )


def test_more_than_1000_records_fail_the_load(version, monkeypatch):
    monkeypatch.setattr(warmup, "_replay", lambda model, log: None)
    file = record(version, *[predict_log()] * 1001)
    assert failure(version).message == (
        f"Number of warmup records exceeds the maximum (1000) at {file}"
    )
