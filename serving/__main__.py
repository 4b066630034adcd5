"""`python -m serving serve` answers requests; `python -m serving ask` sends one.

`serve` takes the flags of TF Serving, in TF Serving's syntax; `serve --help` lists them.
"""

from __future__ import annotations

import logging
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from serving.server.flags import Flags

app = typer.Typer(add_completion=False, no_args_is_help=True, pretty_exceptions_enable=False)

EXIT_BAD_ARGUMENTS = 2
EXIT_NOT_STARTED = 255

_RAW = {"allow_extra_args": True, "ignore_unknown_options": True, "help_option_names": []}


@app.command(context_settings=_RAW)
def serve(context: typer.Context) -> None:
    """Serve a model over gRPC and REST, as TF Serving does."""
    from serving.server import flags

    if "--help" in context.args:
        print(flags.usage("python -m serving serve"))
        return
    try:
        parsed, unknown = flags.parse(context.args)
    except flags.FlagError as error:
        print(error, file=sys.stderr)
        raise typer.Exit(EXIT_BAD_ARGUMENTS) from error
    for argument in unknown:
        print(f"unknown argument: {argument}")
    if unknown:
        print(flags.usage("python -m serving serve"), flush=True)
    _run(parsed)


@app.command()
def ask(
    target: Annotated[str, typer.Option(help="Where the server listens, as HOST:PORT.")],
    query: Annotated[str, typer.Option(help="The query's id.")],
    k: Annotated[int, typer.Option(min=1, help="How many candidates to ask for.")] = 10,
    exclude: Annotated[
        str, typer.Option(help="Candidates that must not come back, with commas between them.")
    ] = "",
    titles: Annotated[
        Path | None, typer.Option(help="A parquet file with the columns id and title.")
    ] = None,
    model_name: Annotated[str, typer.Option(help="The model to ask.")] = "candidates",
    deadline_s: Annotated[float, typer.Option(min=0.001, help="How long to wait.")] = 5.0,
) -> None:
    """Print the best candidates for a query: rank, candidate, score, and title if known."""
    from serving.client import RetrievalClient, RetrievalError
    from serving.titles import TitlesError, read_titles

    try:
        names = read_titles(titles) if titles else None
        with RetrievalClient(target, model_name=model_name, deadline_s=deadline_s) as client:
            excluded = [each for each in exclude.split(",") if each]
            candidates = client.retrieve(query, k=k, exclude=excluded)
    except (RetrievalError, TitlesError) as error:
        # A model's own message may have many lines.
        print(" ".join(str(error).split()), file=sys.stderr)
        raise typer.Exit(EXIT_BAD_ARGUMENTS) from error
    for rank, candidate in enumerate(candidates, start=1):
        line = [str(rank), candidate.id, f"{candidate.score:.6g}"]
        print("\t".join(line if names is None else [*line, names.get(candidate.id, "")]))


def _run(parsed: Flags) -> None:
    # Level 2 would still tell a machine without a GPU that it has none, as an error.
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    import asyncio

    import tensorflow as tf

    from serving.server.app import serve as serve_until_stopped
    from serving.server.statuses import StatusError

    # The loader that leaves shapes to the graph is deprecated, and says so at each start.
    tf.get_logger().setLevel(logging.ERROR)
    logging.getLogger("uvicorn").setLevel(logging.WARNING)
    try:
        asyncio.run(serve_until_stopped(parsed))
    except StatusError as error:
        print(f"Failed to start server. Error: {error}", flush=True)
        raise typer.Exit(EXIT_NOT_STARTED) from error


if __name__ == "__main__":
    app()
