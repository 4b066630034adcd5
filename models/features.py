"""The features of a query or a candidate, as a run's config declares them.

This module imports neither TensorFlow nor Beam: the Beam job encodes by it, and the towers embed by
it.

A feature's value is an integer row. Row 0 means unknown or missing; known values start at
row 1:

    categorical   `gender = "F"`              row of the value in the feature's vocabulary
    list          `genres = ["Drama", "War"]` a row for each entry, padded with 0
    text          `title = "Blade Runner"`    a row for each word or n-gram, by its hash
    numeric       `age = 33`                  1 + the number of boundaries that are <= the value

A vocabulary holds the values that occur often enough, by count; the rows after them, if it has
some, are shared by all other values, by their hash. One kind is a number and no row:

    standardised  `price = 9.99`              (value - mean) / deviation, 0 where it is missing
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, FiniteFloat, field_validator

UNKNOWN_ROW = 0
FIRST_KNOWN_ROW = 1


class _Feature(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    name: Annotated[str, Field(pattern=r"^[A-Za-z][A-Za-z0-9_]*$")]
    """Name of the column, and of the feature."""


class _VocabularyFeature(_Feature):
    min_count: Annotated[int, Field(ge=1)] = 1
    """Values that occur less often have no row of their own."""
    oov_buckets: Annotated[int, Field(ge=0)] = 0
    """Rows that such values share, by their hash; without them they are as if missing."""


class CategoricalFeature(_VocabularyFeature):
    """One string (or integer) value: an embedding a value."""

    kind: Literal["categorical"]


class ListFeature(_VocabularyFeature):
    """A list of strings, or one string that joins them: the mean of its values' embeddings."""

    kind: Literal["list"]
    separator: Annotated[str, Field(min_length=1)] = "|"
    """What stands between two entries where the column is a string."""


class TextFeature(_Feature):
    """Text: the mean of the embeddings of its words or n-grams, which share rows by their hash."""

    kind: Literal["text"]
    tokens: Literal["words", "trigrams"] = "words"
    """`words` of letters and digits, in lower case; or each word's stretches of three characters,
    with `<` and `>` at its ends, which put what is spelt alike together."""
    buckets: Annotated[int, Field(ge=1, le=2**30)] = 10_000
    """Rows of the embedding, beside that of the unknown."""


class NumericFeature(_Feature):
    """A number, cut into buckets: an embedding a bucket."""

    kind: Literal["numeric"]
    boundaries: Annotated[tuple[FiniteFloat, ...], Field(min_length=1)]
    """Lower bounds of the buckets after the first, strictly increasing."""

    @field_validator("boundaries")
    @classmethod
    def _increasing(cls, boundaries: tuple[float, ...]) -> tuple[float, ...]:
        if any(low >= high for low, high in pairwise(boundaries)):
            raise ValueError("boundaries must be strictly increasing")
        return boundaries


class StandardisedFeature(_Feature):
    """A number less its mean over the training rows, in standard deviations: it scales one vector.

    The mean and the deviation weigh each query or candidate by its training rows alone.
    """

    kind: Literal["standardised"]


Feature = Annotated[
    CategoricalFeature | ListFeature | TextFeature | NumericFeature | StandardisedFeature,
    Field(discriminator="kind"),
]


def bucket_rows(feature: NumericFeature) -> int:
    """Rows of the embedding of a numeric feature: the unknown's and one a bucket."""
    return FIRST_KNOWN_ROW + len(feature.boundaries) + 1


def vocabulary_features(
    features: Sequence[Feature],
) -> list[CategoricalFeature | ListFeature]:
    """The features whose rows come from a vocabulary."""
    return [
        feature for feature in features if isinstance(feature, CategoricalFeature | ListFeature)
    ]
