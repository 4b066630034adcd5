"""Entities: the queries and the candidates, with what is known of each from side tables."""

from __future__ import annotations

from typing import Self

from pydantic import BaseModel, ConfigDict, model_validator

from components.interactions import ColumnName, Files
from models.features import Feature

RESERVED_NAMES = ("id", "count", "title")


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
