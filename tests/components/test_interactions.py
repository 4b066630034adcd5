import datetime
import math

import pytest
from pydantic import ValidationError

from components.interactions import InteractionsConfig, wanted_columns

NAMES = {"query": "user", "candidate": "film", "timestamp": "at"}
CONFIG = InteractionsConfig.model_validate({"interactions": ["log.csv"], **NAMES})
LABELLED = InteractionsConfig.model_validate(
    {
        "interactions": ["log.csv"],
        "label": "stars",
        "min_label": 3,
        "earliest": datetime.date(2020, 1, 1),
        "latest": datetime.datetime(2024, 5, 6, 7, 8, 9),
        **NAMES,
    }
)


def test_the_columns_wanted_are_those_the_config_names():
    assert [(want.key, want.column) for want in wanted_columns(LABELLED)] == [
        ("data.query", "user"),
        ("data.candidate", "film"),
        ("data.timestamp", "at"),
        ("data.label", "stars"),
    ]


@pytest.mark.parametrize("config", [CONFIG, LABELLED])
def test_the_config_survives_a_round_trip(config):
    assert InteractionsConfig.model_validate_json(config.model_dump_json()) == config


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        ({"interactions": ["a"], "train": ["b"]}, "not both"),
        ({"train": ["a"], "test": ["b"]}, "`validation` names no file"),
        ({}, "`train` names no file"),
        ({"interactions": ["a"], "timestamp": None}, "`timestamp` must name a column"),
        ({"interactions": ["a"], "min_label": 3}, "`min_label` needs `label`"),
        ({"interactions": ["a"], "label": "c", "min_label": math.nan}, "finite number"),
        ({"interactions": ["a"], "label": "user"}, "must name different columns"),
        ({"interactions": ["a"], "max_id_bytes": 0}, "greater than 0"),
        ({"interactions": ["a"], "earliest": "soon"}, "Input should be a valid datetime"),
        (
            {"interactions": ["a"], "earliest": "2024-01-02", "latest": "2024-01-01"},
            "`earliest` must not come after `latest`",
        ),
        (
            {
                "train": ["a"],
                "validation": ["b"],
                "test": ["c"],
                "timestamp": None,
                "latest": "2024-01-01",
            },
            "`latest` needs `timestamp`",
        ),
        ({"interactions": ["a"], "max_reject_share": 1.5}, "less than or equal to 1"),
        ({"interactions": ["a"], "nickname": "x"}, "Extra inputs are not permitted"),
    ],
)
def test_a_config_that_breaks_a_rule_is_refused_with_the_rule(given, sentence):
    with pytest.raises(ValidationError, match=sentence):
        InteractionsConfig.model_validate({**NAMES, **given})


@pytest.mark.parametrize("day", [datetime.date(2024, 1, 2), "2024-01-02"])
def test_a_date_counts_from_its_begin_to_its_end_in_utc(day):
    config = InteractionsConfig.model_validate(
        {"interactions": ["a"], "earliest": day, "latest": day, **NAMES}
    )
    begin = datetime.datetime(2024, 1, 2, tzinfo=datetime.UTC)
    assert config.earliest == begin
    assert config.latest == begin + datetime.timedelta(days=1, microseconds=-1)


def test_a_time_keeps_its_zone_and_is_utc_without_one():
    config = InteractionsConfig.model_validate(
        {
            "interactions": ["a"],
            "earliest": "2024-01-02T00:00:00",
            "latest": "2024-01-02T00:00:00-01:00",
            **NAMES,
        }
    )
    assert config.earliest == datetime.datetime(2024, 1, 2, tzinfo=datetime.UTC)
    assert config.latest == datetime.datetime(2024, 1, 2, 1, tzinfo=datetime.UTC)
