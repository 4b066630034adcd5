import pytest

from serving.server.flags import FlagError, Flags, parse, usage


def test_defaults_are_those_of_tf_serving():
    flags, unknown = parse(["--model_base_path=/models/m"])
    assert unknown == []
    assert (flags.port, flags.rest_api_port, flags.rest_api_timeout_in_ms) == (8500, 0, 30000)
    assert (flags.model_name, flags.file_system_poll_wait_seconds) == ("default", 1)
    assert (flags.max_num_load_retries, flags.load_retry_interval_micros) == (5, 60_000_000)
    assert (flags.enable_model_warmup, flags.num_request_iterations_for_warmup) == (True, 0)
    assert flags.shutdown_grace_seconds == 30.0


@pytest.mark.parametrize(
    ("argument", "expected"),
    [
        ("--enable_model_warmup", True),
        ("--enable_model_warmup=true", True),
        ("--enable_model_warmup=1", True),
        ("--enable_model_warmup=false", False),
        ("--enable_model_warmup=0", False),
    ],
)
def test_a_bool_may_stand_alone(argument, expected):
    flags, _ = parse(["--model_base_path=m", argument])
    assert flags.enable_model_warmup is expected


def test_the_last_of_two_values_holds():
    flags, _ = parse(["--port=1", "--model_base_path=m", "--port=2"])
    assert flags.port == 2


def test_unknown_arguments_are_passed_over():
    flags, unknown = parse(["--bogus=1", "--model_base_path=m", "stray", "-x"])
    assert flags == Flags(model_base_path="m")
    assert unknown == ["--bogus=1", "stray", "-x"]


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], "--model_base_path"),
        (["--port=http"], "Couldn't interpret value http for flag port"),
        (["--port=70000"], "--port must be at most 65535. Received: 70000."),
        (["--port=-1"], "--port must be at least 0. Received: -1."),
        (["--port"], "--port needs a value"),
        (["--enable_model_warmup=perhaps"], "Couldn't interpret value perhaps"),
        (["--model_name="], "--model_name must not be empty."),
        (["--port=0"], "nothing would be served"),
        (["--shutdown_grace_seconds=-1"], "--shutdown_grace_seconds must be at least 0"),
        (["--grpc_max_threads=0"], "--grpc_max_threads must be at least 1"),
    ],
)
def test_a_bad_value_is_named(arguments, named):
    base = ["--model_base_path=m"] if arguments else []
    with pytest.raises(FlagError) as raised:
        parse([*base, *arguments])
    assert named in str(raised.value)
    assert "\n" not in str(raised.value)


def test_usage_lists_every_flag_with_its_default():
    text = usage("serve")
    for line in ("--port=8500", '--model_name="default"', "--enable_model_warmup=true"):
        assert line in text
    assert len(text.splitlines()) == 2 + len(Flags.__dataclass_fields__)
