"""What is precomputed is what a server answers: id by id, score by score."""

import pyarrow.parquet as pq
import pytest

from components.questions import Question, count_shards, questions
from pipeline import config, steps
from pipeline.runners import pipeline_options
from serving.client import RetrievalClient
from tests.conftest import write_run
from tests.preparing import read_examples, rows_of
from tests.serving.harness import ServerProcess
from tests.world import write_world

K = 12
PARTITIONED = (
    "export.index.brute_force_below=16",
    "export.index.leaves=4",
    "export.index.leaves_to_search=2",
    "export.least_recall=0",
)


@pytest.fixture(scope="module", params=["exact", "partitioned"])
def run(request, tmp_path_factory):
    """A run whose model is published; its work directory is its own."""
    work_dir = tmp_path_factory.mktemp(request.param)
    if request.param == "exact":
        small = request.getfixturevalue("small_run")
        places = (f"work_dir='{work_dir}'", f"model_dir='{small.work_dir / 'published'}'")
        return config.load(small.config, places)
    small = write_run(work_dir, write_world(work_dir / "world", candidates=90, seed=8))
    run = config.load(small.config, PARTITIONED)
    prepared = steps.prepare(run, pipeline_options([]))
    steps.publish(run, steps.export(run, prepared, steps.train(run, prepared)))
    return run


@pytest.fixture(scope="module")
def prepared(run):
    return steps.prepare(run, pipeline_options([]))


@pytest.fixture(scope="module")
def client(run, tmp_path_factory):
    process = ServerProcess(run.model_dir, tmp_path_factory.mktemp("server") / "log")
    try:
        with RetrievalClient(process.target, deadline_s=30) as client:
            client.wait_until_ready()
            yield client
    finally:
        process.stop()


@pytest.fixture(scope="module", params=[True, False], ids=["exclude_seen", "keep_seen"])
def question(request):
    return Question(K, request.param)


@pytest.fixture(scope="module")
def precomputed(run, prepared, question):
    """The candidates of each query, with their scores."""
    options = pipeline_options([])
    made, _ = steps.precompute(run, prepared, steps.published(run), question, options)
    return {
        row["query_id"]: list(zip(row["candidate_ids"], row["scores"], strict=True))
        for row in pq.read_table(made.candidates).to_pylist()
    }


@pytest.fixture(scope="module")
def excluded(prepared, question):
    """What each query must not get, read from the examples of all splits."""
    queries, candidates = (
        [row["id"] for row in rows_of(table)] for table in (prepared.queries, prepared.candidates)
    )
    past = {query: set() for query in queries}
    for split in ("train", "validation", "test"):
        for candidate, query, _ in read_examples(prepared.path, split):
            if query and candidate and question.exclude_seen:
                past[queries[query - 1]].add(candidates[candidate - 1])
    return {query: sorted(own) for query, own in past.items()}


def test_the_same_requests_get_the_same_ids_and_scores(
    client, prepared, question, precomputed, excluded
):
    asked = []
    for shard in range(count_shards(prepared)):
        for table in questions(prepared, shard, question):
            batch = table["query_id"].to_pylist()
            answers = client.retrieve_batch(
                batch, k=K, exclude=[excluded[query] for query in batch]
            )
            for query, answer in zip(batch, answers, strict=True):
                assert [(each.id, each.score) for each in answer] == precomputed[query]
            asked += batch
    assert sorted(asked) == sorted(precomputed)
    assert len(asked) == 40


def test_each_query_alone_gets_the_same_candidates(client, precomputed, excluded):
    # A batch adds up a dot product in another order than a single request does.
    for query, expected in precomputed.items():
        answer = client.retrieve(query, k=K, exclude=excluded[query])
        assert [each.id for each in answer] == [candidate for candidate, _ in expected]
        assert [each.score for each in answer] == pytest.approx(
            [score for _, score in expected], rel=1e-6, abs=1e-6
        )
        assert not {each.id for each in answer} & set(excluded[query])
