"""The command line: `python -m pipeline COMMAND`.

Exit codes: 0 done, 2 bad input or a job that its runner did not do (one line says what and where),
3 the exported model was refused.
What stands after `--` goes to Beam.
"""

from __future__ import annotations

import errno
import logging
import os
import sys
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from components.errors import ConfigError, ShortlistError

if TYPE_CHECKING:
    from apache_beam.options.pipeline_options import PipelineOptions

    from components.artifacts import Counts
    from pipeline.config import Run

# Before TensorFlow is imported, here and nowhere else: TensorFlow Recommenders needs legacy Keras.
os.environ["TF_USE_LEGACY_KERAS"] = "1"
# Level 2 would still tell a machine without a GPU that it has none, as an error.
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

app = typer.Typer(
    name="python -m pipeline",
    help="From interaction logs to a published candidate model.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

ConfigPath = Annotated[Path, typer.Argument(metavar="CONFIG", help="The run file, in TOML.")]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="SECTION.KEY=VALUE", help="Overrides a value of the run file."),
]
BeamArguments = Annotated[
    list[str] | None, typer.Argument(metavar="-- BEAM OPTIONS", help="Options of Beam.")
]

_MOST_K = 2**31 - 1
"""`k` crosses the edge of the model as an int32."""


class DatasetName(StrEnum):
    """The data sets that can be fetched."""

    ML_100K = "ml-100k"


class Split(StrEnum):
    """The splits that can be recommended for."""

    VALIDATION = "validation"
    TEST = "test"


@app.command()
def fetch(
    name: DatasetName,
    directory: Annotated[
        Path | None, typer.Option("--to", help="Where it goes; data/NAME by default.")
    ] = None,
) -> None:
    """Fetches a public data set and converts it to Parquet."""
    from components.datasets import fetch_ml_100k

    dataset = fetch_ml_100k(directory or Path("data") / name)
    print(f"{name}: {dataset.path}")


@app.command()
def prepare(
    config: ConfigPath,
    since: Annotated[
        Path | None,
        typer.Option("--since", help="Prepared data of the rows before these: `--set since=...`."),
    ] = None,
    beam: BeamArguments = None,
    overrides: Overrides = None,
) -> None:
    """Validates, splits and encodes the interactions with Beam."""
    from pipeline import steps

    past = [] if since is None else [f"since={since}"]
    run = _load(config, [*(overrides or []), *past])
    prepared = steps.prepare(run, _options(beam))
    _print_counts(prepared.manifest.counts, prepared.path)


@app.command()
def frequencies(
    config: ConfigPath, beam: BeamArguments = None, overrides: Overrides = None
) -> None:
    """Counts the candidates of all rows with Beam, for a model that is trained elsewhere."""
    from pipeline import steps

    counted = steps.frequencies(_load(config, overrides), _options(beam))
    _print_counts(counted.manifest.counts, counted.path)


@app.command()
def train(config: ConfigPath, beam: BeamArguments = None, overrides: Overrides = None) -> None:
    """Trains the model, after what it needs; resumes a run that was cut off."""
    from pipeline import steps

    run = _load(config, overrides)
    checkpoint = steps.train(run, steps.prepare(run, _options(beam)))
    _print_counts(checkpoint.manifest.counts, checkpoint.path)


@app.command()
def evaluate(config: ConfigPath, beam: BeamArguments = None, overrides: Overrides = None) -> None:
    """Measures the model beside its baselines, after what it needs."""
    from pipeline import steps, summary

    run = _load(config, overrides)
    prepared = steps.prepare(run, _options(beam))
    summary.print_metrics(steps.evaluate(run, prepared, steps.train(run, prepared)))


@app.command()
def export(config: ConfigPath, beam: BeamArguments = None, overrides: Overrides = None) -> None:
    """Exports the model and checks it against the trainer's answers, after what it needs."""
    from pipeline import steps

    run = _load(config, overrides)
    prepared = steps.prepare(run, _options(beam))
    exported = steps.export(run, prepared, steps.train(run, prepared))
    _print_counts(exported.manifest.counts, exported.saved_model)


@app.command()
def run(config: ConfigPath, beam: BeamArguments = None, overrides: Overrides = None) -> None:
    """Does everything: prepare, train, evaluate, export, check and publish."""
    from pipeline import steps, summary

    loaded = _load(config, overrides)
    prepared = steps.prepare(loaded, _options(beam))
    checkpoint = steps.train(loaded, prepared)
    metrics = steps.evaluate(loaded, prepared, checkpoint)
    exported = steps.export(loaded, prepared, checkpoint)
    version = steps.publish(loaded, exported)
    summary.print_run(loaded, config, prepared, checkpoint, metrics, version)


@app.command()
def recommend(
    config: ConfigPath,
    out: Annotated[Path, typer.Option("--out", help="The file to write.")],
    split: Annotated[Split, typer.Option("--split", help="Whose queries.")] = Split.TEST,
    k: Annotated[int, typer.Option("--k", min=1, help="Candidates a query.")] = 100,
    beam: BeamArguments = None,
    overrides: Overrides = None,
) -> None:
    """Writes the candidates of every query of a split: `query_id<TAB>candidate candidate ...`.

    They are ranked exactly over the whole catalogue, best first, without what the query had seen.
    A query that training never saw has no line.
    """
    from components.recommendations import write_recommendations
    from pipeline import steps

    run = _load(config, overrides)
    if split is Split.VALIDATION and run.train.refit:
        raise ConfigError(
            f"{config}: with train.refit the model was trained on the validation rows; recommend "
            "for the test split, or add --set train.refit=false."
        )
    if out.is_dir():
        raise ConfigError(f"--out {out}: this is a directory; name a file.")
    prepared = steps.prepare(run, _options(beam))
    embedded = steps.embedded(run, prepared, steps.train(run, prepared))
    queries = write_recommendations(embedded, prepared, split.value, k, out)
    print(f"{queries} queries: {out}")


@app.command()
def precompute(
    config: ConfigPath,
    k: Annotated[
        int | None,
        typer.Option(
            "--k", min=1, max=_MOST_K, help="Candidates a query; `export.k` of the run by default."
        ),
    ] = None,
    exclude_seen: Annotated[
        bool,
        typer.Option(
            "--exclude-seen/--keep-seen", help="Whether what a query interacted with is left out."
        ),
    ] = True,
    beam: BeamArguments = None,
    overrides: Overrides = None,
) -> None:
    """Writes what the newest published model answers every query, with Beam, as Parquet files.

    The answers are those of a server. A query that the model does not know is answered as one
    without a past.
    """
    from components.questions import Question
    from pipeline import steps

    run = _load(config, overrides)
    options = _options(beam)
    version = steps.published(run)
    prepared = steps.prepare(run, options)
    question = Question(k or run.export.k, exclude_seen)
    precomputed, rate = steps.precompute(run, prepared, version, question, options)
    queries = precomputed.manifest.counts["queries"]
    at = "" if rate is None else f" at {rate:.0f} rows/s"
    print(f"{queries} queries of version {version.name}{at}: {precomputed.candidates}")


@app.command()
def compare(
    old: Annotated[Path, typer.Argument(metavar="OLD", help="Prepared data: `WORK_DIR/prepared`.")],
    new: Annotated[Path, typer.Argument(metavar="NEW", help="Prepared data held against it.")],
    limits: Annotated[
        list[str] | None,
        typer.Option("--limit", metavar="MEASURE=SHARE", help="Overrides the limit of a measure."),
    ] = None,
) -> None:
    """Measures how far one prepared data set lies from another; ends with 3 beyond a limit."""
    from components.artifacts import Prepared
    from components.drift import check_drift, drift, parse_limits

    measures = drift(Prepared.open(old), Prepared.open(new), parse_limits(limits or []))
    for each in measures:
        within = "" if each.is_within else "\tbeyond"
        print(f"{each.name}\t{each.value:.4f}\tlimit {each.limit:g}{within}")
    check_drift(measures)


def _load(config: Path, overrides: Sequence[str] | None) -> Run:
    from pipeline.config import load

    return load(config, overrides or [])


def _options(arguments: Sequence[str] | None) -> PipelineOptions:
    from pipeline.runners import pipeline_options

    return pipeline_options(arguments or [])


def _print_counts(counts: Counts, path: Path) -> None:
    for name, count in counts.items():
        print(f"{name}\t{count}")
    print(path)


def main() -> None:
    """Runs a command; an error that the user can act on is one line on standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(_is_news)
    logging.basicConfig(level=logging.WARNING, format="%(asctime)s %(message)s", handlers=[handler])
    for package in ("pipeline", "components"):
        logging.getLogger(package).setLevel(logging.INFO)
    try:
        app()
    except ShortlistError as error:
        _fail(str(error), error.exit_code)
    except OSError as error:
        if error.errno not in _MENDABLE:
            raise
        where = f"{error.filename}: " if error.filename else ""
        _fail(f"{where}{error.strerror}.", ShortlistError.exit_code)


_MENDABLE = (errno.EACCES, errno.ENOTDIR, errno.EROFS, errno.ENOSPC, errno.EDQUOT)
"""What the file system refuses until the user frees, permits or names another place."""


def _fail(sentence: str, exit_code: int) -> NoReturn:
    print(f"error: {' '.join(sentence.splitlines())}", file=sys.stderr)
    sys.exit(exit_code)


def _is_news(record: logging.LogRecord) -> bool:
    """False for what Beam logs of a missing extra that only BigQuery needs, and of a failure.

    A worker logs its error with the traceback, a portable runner the error of each message of its
    job server. Both raise it too, and `main` tells it in one line where it is not a defect of ours.
    """
    is_missing_extra = str(record.msg).startswith("apitools not found")
    is_of_job_server = record.module == "portable_runner" and record.levelno >= logging.ERROR
    raised = record.exc_info[1] if record.exc_info else None
    return not (is_missing_extra or is_of_job_server or isinstance(raised, ShortlistError))


if __name__ == "__main__":
    main()
