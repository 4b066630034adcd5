"""The catalogue: the tables of queries and candidates, their vocabularies and frequencies."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from components.artifacts import Manifest, Prepared, Recipe
from components.entities import (
    ID,
    TITLE,
    EntitiesConfig,
    encode_features,
    join_entities,
    read_entities,
)
from components.frequencies import FrequenciesConfig, frequencies
from components.vocabularies import COUNT, VALUE, merge_counts, rank


def layout(directory: Path) -> Prepared:
    """The file names of the artifact that is being made in `directory`."""
    return Prepared(directory, Manifest(Recipe(Prepared.kind, {}, {}, {}), "", {}))


@dataclass(frozen=True, slots=True)
class Side:
    """The queries, or the candidates: what is counted, and the side table that describes them."""

    section: Literal["queries", "candidates"]
    column: str
    """Column of the interactions that holds their ids."""
    config: EntitiesConfig
    delimiter: str
    frequencies: FrequenciesConfig | None
    """Given for the candidates alone."""


def write_side(counts: Iterable[pa.Table], side: Side, directory: Path) -> pa.Table:
    """Ranks the ids of one side by their training rows, and writes all that describes them.

    A candidate of the side table belongs to the catalogue though nobody took it; a query without
    training rows is unknown to the model.

    Returns:
      Table of `value` and `count`, in the order of the rows.
    """
    entities = read_entities(side.section, side.config, side.delimiter)
    tables = list(counts)
    if side.frequencies is not None:
        unseen = pa.array(np.zeros(entities.num_rows, np.int64))
        tables.append(pa.table({VALUE: entities[ID], COUNT: unseen}))
    ranked = rank(merge_counts(tables))
    prepared = layout(directory)
    if side.frequencies is None:
        write_entities(prepared.queries, directory, ranked, entities, side.config)
    else:
        write_entities(prepared.candidates, directory, ranked, entities, side.config)
        write_frequencies(directory, ranked, side.frequencies)
    return ranked


def write_entities(
    path: Path, directory: Path, ranked: pa.Table, entities: pa.Table, config: EntitiesConfig
) -> None:
    """Writes the table at `path`, its features encoded, and the vocabularies they came from.

    Args:
      path: Where the table goes.
      directory: The artifact's directory.
      ranked: `value` and `count` of each id, in the order of the rows.
      entities: The side table, as `entities.read_entities` returns it.
      config: Names the features.
    """
    ids = ranked[VALUE].combine_chunks()
    joined = join_entities(ids, entities)
    columns: dict[str, pa.Array | pa.ChunkedArray] = {
        ID: ids.cast(pa.string()),
        COUNT: ranked[COUNT],
    }
    if TITLE in joined.column_names:
        columns[TITLE] = joined[TITLE].cast(pa.string())
    encoded, vocabularies = encode_features(joined, config.features)
    _write(pa.table({**columns, **encoded}), path)
    for feature, vocabulary in vocabularies.items():
        values = vocabulary[VALUE].cast(pa.string())
        table = pa.table({VALUE: values, COUNT: vocabulary[COUNT]})
        _write(table, layout(directory).vocabulary(feature))


def write_frequencies(directory: Path, ranked: pa.Table, config: FrequenciesConfig) -> None:
    """Writes the log probability of each candidate, and the totals behind it."""
    estimated = frequencies(ranked[COUNT].to_numpy(), config.smoothing)
    prepared = layout(directory)
    table = pa.table(
        {ID: ranked[VALUE].cast(pa.string()), COUNT: ranked[COUNT], "log_q": estimated.log_q}
    )
    _write(table, prepared.frequencies)
    with prepared.frequency_totals.open("w", encoding="utf-8") as file:
        json.dump(estimated.totals, file, indent=2, sort_keys=True)
        file.write("\n")


def _write(table: pa.Table, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(table.combine_chunks(), path)
