"""Entities: the queries and the candidates, with what is known of each from side tables."""

# pyright: reportAttributeAccessIssue=false
# (pyarrow.compute makes its functions when it is imported)

from __future__ import annotations

from collections.abc import Callable
from typing import Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from pydantic import BaseModel, ConfigDict, model_validator

from components.columns import (
    ID_TYPE,
    as_ids,
    as_numbers,
    is_categories,
    is_category,
    is_id,
    is_list,
    is_number,
    is_text,
)
from components.delimited import CsvConfig
from components.errors import DataError
from components.files import InputFile, Wanted, find_files, read_file
from components.interactions import ColumnName, Files
from components.vocabularies import COUNT, VALUE, count_values, rank
from models.features import Feature, ListFeature, NumericFeature, StandardisedFeature

ID = "id"
TITLE = "title"

RESERVED_NAMES = (ID, COUNT, TITLE)


class EntitiesConfig(BaseModel):
    """A side table of queries or candidates: one row an id."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    files: Files = ()
    """Paths, globs or directories of the table; none where only the ids are known."""
    id: ColumnName | None = None
    """Column of the id that joins the table to the interactions."""
    features: tuple[Feature, ...] = ()
    """The columns that the model learns from."""

    @model_validator(mode="after")
    def _files_and_id_go_together(self) -> Self:
        if self.files and self.id is None:
            raise ValueError("`id` must name the column that identifies a row of `files`")
        if self.id is not None and not self.files:
            raise ValueError("`id` needs `files`, the table it is a column of")
        if self.features and not self.files:
            raise ValueError("`features` need `files`, the table they are columns of")
        return self

    @model_validator(mode="after")
    def _names_are_distinct(self) -> Self:
        names = [feature.name for feature in self.features]
        for position, name in enumerate(names):
            if name in names[:position]:
                raise ValueError(f"feature `{name}` is given twice")
            if name in RESERVED_NAMES:
                raise ValueError(
                    f"a feature may not be called `{name}`: the prepared table has a column of "
                    "that name; rename the column"
                )
        return self


class CandidatesConfig(EntitiesConfig):
    """The side table of candidates: its ids are in the catalogue even if nobody took them yet."""

    title: ColumnName | None = None
    """Column of a name for people to read."""

    @model_validator(mode="after")
    def _title_needs_files(self) -> Self:
        if self.title is not None and not self.files:
            raise ValueError("`title` needs `files`, the table it is a column of")
        return self


def wanted_columns(section: str, config: EntitiesConfig) -> list[Wanted]:
    """The columns that a side table must have."""
    if config.id is None:
        return []
    wanted = [Wanted(f"{section}.id", config.id, is_id, "strings or integers")]
    if isinstance(config, CandidatesConfig) and config.title is not None:
        wanted.append(Wanted(f"{section}.title", config.title, is_category, "text"))
    for feature in config.features:
        allows, needs = _REQUIREMENTS[feature.kind]
        wanted.append(Wanted(f"{section}.features", feature.name, allows, needs))
    return wanted


def read_entities(section: str, config: EntitiesConfig, csv: CsvConfig) -> pa.Table:
    """Reads a side table whole: `id`, `title` where there is one, and the raw features.

    Raises:
      DataError: An id is missing or stands in two rows, or a number is none.
    """
    if config.id is None:
        return pa.table({ID: pa.array([], ID_TYPE)})
    files = find_files(section, config.files)
    wanted = wanted_columns(section, config)
    names = list(dict.fromkeys(want.column for want in wanted))
    tables = [_entities(config, config.id, read_file(file, names, csv), file) for file in files]
    table = pa.concat_tables(tables).combine_chunks()
    counts = count_values(table[ID])
    twice = rank(counts.filter(pc.greater(counts[COUNT], 1)))
    if twice.num_rows:
        where = ", ".join(file.path for file in files)
        raise DataError(
            f"{where}: id {twice[VALUE][0].as_py()!r} stands in {twice[COUNT][0].as_py()} rows; "
            f"`{section}.id` must name a column that holds each id once."
        )
    return table


def join_entities(ids: pa.Array, entities: pa.Table) -> pa.Table:
    """The rows of `entities` in the order of `ids`; null where an id has no row."""
    found = pc.index_in(ids, value_set=entities[ID].combine_chunks())
    columns = {name: entities[name].take(found) for name in entities.column_names if name != ID}
    return pa.table({ID: ids, **columns})


def _entities(config: EntitiesConfig, id_column: str, raw: pa.Table, file: InputFile) -> pa.Table:
    """Raw columns of one file in the types that the files of a side table share."""
    columns = {ID: as_ids(_column(raw, id_column))}
    missing = columns[ID].null_count
    if missing:
        raise DataError(
            f"{file.path}: {missing} of {raw.num_rows} rows have no id in column `{id_column}`; "
            "each row must name what it describes."
        )
    if isinstance(config, CandidatesConfig) and config.title is not None:
        columns[TITLE] = as_ids(_column(raw, config.title))
    for feature in config.features:
        column = _column(raw, feature.name)
        if isinstance(feature, NumericFeature | StandardisedFeature):
            columns[feature.name] = _numbers(column, feature, file)
        elif isinstance(feature, ListFeature):
            columns[feature.name] = _lists(column, feature)
        else:
            columns[feature.name] = as_ids(column)
    return pa.table(columns)


def _column(table: pa.Table, name: str) -> pa.Array:
    return table[name].combine_chunks()


def _numbers(column: pa.Array, feature: Feature, file: InputFile) -> pa.Array:
    numbers = as_numbers(column)
    if is_text(column.type):
        given = as_ids(column).is_valid().to_numpy(zero_copy_only=False)
        wrong = np.flatnonzero(given & np.isnan(numbers))
        if len(wrong):
            raise DataError(
                f"{file.path}: column `{feature.name}` holds {column[wrong[0]].as_py()!r}, which "
                "is no number; leave the value empty, or make the feature categorical."
            )
    return pa.array(numbers)


def _lists(column: pa.Array, feature: ListFeature) -> pa.Array:
    """Lists of strings without nulls and without empty entries; null becomes the empty list."""
    if not is_list(column.type):
        column = pc.split_pattern(as_ids(column), feature.separator)
    values = as_ids(column.flatten())
    lengths = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
    owner = np.repeat(np.arange(len(column)), lengths)
    kept = values.is_valid().to_numpy(zero_copy_only=False)
    ends = np.cumsum(np.bincount(owner[kept], minlength=len(column)))
    offsets = pa.array(np.append(0, ends), pa.int64())
    return pa.LargeListArray.from_arrays(offsets, values.drop_null())


_REQUIREMENTS: dict[str, tuple[Callable[[pa.DataType], bool], str]] = {
    "categorical": (is_category, "text, integers or booleans"),
    "list": (is_categories, "lists of text, or text"),
    "text": (is_category, "text"),
    "numeric": (is_number, "numbers or text"),
    "standardised": (is_number, "numbers or text"),
}
