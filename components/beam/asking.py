"""Asking: the job that asks the published model for the candidates of every query.

    shards --ReadQuestions--> batches of queries --AskModel--> answers --ByShard--> WriteParts

Elements are Arrow tables under the number of their shard. TensorFlow is imported where the model is
asked, and the model is loaded once a process.
"""

# pyright: reportArgumentType=false, reportReturnType=false
# (Beam types every `a | b` as a PValue, whatever it is)

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import apache_beam as beam
import pyarrow as pa
from apache_beam.options.pipeline_options import PipelineOptions
from apache_beam.pvalue import PBegin, PCollection
from apache_beam.utils.shared import Shared

from components.artifacts import Counts, Prepared
from components.beam.failures import worker_errors_told
from components.beam.tables import Shard
from components.precompute import count, write_part
from components.questions import Question, count_shards, questions
from components.whole_files import job_directory

if TYPE_CHECKING:
    from components.published import PublishedModel


def precompute(
    question: Question, version: Path, prepared: Prepared, directory: Path, options: PipelineOptions
) -> Counts:
    """Fills `directory` with the layout of `artifacts.Precomputed` and returns the counts.

    Args:
      question: What is asked for every query.
      version: The published version that answers.
      prepared: The data whose queries are asked for.
      directory: Where the files go.
      options: Beam's.

    Raises:
      ArtifactError: The published model cannot be loaded, has no signature to ask, or knows fewer
        candidates than are asked for.
    """
    shards = count_shards(prepared)
    with (
        worker_errors_told(),
        job_directory(directory) as own,
        beam.Pipeline(options=options) as pipeline,
    ):
        (
            pipeline
            | "ReadQuestions" >> ReadQuestions(prepared, shards, question)
            | "AskModel" >> beam.ParDo(AskModel(version, question.k)).with_output_types(Shard)
            | "WriteParts" >> WriteParts(own, shards)
        )
    return count(directory)


@dataclass
class ReadQuestions(beam.PTransform):
    """Reads the queries of every shard, with what they must not get."""

    prepared: Prepared
    shards: int
    question: Question

    def expand(self, input_or_inputs: PBegin) -> PCollection:
        """Returns batches of queries by shard, spread over the workers."""
        return (
            input_or_inputs
            | "Shards" >> beam.Create(range(self.shards))
            | "Read"
            >> beam.FlatMap(read_questions, self.prepared, self.question).with_output_types(Shard)
            | "Spread" >> beam.Reshuffle()
        )


class AskModel(beam.DoFn):
    """Asks the published model, which is loaded once a process.

    Args:
      version: The published version.
      k: How many candidates each query asks for.
    """

    _model: PublishedModel

    def __init__(self, version: Path, k: int) -> None:
        super().__init__()
        self._version = version
        self._k = k
        self._shared = Shared()

    def setup(self) -> None:
        """Loads the model, unless the process has it."""
        from components.published import PublishedModel

        self._model = self._shared.acquire(lambda: PublishedModel(self._version))

    def process(self, element: Shard) -> Iterator[Shard]:
        """Yields the answers to one batch."""
        shard, asked = element
        yield shard, self._model.answer(asked, self._k)


@dataclass
class WriteParts(beam.PTransform):
    """Writes one file a shard."""

    directory: Path
    shards: int

    def expand(self, input_or_inputs: PCollection) -> PCollection:
        """Answers by shard -> None."""
        return (
            input_or_inputs
            | "ByShard" >> beam.GroupByKey()
            | "Write" >> beam.Map(write_answers, self.directory, self.shards)
        )


def read_questions(shard: int, prepared: Prepared, question: Question) -> Iterator[Shard]:
    """`questions.questions` of one shard, by its number."""
    for batch in questions(prepared, shard, question):
        yield shard, batch


def write_answers(element: tuple[int, Iterable[pa.Table]], directory: Path, shards: int) -> None:
    """`precompute.write_part` of one shard."""
    shard, answers = element
    write_part(directory, shard, shards, answers)
