import numpy as np
import pytest
import tensorflow as tf

from models.data import Split, read_columns, read_pairs, training_batches

SHARDS, ROWS = 3, 50


@pytest.fixture(scope="module")
def shards(tmp_path_factory):
    """Three shards; row `r` of shard `s` is query 100 s + r and candidate 1 + 7 r."""
    directory = tmp_path_factory.mktemp("examples")
    paths = [directory / f"train-{shard}.tfrecord" for shard in range(SHARDS)]
    for shard, path in enumerate(paths):
        with tf.io.TFRecordWriter(str(path)) as writer:
            for row in range(ROWS):
                writer.write(
                    example(query=100 * shard + row, candidate=1 + 7 * row).SerializeToString()
                )
    return paths


def example(**features):
    return tf.train.Example(
        features=tf.train.Features(
            feature={
                name: tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
                for name, value in features.items()
            }
        )
    )


def epoch(shards, seed, **options):
    options = {"batch_size": 40, "shuffle_rows": 1000, **options}
    batches = training_batches([Split(shards, SHARDS * ROWS)], seed=seed, **options)
    return [batch["query"] for batch in batches.as_numpy_iterator()]


def test_pairs_come_in_file_order(shards):
    queries, candidates = read_pairs(shards)
    assert queries.tolist() == [100 * shard + row for shard in range(SHARDS) for row in range(ROWS)]
    assert candidates.tolist() == [1 + 7 * row for row in range(ROWS)] * SHARDS


def test_no_shards_hold_no_rows():
    assert read_columns([], ["query"])["query"].shape == (0,)


def test_an_epoch_holds_every_row_once(shards):
    batches = epoch(shards, 0)
    assert [len(batch) for batch in batches] == [40, 40, 40, 30]
    assert sorted(np.concatenate(batches).tolist()) == sorted(read_pairs(shards)[0].tolist())


def test_the_seed_alone_decides_the_order(shards):
    first, again, other = (np.concatenate(epoch(shards, seed)).tolist() for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_a_small_window_still_mixes_the_shards(shards):
    for batch in epoch(shards, 3, shuffle_rows=48):
        assert len({query // 100 for query in batch.tolist()}) == SHARDS


def test_a_wrong_number_of_rows_is_an_error(shards):
    batches = training_batches([Split(shards, 1000)], batch_size=40, shuffle_rows=10, seed=0)
    with pytest.raises(
        tf.errors.FailedPreconditionError,
        match="expected to contain 25 elements but contained only 4",
    ):
        list(batches)


def write_rows(path, candidates):
    with tf.io.TFRecordWriter(str(path)) as writer:
        for candidate in candidates:
            writer.write(example(query=1, candidate=candidate).SerializeToString())
    return path


def test_a_small_split_is_spread_over_the_whole_epoch(tmp_path):
    # Candidate 1 marks the 8000 rows of the large split, candidate 2 the 1000 of the small one.
    splits = [
        Split([write_rows(tmp_path / f"{name}", [name] * rows)], rows)
        for name, rows in ((1, 8000), (2, 1000))
    ]
    batches = training_batches(splits, batch_size=900, shuffle_rows=500, seed=0)
    shares = [np.mean(batch["candidate"] == 2) for batch in batches.as_numpy_iterator()]
    # Five standard errors of a share of 1/9 among the 900 / 16 blocks that are drawn together.
    assert np.abs(np.array(shares) - 1 / 9).max() < 5 * np.sqrt(1 / 9 * 8 / 9 / (900 / 16))


def test_a_row_whose_candidate_is_unknown_is_left_out(tmp_path):
    path = write_rows(tmp_path / "rows", [3, 0, 4, 0])
    batches = training_batches([Split([path], 4)], batch_size=2, shuffle_rows=1, seed=0)
    assert [b["candidate"].tolist() for b in batches.as_numpy_iterator()] == [[3], [4]]
