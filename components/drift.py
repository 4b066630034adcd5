"""Drift: how far one prepared data set lies from another, say today's from yesterday's."""

# pyright: reportAttributeAccessIssue=false
# (pyarrow.compute makes its functions when it is imported)

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from components.artifacts import Prepared
from components.entities import ID
from components.errors import ArtifactError, ConfigError, DriftError
from components.vocabularies import COUNT

Share = Annotated[float, Field(ge=0, le=1)]


class DriftLimits(BaseModel):
    """How far is too far; each limit is of the measure of its name."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    divergence: Share = 0.2
    """Of the frequencies of the candidates: 0 where they are equal, 1 where they share nothing."""
    oov_rate: Share = 0.1
    """Share of the new training rows whose candidate the old catalogue lacks."""
    new_candidates: Share = 0.3
    """Share of the new catalogue that the old one lacks."""
    lost_candidates: Share = 0.3
    """Share of the old catalogue that the new one lacks."""
    coverage_change: Share = 0.1
    """The largest change of a feature's coverage of the training rows, up or down."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One measure of drift beside its limit."""

    name: str
    value: float
    limit: float

    @property
    def is_within(self) -> bool:
        """Whether the limit holds."""
        return self.value <= self.limit


def parse_limits(overrides: Sequence[str]) -> DriftLimits:
    """The limits, some of them overridden by `measure=share`.

    Raises:
      ConfigError: There is no such measure, or the limit is no share.
    """
    named = {name: share for name, _, share in (each.partition("=") for each in overrides)}
    try:
        return DriftLimits.model_validate(named)
    except ValidationError as error:
        (name, *_), given = error.errors()[0]["loc"], error.errors()[0]["input"]
        measures = ", ".join(DriftLimits.model_fields)
        raise ConfigError(
            f"--limit {name}={given}: give one of {measures} and a share from 0 to 1, for example "
            "divergence=0.1."
        ) from error


def drift(old: Prepared, new: Prepared, limits: DriftLimits) -> list[Measure]:
    """Measures how far `new` lies from `old`.

    Raises:
      ArtifactError: One of them lacks what is compared, or it cannot be read.
    """
    before, after = _counts(old), _counts(new)
    known = _is_in(after, before)
    rows = after[COUNT].to_numpy()
    values = {
        "divergence": _divergence(before, after),
        "oov_rate": float(rows[~known].sum() / max(rows.sum(), 1)),
        "new_candidates": _share(~known),
        "lost_candidates": _share(~_is_in(before, after)),
        "coverage_change": _coverage_change(old, new),
    }
    return [Measure(name, values[name], getattr(limits, name)) for name in DriftLimits.model_fields]


def check_drift(measures: list[Measure]) -> None:
    """Checks that every limit holds.

    Raises:
      DriftError: One does not.
    """
    beyond = [measure for measure in measures if not measure.is_within]
    if beyond:
        told = ", ".join(
            f"{each.name} is {each.value:.4f} where {each.limit:g} is allowed" for each in beyond
        )
        raise DriftError(f"the data moved too far: {told}; look into it, or allow more.")


def jensen_shannon(p: np.ndarray, q: np.ndarray) -> float:
    """Jensen-Shannon divergence of two distributions, in bits: 0 to 1.

        JS(p, q) = KL(p, m) / 2 + KL(q, m) / 2,   m = (p + q) / 2

    Args:
      p: `[values]` probabilities.
      q: `[values]` probabilities.

    Example:
      >>> jensen_shannon(np.array([1.0, 0.0]), np.array([0.0, 1.0]))
      1.0

    References:
      Lin, Divergence Measures Based on the Shannon Entropy, IEEE Trans. Inf. Theory 1991.
    """
    mean = (p + q) / 2
    divergence = 0.0
    for each in (p, q):
        shown = each > 0
        divergence += float((each[shown] * np.log2(each[shown] / mean[shown])).sum()) / 2
    return min(max(divergence, 0.0), 1.0)


@contextlib.contextmanager
def _told(path: Path) -> Iterator[None]:
    """Turns what reading a part of an artifact raises into a sentence that names it."""
    try:
        yield
    except (OSError, ValueError, KeyError, TypeError, pa.ArrowException) as error:
        reason = "it is missing" if isinstance(error, FileNotFoundError) else "it is damaged"
        raise ArtifactError(
            f"{path}: {reason}, or was prepared by another version; prepare the data anew."
        ) from error


def _counts(prepared: Prepared) -> pa.Table:
    with _told(prepared.frequencies):
        return pq.read_table(prepared.frequencies, columns=[ID, COUNT])


def _coverages(prepared: Prepared) -> dict[tuple[str, str], float]:
    """Side and feature to the feature's coverage of the training rows."""
    with _told(prepared.statistics):
        described = json.loads(prepared.statistics.read_text(encoding="utf-8"))["features"]
        return {
            (side, name): float(values["coverage_of_rows"])
            for side in ("queries", "candidates")
            for name, values in described[side].items()
        }


def _is_in(table: pa.Table, other: pa.Table) -> np.ndarray:
    found = pc.is_in(table[ID], value_set=other[ID].combine_chunks())
    return found.combine_chunks().to_numpy(zero_copy_only=False)


def _share(flags: np.ndarray) -> float:
    return float(flags.mean()) if len(flags) else 0.0


def _divergence(before: pa.Table, after: pa.Table) -> float:
    joined = before.join(after, keys=ID, join_type="full outer", right_suffix="_after")
    p, q = (
        pc.fill_null(joined[name], 0).to_numpy().astype(np.float64)
        for name in (COUNT, f"{COUNT}_after")
    )
    # In one order, whatever that of the join: a sum of floats depends on it.
    order = np.lexsort([q, p])
    return jensen_shannon(p[order] / max(p.sum(), 1), q[order] / max(q.sum(), 1))


def _coverage_change(old: Prepared, new: Prepared) -> float:
    """The largest change over the features that both have."""
    before, after = _coverages(old), _coverages(new)
    changes = [abs(after[name] - before[name]) for name in before.keys() & after.keys()]
    return max(changes, default=0.0)
