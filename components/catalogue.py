"""The catalogue: the tables of queries and candidates, their vocabularies and frequencies."""

# pyright: reportAttributeAccessIssue=false
# (pyarrow.compute makes its functions when it is imported)

from __future__ import annotations

import dataclasses
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from components.artifacts import Manifest, Prepared, Recipe
from components.delimited import CsvConfig
from components.encoding import encode_features
from components.entities import (
    ID,
    TITLE,
    EntitiesConfig,
    join_entities,
    read_entities,
)
from components.errors import ConfigError
from components.frequencies import FrequenciesConfig, frequencies
from components.interactions import SPLIT
from components.occurrences import PERIOD, as_past, merge_occurrences, weigh
from components.splits import TRAIN
from components.vocabularies import COUNT, VALUE, merge_counts, rank, short_order
from components.weights import WEIGHT
from components.whole_files import whole_file


def layout(directory: Path) -> Prepared:
    """The file names of the artifact that is being made in `directory`."""
    return Prepared(directory, Manifest(Recipe(Prepared.kind, {}, {}, {}), "", {}))


@dataclass(frozen=True, slots=True)
class Past:
    """What an earlier preparation counted: all its rows count as training rows now."""

    occurrences: Mapping[str, Path]
    """Occurrences of `queries` and of `candidates`."""
    newest: int
    """Time of the newest row, in microseconds."""

    @classmethod
    def of(cls, prepared: Prepared, half_life_days: float | None) -> Self:
        """The past that a prepared artifact holds.

        Raises:
          ConfigError: It was counted with another half-life: its masses cannot be weighed anew.
        """
        totals = json.loads(prepared.frequency_totals.read_text(encoding="utf-8"))
        if totals["half_life_days"] != half_life_days:
            raise ConfigError(
                f"{prepared.path}: `frequencies.half_life_days` was {totals['half_life_days']} "
                f"there and is {half_life_days} now; keep it, or prepare the past anew."
            )
        splits = json.loads(prepared.statistics.read_text(encoding="utf-8"))["splits"]
        return cls(
            {section: prepared.occurrences(section) for section in ("queries", "candidates")},
            max(counted["last"] for counted in splits.values() if "last" in counted),
        )


@dataclass(frozen=True, slots=True)
class Side:
    """The queries, or the candidates: what is counted, and the side table that describes them."""

    section: Literal["queries", "candidates"]
    column: str
    """Column of the interactions that holds their ids."""
    config: EntitiesConfig
    csv: CsvConfig
    """How a side table of delimited text is written."""
    frequencies: FrequenciesConfig | None
    """Given for the candidates alone."""
    past: Past | None
    """What was counted before."""

    @property
    def half_life_days(self) -> float | None:
        """The half-life of a row; queries have none."""
        return self.frequencies and self.frequencies.half_life_days


def write_side(counted: pa.Table, newest: int, side: Side, directory: Path) -> pa.Table:
    """Ranks the ids of one side by their training rows, and writes all that describes them.

    A candidate of the side table belongs to the catalogue though nobody took it; a query without
    training rows is unknown to the model.

    Args:
      counted: The side's occurrences.
      newest: Time of the newest training row.
      side: The side.
      directory: The artifact's directory.

    Returns:
      Table of `value` and `count`, in the order of the rows.
    """
    entities = read_entities(side.section, side.config, side.csv)
    if side.past is not None:
        of_past = pq.read_table(side.past.occurrences[side.section])
        counted = merge_occurrences([as_past(of_past), counted])
        newest = max(newest, side.past.newest)
    trained = counted.filter(pc.equal(counted[SPLIT], TRAIN)).select([VALUE, COUNT])
    tables = [trained]
    if side.frequencies is not None:
        unseen = pa.array(np.zeros(entities.num_rows, np.int64))
        tables.append(pa.table({VALUE: entities[ID], COUNT: unseen}))
    ranked = rank(merge_counts(tables))
    prepared = layout(directory)
    write_occurrences(prepared.occurrences(side.section), counted, ranked)
    if side.frequencies is None:
        write_entities(prepared.queries, directory, ranked, entities, side.config)
    else:
        write_entities(prepared.candidates, directory, ranked, entities, side.config)
        write_frequencies(directory, counted, ranked, newest, side.frequencies)
    return ranked


def write_counted(
    counted: pa.Table, newest: int, config: FrequenciesConfig, directory: Path
) -> int:
    """Ranks the candidates that occur, and writes their occurrences and frequencies.

    Returns:
      How many candidates there are.
    """
    ranked = rank(merge_counts([counted.select([VALUE, COUNT])]))
    write_occurrences(layout(directory).occurrences("candidates"), counted, ranked)
    write_frequencies(directory, counted, ranked, newest, config)
    return ranked.num_rows


def write_occurrences(path: Path, counted: pa.Table, ranked: pa.Table) -> None:
    """Writes occurrences, by rank; ids without training rows come last."""
    values = counted[VALUE].combine_chunks()
    place = pc.index_in(values, value_set=ranked[VALUE].combine_chunks())
    unranked = values.filter(place.is_null()).unique()
    others = unranked.take(short_order(unranked))
    of_others = pc.index_in(values, value_set=others).cast(pa.int64())
    places = pc.coalesce(place.cast(pa.int64()), pc.add(of_others, ranked.num_rows)).to_numpy()
    keys = [counted[PERIOD].to_numpy(), counted[SPLIT].to_numpy(), places]
    ordered = counted.take(pa.array(np.lexsort(keys)))
    _write(ordered.set_column(0, VALUE, ordered[VALUE].cast(pa.string())), path)


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
    encoded = encode_features(joined, config.features, ranked[COUNT].to_numpy())
    _write(pa.table({**columns, **encoded.columns}), path)
    for feature, moments in encoded.moments.items():
        _write_json(dataclasses.asdict(moments), layout(directory).moments(feature))
    for feature, vocabulary in encoded.vocabularies.items():
        values = vocabulary[VALUE].cast(pa.string())
        table = pa.table({VALUE: values, COUNT: vocabulary[COUNT]})
        _write(table, layout(directory).vocabulary(feature))


def write_frequencies(
    directory: Path, counted: pa.Table, ranked: pa.Table, newest: int, config: FrequenciesConfig
) -> None:
    """Writes the log probability of each candidate, and the totals behind it."""
    ids = ranked[VALUE].combine_chunks()
    weighted = weigh(counted, ids, [TRAIN], config.half_life_days, newest)
    estimated = frequencies(weighted.weights, config.smoothing)
    prepared = layout(directory)
    table = {
        ID: ids.cast(pa.string()),
        COUNT: weighted.counts,
        WEIGHT: weighted.weights,
        "log_q": estimated.log_q,
    }
    _write(pa.table(table), prepared.frequencies)
    totals = {
        "total": int(weighted.counts.sum()),
        "weight": float(weighted.weights.sum()),
        "catalogue": len(ids),
        "smoothing": config.smoothing,
        "half_life_days": config.half_life_days,
        "newest": newest,
        "log_q_unknown": estimated.log_q_unknown,
    }
    _write_json(totals, prepared.frequency_totals)


def _write(table: pa.Table, path: Path) -> None:
    with whole_file(path) as attempt:
        pq.write_table(table.combine_chunks(), attempt)


def _write_json(values: dict[str, Any], path: Path) -> None:
    with whole_file(path) as attempt:
        text = json.dumps(values, indent=2, sort_keys=True)
        attempt.write_text(text + "\n", encoding="utf-8")
