import re
from pathlib import Path

import pytest

from components.errors import ConfigError
from components.splits import PerQueryTime
from models.features import CategoricalFeature, ListFeature, NumericFeature
from pipeline.config import Run, load

SHIPPED = Path("configs/ml100k.toml")

MINIMAL = """
name = "shop"

[data]
interactions = ["log.csv"]
query = "customer"
candidate = "product"
timestamp = "bought_at"

[split]
kind = "per_query_time"
"""

READY_MADE = """
name = "shop"

[data]
train = ["train.csv"]
validation = ["validation.csv"]
test = ["test.csv"]
query = "customer"
candidate = "product"
"""

JARGON = ("Value error", "tagged", "discriminator", "instance of", "class '", "tuple", "Tuple")


@pytest.fixture
def write(tmp_path):
    def write(text: str | bytes) -> Path:
        path = tmp_path / "run.toml"
        path.write_bytes(text.encode() if isinstance(text, str) else text)
        return path

    return write


def fault(path, overrides=()):
    """The sentence of the error, without the path it begins with."""
    with pytest.raises(ConfigError) as raised:
        load(path, overrides)
    sentence = str(raised.value)
    assert len(sentence.splitlines()) == 1
    assert not any(word in sentence for word in JARGON)
    return sentence.removeprefix(f"{path}: ")


def test_the_shipped_run_says_what_its_file_says():
    run = load(SHIPPED)
    assert (run.name, run.seed) == ("ml100k", 42)
    assert run.data.interactions == ("data/ml-100k/interactions.parquet",)
    assert (run.data.query, run.data.candidate) == ("query_id", "candidate_id")
    assert run.split == PerQueryTime(kind="per_query_time", validation=0.1, test=0.2)
    assert run.queries.features == (
        NumericFeature(kind="numeric", name="age", boundaries=(18, 25, 35, 45, 50, 56)),
        CategoricalFeature(kind="categorical", name="gender"),
        CategoricalFeature(kind="categorical", name="occupation"),
    )
    assert run.candidates.title == "title"
    assert run.candidates.features[1] == ListFeature(kind="list", name="genres", separator="|")
    assert (run.model.embedding_dim, run.model.similarity) == (64, "cosine")
    assert (run.model.objective.temperature, run.model.objective.log_q) == (0.2, "classic")
    assert (run.train.batch_size, run.train.optimizer) == (256, "adagrad")
    assert run.train.learning_rate == 0.1
    assert run.export.k == 100


def test_every_shipped_run_is_accepted():
    shipped = sorted(SHIPPED.parent.glob("*.toml"))
    assert [load(path).name for path in shipped] == [path.stem for path in shipped]


@pytest.mark.parametrize("text", [SHIPPED.read_text(), MINIMAL, READY_MADE])
def test_a_run_survives_json(write, text):
    run = load(write(text))
    assert Run.model_validate_json(run.model_dump_json()) == run


def test_the_preparation_holds_every_key_of_its_own(write):
    run = load(write(MINIMAL))
    assert run.preparation.model_dump() == run.model_dump(
        exclude={"name", "work_dir", "model_dir", "model", "train", "evaluate", "export"}
    )


def test_the_directories_follow_the_name(write):
    run = load(write(MINIMAL))
    assert (run.work_dir, run.model_dir) == (Path("runs/shop"), Path("runs/shop/published"))


def test_the_model_directory_follows_the_work_directory(write):
    run = load(write(MINIMAL), ["work_dir=elsewhere"])
    assert run.model_dir == Path("elsewhere/published")


def test_a_byte_order_mark_is_passed_over(write):
    assert load(write(b"\xef\xbb\xbf" + MINIMAL.encode())) == load(write(MINIMAL))


@pytest.mark.parametrize(
    ("override", "section", "key", "value"),
    [
        ("train.epochs=5", "train", "epochs", 5),
        ("train.learning_rate = 1e-3", "train", "learning_rate", 0.001),
        ("train.refit=false", "train", "refit", False),
        ("evaluate.cutoffs=[5, 10]", "evaluate", "cutoffs", (5, 10)),
        ("data.query=user", "data", "query", "user"),
        ('data.query="user"', "data", "query", "user"),
        ("data.query=a=b", "data", "query", "a=b"),
        ("data.query=two words", "data", "query", "two words"),
        ("data.interactions=['a.csv', 'b.csv']", "data", "interactions", ("a.csv", "b.csv")),
        ("data.csv.delimiter=\t", "data", "csv", {"delimiter": "\t"}),
        ("model.objective.temperature=0.5", "model", "objective", {"temperature": 0.5}),
    ],
)
def test_an_override_is_read_as_toml_or_else_as_text(write, override, section, key, value):
    changed = getattr(getattr(load(write(MINIMAL), [override]), section), key)
    if isinstance(value, dict):
        assert value.items() <= changed.model_dump().items()
    else:
        assert changed == value
        assert type(changed) is type(value)


def test_the_last_override_of_a_key_holds(write):
    assert load(write(MINIMAL), ["seed=1", "seed=2"]).seed == 2


def test_an_override_can_give_a_whole_section(write):
    run = load(write(MINIMAL), ["split={kind='global_time', validation=0.05, test=0.25}"])
    assert run.split is not None
    assert run.split.model_dump() == {"kind": "global_time", "validation": 0.05, "test": 0.25}


def test_text_that_would_smuggle_in_a_second_key_is_text(write):
    assert load(write(MINIMAL), ["data.query=1\nseed=3"]).data.query == "1\nseed=3"


@pytest.mark.parametrize("override", ["train.epochs", "=5", ".epochs=5", "train..epochs=5", ""])
def test_an_override_of_another_form_is_refused_with_an_example(write, override):
    sentence = fault(write(MINIMAL), [override])
    assert sentence == (
        f"--set {override}: write it as section.key=value, for example train.epochs=5."
    )


def test_an_override_inside_a_value_is_refused(write):
    assert fault(write(MINIMAL), ["name.first=a"]) == (
        "--set name.first=a: name is a value, not a section."
    )


def test_an_override_with_a_line_break_stays_one_line(write):
    assert fault(write(MINIMAL), ["a\nb"]).startswith("--set a b: write it as")
    assert fault(write(MINIMAL), ["a\nb=1"]) == r'"a\nb": there is no such key (got 1)'


def test_a_missing_file_is_named(tmp_path):
    assert fault(tmp_path / "none.toml") == "there is no such run file."


def test_a_directory_is_no_run_file(tmp_path):
    assert fault(tmp_path) == "the run file cannot be read (Is a directory)."


def test_invalid_toml_is_told_with_its_line(write):
    path = write(MINIMAL.replace('"per_query_time"', ""))
    assert re.fullmatch(r"not valid TOML: Invalid value \(at line 11, column \d+\)\.", fault(path))


def test_a_file_of_another_encoding_is_refused(write):
    assert fault(write('name = "café"'.encode("latin-1"))).startswith("the run file is not UTF-8 (")


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ("nme=x", "nme: there is no such key (got 'x')"),
        ("trian.epochs=5", "trian: there is no such key (got {'epochs': 5})"),
        ("train.epohcs=5", "train.epohcs: there is no such key (got 5)"),
        (
            "model.objective.temprature=1",
            "model.objective.temprature: there is no such key (got 1)",
        ),
        ("split.per_query_time=1", "split.per_query_time: there is no such key (got 1)"),
        ("train.epochs=true", "train.epochs: Input should be a valid integer (got True)"),
        ("train.epochs='5'", "train.epochs: Input should be a valid integer (got '5')"),
        (
            "train.learning_rate=inf",
            "train.learning_rate: Input should be a finite number (got inf)",
        ),
        ("train.epochs=0", "train.epochs: Input should be greater than or equal to 1 (got 0)"),
        ("seed=-1", "seed: Input should be greater than or equal to 0 (got -1)"),
        ("split.test=2", "split.test: Input should be less than 1 (got 2)"),
        ("name=3", "name: Input should be a valid string (got 3)"),
        (
            "name=a/b",
            "name: String should match pattern '^[A-Za-z0-9][A-Za-z0-9_.-]*$' (got 'a/b')",
        ),
        ("train=3", "train: Input should be a section (got 3)"),
        ("split=3", "split: Input should be a section (got 3)"),
        ("data.interactions=log.csv", "data.interactions: Input should be a list (got 'log.csv')"),
        ("data.interactions=['']", "data.interactions[0]: String should have at least 1 character"),
        ("work_dir=3", "work_dir: Input should be a valid string (got 3)"),
        (
            "data.timestamp_unit=h",
            "data.timestamp_unit: Input should be 's', 'ms' or 'us' (got 'h')",
        ),
        ("evaluate.cutoffs=[]", "evaluate.cutoffs: Input should hold at least 1 (got [])"),
        ("evaluate.cutoffs=[0]", "evaluate.cutoffs[0]: Input should be greater than 0 (got 0)"),
        (
            "split.kind=random",
            "split.kind: Input should be one of 'per_query_time', 'global_time', 'leave_last_out' "
            "(got 'random')",
        ),
        ("split={}", "split.kind: this key is required"),
        (
            "split={kind='leave_last_out', test=0.1}",
            "split.test: there is no such key (got 0.1)",
        ),
        (
            "split.test=0.95",
            "split: `validation` and `test` must add up to less than 1 (got 0.1 and 0.95)",
        ),
        ("data.min_label=3", "data: `min_label` needs `label`, the column it is compared with"),
        ("model.objective.kind=hinge", "model.objective.kind: Input should be 'in_batch_softmax'"),
    ],
)
def test_a_bad_value_is_told_by_key_rule_and_value(write, change, sentence):
    path = write(MINIMAL)
    told = fault(path, [change])
    assert told.startswith(sentence)
    assert ";" not in told


@pytest.mark.parametrize(
    ("feature", "sentence"),
    [
        (
            "{ kind = 'image', name = 'a' }",
            ".kind: Input should be one of 'categorical', 'list', 'text', 'numeric', "
            "'standardised' (got 'image')",
        ),
        ("{ name = 'a' }", ".kind: this key is required"),
        ("{ kind = 'numeric', name = 'a' }", ".boundaries: this key is required"),
        (
            "{ kind = 'numeric', name = 'a', boundaries = [2, 1] }",
            ".boundaries: boundaries must be strictly increasing (got [2, 1])",
        ),
        (
            "{ kind = 'numeric', name = 'a', boundaries = [1, 'b'] }",
            ".boundaries[1]: Input should be a valid number (got 'b')",
        ),
        ("{ kind = 'list', name = 'a', list = 1 }", ".list: there is no such key (got 1)"),
        ("3", ": Input should be a section (got 3)"),
    ],
)
def test_a_bad_feature_is_told_by_its_place_in_the_list(write, feature, sentence):
    fine = "{ kind = 'categorical', name = 'fine' }"
    side = f"[queries]\nfiles = ['q.csv']\nid = 'q'\nfeatures = [{fine}, {feature}]\n"
    assert fault(write(MINIMAL + side)) == f"queries.features[1]{sentence}"


@pytest.mark.parametrize("key", ["query", "candidate"])
def test_a_missing_key_is_told_to_be_required(write, key):
    path = write(re.sub(f"(?m)^{key} = .*$", "", MINIMAL))
    assert fault(path) == f"data.{key}: this key is required"


def test_every_fault_is_told_at_once(write):
    assert sorted(fault(write("seed = -1")).split("; ")) == [
        "data: this key is required",
        "name: this key is required",
        "seed: Input should be greater than or equal to 0 (got -1)",
    ]


def test_a_log_without_a_split_is_refused(write):
    path = write(MINIMAL.replace('[split]\nkind = "per_query_time"', ""))
    assert fault(path) == "`split` must say how `data.interactions` are split"


def test_ready_made_files_need_no_split_and_allow_none(write):
    assert load(write(READY_MADE)).split is None
    assert fault(write(READY_MADE), ["split.kind=global_time"]) == (
        "`split` must be absent where `data` names `train`, `validation` and `test`"
    )


def test_a_key_that_toml_must_quote_is_told_quoted(write):
    assert (
        fault(write(MINIMAL + '"a\\nb.c" = 1')) == r'split."a\nb.c": there is no such key (got 1)'
    )


def test_a_long_value_is_cut(write):
    told = fault(write(MINIMAL), [f"nme={'x' * 10_000}"])
    assert told.startswith("nme: there is no such key (got 'xxx")
    assert told.endswith("xxx...)")
    assert len(told) < 200


@pytest.mark.parametrize(
    ("steps", "key"),
    [
        ("[]", "data.weights.steps"),
        ("[{ from_label = 1, weight = -1 }]", "data.weights.steps[0].weight"),
    ],
)
def test_a_key_that_is_called_like_the_kind_of_its_section_is_named(write, steps, key):
    weights = f'data.weights={{ kind = "steps", steps = {steps} }}'
    sentence = fault(write(MINIMAL), ["data.label=stars", weights])
    assert sentence.startswith(f"{key}: ")
