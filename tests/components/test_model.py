import numpy as np
import pyarrow.parquet as pq
import pytest

from components.artifacts import Checkpoint
from components.errors import ArtifactError
from components.model import ModelConfig, build_model, restore
from pipeline import config
from tests.preparing import read_examples


@pytest.fixture(scope="module")
def run(small_run):
    return config.load(small_run.config)


def build(run, prepared, splits=("train",), **changes):
    return build_model(
        ModelConfig(embedding_dim=8, **changes),
        prepared,
        query_features=run.queries.features,
        candidate_features=run.candidates.features,
        splits=splits,
        seed=1,
    )


def weight(layer, name):
    (found,) = [each.numpy() for each in layer.weights if each.name.split(":")[0] == name]
    return found


def test_the_towers_hold_the_features_of_every_row_and_of_the_unknown(run, prepared):
    model = build(run, prepared)
    candidates = pq.read_table(prepared.candidates).to_pylist()
    genres = weight(model.candidate_tower, "genres_rows")
    assert genres[0].tolist() == [0] * genres.shape[1]
    for row, candidate in enumerate(candidates, 1):
        assert [each for each in genres[row] if each] == candidate["genres"]
    ages = [row["age"] for row in pq.read_table(prepared.queries).to_pylist()]
    assert weight(model.query_tower, "age_rows").tolist() == [0, *ages]


def test_tables_are_as_long_as_their_vocabularies(run, prepared):
    model = build(run, prepared)
    genres = pq.read_table(prepared.vocabulary("genres")).num_rows
    assert weight(model.candidate_tower, "genres_embeddings").shape == (1 + genres, 8)
    assert weight(model.query_tower, "age_embeddings").shape == (1 + 3, 8)
    assert weight(model.query_tower, "id_embeddings").shape == (1 + 40, 8)


@pytest.mark.parametrize("splits", [["train"], ["train", "validation"]])
def test_the_correction_counts_the_rows_that_are_trained_on(run, prepared, splits):
    model = build(run, prepared, splits)
    ids = pq.read_table(prepared.candidates)["id"].to_pylist()
    rows = [example for split in splits for example in read_examples(prepared.path, split)]
    counts = np.zeros(1 + len(ids))
    for candidate, *_ in rows:
        counts[candidate] += 1
    total = len(rows) + 0.5 * len(ids)
    expected = np.log((counts[1:] + 0.5) / total)
    np.testing.assert_allclose(model._log_q[1:], expected, rtol=1e-5)
    np.testing.assert_allclose(model._log_q[0], np.log(0.5 / total), rtol=1e-5)


def test_a_checkpoint_of_another_shape_is_one_clear_error(run, prepared, small_run):
    checkpoint = Checkpoint.open(small_run.work_dir / "checkpoint")
    narrow = build_model(
        ModelConfig(embedding_dim=4), prepared, query_features=(), candidate_features=(),
        splits=["train"], seed=1,
    )  # fmt: skip
    with pytest.raises(ArtifactError, match="the weights do not fit the model; train again"):
        restore(narrow, checkpoint)
