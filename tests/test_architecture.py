# pyright: reportAttributeAccessIssue=false
# (protobuf makes its message classes when it is imported)
"""What holds for the project as a whole."""

import importlib.metadata
import re
import shlex
from pathlib import Path

import pytest
from google.protobuf import text_format
from tensorflow_serving.config import model_server_config_pb2

ROOT = Path(__file__).parents[1]
PACKAGES = ("pipeline", "components", "models", "serving")


@pytest.mark.parametrize("package", PACKAGES)
def test_no_other_distribution_ships_our_packages(package):
    # A second one would overwrite ours without a word.
    owners = importlib.metadata.packages_distributions()[package]
    assert set(owners) == {"shortlist"}


def test_no_test_directory_is_a_package():
    # `tests/models/__init__.py` would shadow our `models`.
    assert list((ROOT / "tests").rglob("__init__.py")) == []


def test_every_lock_pins_by_hash_and_names_no_place():
    for lock in ROOT.glob("requirements*.lock"):
        text = lock.read_text()
        pins = re.findall(r"^[a-z0-9][^\s=]*==\S+ \\$", text, flags=re.MULTILINE)
        assert len(pins) > 20
        assert "://" not in text


def test_the_tf_serving_config_is_one_that_tf_serving_reads():
    config = model_server_config_pb2.ModelServerConfig()
    text_format.Parse((ROOT / "serving/models.config").read_text(), config)
    (model,) = config.model_config_list.config
    assert (model.name, model.base_path, model.model_platform) == (
        "candidates",
        "/models/candidates",
        "tensorflow",
    )


def test_the_dockerfile_copies_only_what_is_there():
    dockerfile = (ROOT / "Dockerfile").read_text()
    copied = re.findall(r"^COPY (.+) \S+$", dockerfile, flags=re.MULTILINE)
    for source in (each for line in copied for each in shlex.split(line)):
        assert (ROOT / source).exists(), source


def test_the_images_serve_what_a_run_publishes():
    dockerfile = (ROOT / "Dockerfile").read_text()
    targets = re.findall(r"^FROM (\S+) AS (\S+)$", dockerfile, flags=re.MULTILINE)
    # The last target is the default.
    assert targets[-1] == ("google/tf-serving-scann:2.11.0", "tf-serving")
    assert [name for _, name in targets] == ["embedded", "tf-serving"]
    assert dockerfile.count("/models/candidates") >= 1
