import numpy as np
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st

from models.index import IndexConfig
from models.retriever import Retriever
from models.towers import Tower

DIM = 8
QUERIES = 5


def make_retriever(candidates, *, index, seed=0, embeddings=None):
    tower = Tower(
        QUERIES + 1, [], embedding_dim=DIM, similarity="cosine", seed=seed, name="query_tower"
    )
    if embeddings is None:
        embeddings = np.random.default_rng(seed).normal(size=(candidates, DIM)).astype(np.float32)
    return Retriever(
        tower,
        [f"q{row}" for row in range(QUERIES)],
        embeddings,
        [f"c{position}" for position in range(candidates)],
        index,
    ), embeddings


def traced(retriever):
    return tf.function(
        retriever.retrieve,
        input_signature=[
            tf.TensorSpec([None], tf.string),
            tf.TensorSpec([None], tf.int32),
            tf.TensorSpec([None, None], tf.string),
        ],
    )


BRUTE = IndexConfig()
PARTITIONED = IndexConfig(brute_force_below=16, leaves=8, leaves_to_search=1, reorder=10)
WORLDS = {
    (candidates, name): make_retriever(candidates, index=index)
    for candidates in (1, 7, 120)
    for name, index in (("brute", BRUTE), ("partitioned", PARTITIONED))
}
ANSWERS = {world: traced(retriever) for world, (retriever, _) in WORLDS.items()}


def reference(embedding, embeddings, k, excluded):
    """Positions in exact order, as plain Python."""
    scores = embeddings.astype(np.float64) @ embedding.astype(np.float64)
    eligible = [p for p in np.argsort(-scores, kind="stable") if f"c{p}" not in excluded]
    return eligible[: max(k, 0)], scores


@st.composite
def requests(draw):
    world = draw(st.sampled_from(sorted(WORLDS)))
    rows = draw(st.integers(0, 4))
    ids = st.one_of(st.integers(0, world[0] - 1).map("c{}".format), st.sampled_from(["", "alien"]))
    exclude = draw(st.lists(st.lists(ids, max_size=world[0] + 5), min_size=rows, max_size=rows))
    width = max([len(row) for row in exclude], default=0)
    return (
        world,
        draw(st.lists(st.sampled_from(["q0", "q3", "nobody"]), min_size=rows, max_size=rows)),
        draw(st.lists(st.integers(-1, world[0] + 3), min_size=rows, max_size=rows)),
        [row + [""] * (width - len(row)) for row in exclude],
        width,
    )


@given(requests())
def test_every_answer_keeps_the_promise(request):
    world, queries, k, exclude, width = request
    retriever, embeddings = WORLDS[world]
    ids, scores, count, exact = (
        output.numpy()
        for output in ANSWERS[world](
            tf.constant(queries, tf.string, shape=[len(queries)]),
            tf.constant(k, tf.int32, shape=[len(k)]),
            tf.constant(exclude, tf.string, shape=[len(exclude), width]),
        )
    )
    assert ids.shape == scores.shape == (len(queries), min(world[0], max([0, *k])))
    embedded = retriever.embed(tf.constant(queries, tf.string, shape=[len(queries)])).numpy()
    for row in range(len(queries)):
        want, all_scores = reference(embedded[row], embeddings, k[row], set(exclude[row]))
        n = count[row]
        assert n == len(want)
        got = [value.decode() for value in ids[row, :n]]
        assert len(set(got)) == n
        assert not set(got) & set(exclude[row])
        assert (np.diff(scores[row, :n]) <= 1e-6).all()
        positions = [int(value[1:]) for value in got]
        np.testing.assert_allclose(scores[row, :n], all_scores[positions], atol=1e-4)
        assert (ids[row, n:] == b"").all()
        assert np.isneginf(scores[row, n:]).all()
        if exact[row]:
            np.testing.assert_allclose(scores[row, :n], all_scores[want], atol=1e-5)
    if world[1] == "brute":
        assert exact.all()


def test_a_row_that_comes_up_short_is_answered_exactly():
    # One leaf of eight is searched: 120 candidates can never be found there.
    _, _, count, exact = ANSWERS[120, "partitioned"](
        tf.constant(["q0", "q1"]), tf.constant([120, 1]), tf.constant([["c0"], [""]])
    )
    assert count.numpy().tolist() == [119, 1]
    assert exact.numpy().tolist() == [True, False]


def test_an_empty_batch_is_answered_with_no_rows():
    ids, scores, count, exact = ANSWERS[7, "brute"](
        tf.zeros([0], tf.string), tf.zeros([0], tf.int32), tf.zeros([0, 3], tf.string)
    )
    assert (ids.shape, scores.shape, count.shape, exact.shape) == ((0, 0), (0, 0), (0,), (0,))


def test_excluding_everything_leaves_an_empty_row():
    everything = [[f"c{position}" for position in range(7)]]
    ids, scores, count, _ = ANSWERS[7, "brute"](
        tf.constant(["q0"]), tf.constant([3]), tf.constant(everything)
    )
    assert ids.numpy().tolist() == [[b"", b"", b""]]
    assert np.isneginf(scores.numpy()).all()
    assert count.numpy().tolist() == [0]


def test_equal_candidates_all_come_back_once():
    retriever, _ = make_retriever(50, index=PARTITIONED, embeddings=np.ones((50, DIM), np.float32))
    ids, _, count, _ = traced(retriever)(
        tf.constant(["q0"]), tf.constant([50]), tf.constant([["c1"]])
    )
    assert count.numpy().tolist() == [49]
    assert set(ids.numpy()[0]) == {b"c%d" % n for n in range(50) if n != 1} | {b""}
