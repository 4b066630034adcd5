"""Encoding: raw features of the entities become rows, as `models.features` says."""

# pyright: reportAttributeAccessIssue=false
# (pyarrow.compute makes its functions when it is imported)

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from components.hashing import hash_ids
from components.vocabularies import COUNT, VALUE, count_values, rank, rows_of
from models.features import (
    FIRST_KNOWN_ROW,
    UNKNOWN_ROW,
    CategoricalFeature,
    Feature,
    ListFeature,
    NumericFeature,
    StandardisedFeature,
    TextFeature,
)

_TRIGRAM = 3
_LARGEST = float(np.finfo(np.float32).max)
_NOT_WORD = r"[^\p{L}\p{N}]+"


@dataclass(frozen=True, slots=True)
class Moments:
    """Of a number over the training rows; 0 and 1 where no training row shows one."""

    mean: float
    variance: float


@dataclass(frozen=True, slots=True)
class Encoded:
    """The features of a table of entities.

    Attributes:
      columns: Feature to `[entities]` int32 rows, lists of int32 rows, or float32 numbers.
      vocabularies: Feature to its `value` and `count`, in the order of the rows.
      moments: Standardised feature to its moments.
    """

    columns: dict[str, pa.Array] = field(default_factory=dict)
    vocabularies: dict[str, pa.Table] = field(default_factory=dict)
    moments: dict[str, Moments] = field(default_factory=dict)


def encode_features(table: pa.Table, features: Sequence[Feature], weights: np.ndarray) -> Encoded:
    """Encodes raw features.

    Args:
      table: The raw features of each entity, as `entities.join_entities` returns them.
      features: What they are.
      weights: `[entities]` training rows of each.
    """
    encoded = Encoded()
    for feature in features:
        raw = table[feature.name].combine_chunks()
        match feature:
            case NumericFeature():
                column = _buckets(raw, feature)
            case StandardisedFeature():
                numbers = _within_float32(pc.fill_null(raw, float("nan")))
                moments = weighted_moments(numbers, weights)
                encoded.moments[feature.name] = moments
                column = _standardised(numbers, moments)
            case TextFeature():
                tokens = _tokens(raw, feature)
                column = _relisted(tokens, _hashed(tokens.flatten(), 0, feature.buckets))
            case _:
                values = raw.flatten() if isinstance(feature, ListFeature) else raw
                vocabulary = _vocabulary(values, feature)
                encoded.vocabularies[feature.name] = vocabulary
                column = _rows(values, vocabulary, feature)
                if isinstance(feature, ListFeature):
                    column = _relisted(raw, column)
        encoded.columns[feature.name] = column
    return encoded


def weighted_moments(numbers: np.ndarray, weights: np.ndarray) -> Moments:
    """Mean and variance of numbers by their weights; NaN counts for nothing.

    mean = sum w x / sum w,   variance = sum w (x - mean)^2 / sum w
    """
    known = ~np.isnan(numbers) & (weights > 0)
    numbers, weights = numbers[known], weights[known]
    if not len(numbers):
        return Moments(0.0, 1.0)
    # From one of them: so a number that never changes has variance 0, and no rounding in its place.
    origin = numbers[0]
    mean = np.average(numbers - origin, weights=weights)
    variance = np.average((numbers - origin - mean) ** 2, weights=weights)
    return Moments(float(origin + mean), float(variance))


def _vocabulary(values: pa.Array, feature: CategoricalFeature | ListFeature) -> pa.Table:
    ranked = rank(count_values(values.drop_null()))
    return ranked.filter(pc.greater_equal(ranked[COUNT], feature.min_count))


def _rows(
    values: pa.Array, vocabulary: pa.Table, feature: CategoricalFeature | ListFeature
) -> pa.Array:
    rows = pa.array(rows_of(values, vocabulary[VALUE].combine_chunks()), pa.int32())
    if not feature.oov_buckets:
        return rows
    shared = _hashed(values, vocabulary.num_rows, feature.oov_buckets)
    is_other = pc.and_(pc.equal(rows, UNKNOWN_ROW), values.is_valid())
    return pc.if_else(is_other, shared, rows)


def _hashed(values: pa.Array, first: int, buckets: int) -> pa.Array:
    """The row of each value among `buckets` rows that follow `first` known ones, by its hash."""
    hashes = hash_ids(pc.fill_null(values, ""))
    return pa.array(FIRST_KNOWN_ROW + first + (hashes % np.uint64(buckets)).astype(np.int32))


def _buckets(numbers: pa.Array, feature: NumericFeature) -> pa.Array:
    values = pc.fill_null(numbers, float("nan")).to_numpy(zero_copy_only=False)
    buckets = np.searchsorted(feature.boundaries, values, side="right") + FIRST_KNOWN_ROW
    return pa.array(np.where(np.isnan(values), UNKNOWN_ROW, buckets), pa.int32())


def _within_float32(numbers: pa.Array) -> np.ndarray:
    """The numbers; NaN in place of those that are infinite, or farther than a float32 goes."""
    values = numbers.to_numpy(zero_copy_only=False)
    return np.where(np.abs(values) <= _LARGEST, values, np.nan)


def _standardised(numbers: np.ndarray, moments: Moments) -> pa.Array:
    deviation = np.sqrt(moments.variance) or 1.0
    standardised = np.nan_to_num((numbers - moments.mean) / deviation)
    return pa.array(np.clip(standardised, -_LARGEST, _LARGEST).astype(np.float32))


def _tokens(text: pa.Array, feature: TextFeature) -> pa.ListArray:
    """The tokens of each text, without empty ones."""
    lowered = pc.utf8_lower(pc.fill_null(text, ""))
    words = pc.split_pattern_regex(lowered, _NOT_WORD)
    if feature.tokens == "trigrams":
        words = _spread(words, _trigrams(words.flatten()))
    flat = words.flatten()
    kept = pc.not_equal(flat, "").to_numpy(zero_copy_only=False)
    ends = np.cumsum(np.append(0, kept))[np.append(0, np.cumsum(_lengths(words)))]
    return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), flat.filter(pa.array(kept)))


def _trigrams(words: pa.Array) -> pa.ListArray:
    """The trigrams of each word, made once for each distinct word."""
    encoded = words.dictionary_encode()
    grams = [
        [f"<{word}>"[at : at + _TRIGRAM] for at in range(len(word))] if word else []
        for word in encoded.dictionary.to_pylist()
    ]
    return pa.array(grams, pa.list_(words.type)).take(encoded.indices)


def _spread(lists: pa.ListArray, entries: pa.ListArray) -> pa.ListArray:
    """Each list with every entry replaced by the list that stands for it."""
    ends = np.append(0, np.cumsum(_lengths(entries)))[np.append(0, np.cumsum(_lengths(lists)))]
    return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), entries.flatten())


def _relisted(raw: pa.Array, rows: pa.Array) -> pa.Array:
    ends = np.append(0, np.cumsum(_lengths(raw)))
    return pa.ListArray.from_arrays(pa.array(ends, pa.int32()), rows)


def _lengths(lists: pa.Array) -> np.ndarray:
    return pc.fill_null(pc.list_value_length(lists), 0).to_numpy(zero_copy_only=False)
