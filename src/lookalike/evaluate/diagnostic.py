"""Is the table valid? Bounds, categories, keys, names and types: anything under 1 is a bug of the generator.

The figures of sdmetrics 0.32 (MIT): Data Validity, Data Structure, and Diagnostic, their mean.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lookalike import stats
from lookalike.evaluate import confidence
from lookalike.evaluate.prepare import Column, plain_type
from lookalike.schema import ColumnSpec, Schema
from lookalike.schema.axis import declared_bounds
from lookalike.schema.types import is_text, without_dictionary


def boundary_adherence(
    real: np.ndarray, synthetic: np.ndarray, spec: ColumnSpec, *, missing: int, missing_allowed: bool
) -> float:
    """Share of synthetic numbers within the real (or the declared) minimum and maximum; in [0, 1].

    Shape: (n,) and (m,) numbers that are present; ``missing`` counts the synthetic cells that are not. They count as
    violations where the real column has none. Source: sdmetrics BoundaryAdherence.

    >>> spec = ColumnSpec(name="age", kind="integer", storage="int64")
    >>> boundary_adherence(np.array([1, 9]), np.array([0, 5, 9]), spec, missing=1, missing_allowed=False)
    0.5
    """
    total = len(synthetic) + (0 if missing_allowed else missing)
    if total == 0:
        return math.nan
    low, high = declared_bounds(spec, synthetic.dtype)
    if len(real) == 0 and (low is None or high is None):
        return 0.0
    low = real.min() if low is None else low
    high = real.max() if high is None else high
    return float(((synthetic >= low) & (synthetic <= high)).sum() / total)


def category_adherence(real: np.ndarray, synthetic: np.ndarray, missing_code: int) -> float:
    """Share of synthetic labels that occur in the real column; in [0, 1].

    Shape: (n,) and (m,) codes. A missing label is allowed where the real column has one. Source: sdmetrics
    CategoryAdherence.

    >>> category_adherence(np.array([0, 1, 1]), np.array([0, 2, 1, 0]), missing_code=3)
    0.75
    """
    if len(synthetic) == 0:
        return math.nan
    allowed = np.bincount(real, minlength=missing_code + 1) > 0
    return float(allowed[synthetic].mean())


def key_uniqueness(keys: pa.ChunkedArray | pa.Array) -> float:
    """Share of keys that are neither missing nor a repetition of an earlier one; in [0, 1].

    Source: sdmetrics KeyUniqueness.

    >>> key_uniqueness(pa.array([1, 2, 2, None]))
    0.5
    """
    if len(keys) == 0:
        return math.nan
    return pc.count_distinct(keys, mode="only_valid").as_py() / len(keys)


def structure(real: pa.Table, synthetic: pa.Table, schema: Schema) -> float:
    """Jaccard index of the (name, type) pairs of both tables; in [0, 1]. Source: sdmetrics TableStructure.

    >>> schema = Schema([ColumnSpec(name="a", kind="integer", storage="int64")])
    >>> structure(pa.table({"a": [1]}), pa.table({"a": [1.5]}), schema)
    0.0
    """
    dropped = {spec.name for spec in schema if spec.role == "drop"}
    first, second = (
        {(field.name, plain_type(field.type)) for field in table.schema if field.name not in dropped}
        for table in (real, synthetic)
    )
    union = first | second
    return len(first & second) / len(union) if union else math.nan


def diagnose(real: pa.Table, other: pa.Table, schema: Schema, columns: list[Column], side: str) -> dict[str, Any]:
    """Data Validity, Data Structure and their mean, with one entry a column: {column, metric, score, cells}, of so many cells.

    ``side`` names which prepared table ``other`` is: ``synthetic``, or ``holdout`` for the yardstick.
    """
    entries = [_column_entry(column, side) for column in columns]
    entries += [entry for spec in schema if (entry := _key_entry(real, other, spec)) is not None]
    validity = stats.mean([entry["score"] for entry in entries])
    same = structure(real, other, schema)
    return {"score": stats.mean([validity, same]), "validity": validity, "structure": same, "columns": entries}


def interval(mine: dict[str, Any], fresh: dict[str, Any]) -> list[float]:
    """95 % interval of the score of ``mine``, with the chance of the ``fresh`` one that it is held against.

    Each column is a share of its own cells, of which there may be few: errors as if both had the mean of both shares.

    >>> column = {"score": 0.9, "cells": 100}
    >>> found = interval({"score": 0.95, "columns": [column]}, {"score": 0.95, "columns": [column]})
    >>> [round(end, 3) for end in found]
    [0.908, 0.992]
    """
    pairs = [
        (one, other)
        for one, other in zip(mine["columns"], fresh["columns"], strict=False)
        if one["cells"] and other["cells"]
    ]
    variance = 0.0
    for one, other in pairs:
        share = (one["score"] * one["cells"] + other["score"] * other["cells"]) / (one["cells"] + other["cells"])
        variance += share * (1 - share) * (1 / one["cells"] + 1 / other["cells"])
    error = (
        confidence.Z95 * math.sqrt(variance) / max(1, len(pairs)) / 2
    )  # the score is the mean of this and of the structure
    return [mine["score"] - error, mine["score"] + error]


def _column_entry(column: Column, side: str) -> dict[str, Any]:
    real, other = column.sides["real"], column.sides[side]
    if column.numeric:
        score = boundary_adherence(
            real.present, other.present, column.spec,
            missing=int(other.missing.sum()), missing_allowed=bool(real.missing.any()),
        )  # fmt: skip
        cells = len(other.present) + (0 if real.missing.any() else int(other.missing.sum()))
        return {"column": column.name, "metric": "boundary adherence", "score": score, "cells": cells}
    allowed = real.codes
    if column.spec.levels is not None:
        allowed = _declared_codes(column)
    return {
        "column": column.name,
        "metric": "category adherence",
        "score": category_adherence(allowed, other.codes, column.size - 1),
        "cells": len(other.codes),
    }


def _declared_codes(column: Column) -> np.ndarray:
    """Declared levels stand instead of the real ones; missing stays as the real column has it."""
    assert column.spec.levels is not None and column.vocabulary is not None
    wanted = pa.array(column.spec.levels, pa.string()).cast(column.vocabulary.type)
    places = pc.index_in(column.vocabulary, wanted).is_valid().to_numpy(zero_copy_only=False)
    missing = [column.size - 1] if column.sides["real"].missing.any() else []
    return np.concatenate([np.flatnonzero(places), np.array(missing, dtype=np.int64)])


def _key_entry(real: pa.Table, other: pa.Table, spec: ColumnSpec) -> dict[str, Any] | None:
    """Keys must be unique: the primary key, and every other key that the real table keeps unique."""
    if spec.kind != "key" or spec.role == "drop" or any(spec.name not in table.column_names for table in (real, other)):
        return None
    if spec.role != "primary_key" and key_uniqueness(_plain(real[spec.name])) < 1:
        return None
    score = key_uniqueness(_plain(other[spec.name]))
    return {"column": spec.name, "metric": "key uniqueness", "score": score, "cells": other.num_rows}


def _plain(keys: pa.ChunkedArray) -> pa.ChunkedArray:
    """String views and dictionaries have no distinct count of their own in Arrow."""
    keys = without_dictionary(keys)
    return keys.cast(pa.large_string()) if is_text(keys.type) else keys
