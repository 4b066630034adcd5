"""What a trained model knows, as vectors beside their ids."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import numpy as np
import pyarrow.parquet as pq

from components.artifacts import Prepared
from components.entities import ID
from models.features import FIRST_KNOWN_ROW
from models.towers import Tower
from models.two_tower import TwoTower

_CHUNK = 65_536


@dataclass(frozen=True, slots=True)
class Embedded:
    """Ids and embeddings of every query and candidate.

    Attributes:
      query_ids: Id of each query row from 1 on.
      queries: `[1 + queries, dim]` float32 by row, row 0 the unknown query's.
      candidate_ids: Id of each candidate row from 1 on.
      candidates: `[1 + candidates, dim]` float32 by row, row 0 the unknown candidate's.
    """

    query_ids: Sequence[str]
    queries: np.ndarray
    candidate_ids: Sequence[str]
    candidates: np.ndarray

    @classmethod
    def of(cls, model: TwoTower, prepared: Prepared) -> Self:
        """Embeds all that the prepared tables name."""
        query_ids, candidate_ids = _read_ids(prepared.queries), _read_ids(prepared.candidates)
        return cls(
            query_ids,
            embed(model.query_tower, np.arange(FIRST_KNOWN_ROW + len(query_ids))),
            candidate_ids,
            embed(model.candidate_tower, np.arange(FIRST_KNOWN_ROW + len(candidate_ids))),
        )


def embed(tower: Tower, rows: np.ndarray) -> np.ndarray:
    """Embeds rows of a tower, some at a time: `[rows]` to `[rows, dim]` float32."""
    chunks = range(0, len(rows), _CHUNK)
    return np.concatenate([tower(rows[start : start + _CHUNK]).numpy() for start in chunks])


def _read_ids(table: Path) -> list[str]:
    return pq.read_table(table, columns=[ID])[ID].to_pylist()
