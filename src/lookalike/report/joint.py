"""Two columns at a time: how often each combination occurs, as small grids of shares.

The rules of :mod:`lookalike.report.charts` hold here too: rounded edges, no label that fewer than ``FEW_PEOPLE`` real rows hold,
and real counts rounded to multiples of ``FEW_PEOPLE``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from lookalike.report.axes import bin_labels, drawn_numbers, edges_of, exact, places_of, spike_of
from lookalike.report.charts import common_labels, read, rounded_shares
from lookalike.schema import ColumnSpec, Schema, Values
from lookalike.stats import FEW_PEOPLE

MOST_LABELS, MOST_BINS = 7, 8
"""Rows or columns of a grid: three grids side by side, each with its figures in it, still fit a screen."""
MOST_CELLS = 40_000
"""Cells in all grids together: half a megabyte of page."""


@dataclass(frozen=True)
class Axis:
    """One column cut into a few named parts.

    Attributes
    ----------
    labels
        What each part holds, (k,).
    real, synthetic
        Each row's part, (n,) in [0, k).
    """

    labels: list[str]
    real: np.ndarray
    synthetic: np.ndarray


def grids(pairs: Sequence[Mapping[str, Any]], real: pa.Table, synthetic: pa.Table, schema: Schema) -> dict[str, Any]:
    """Joint shares of the first of ``pairs`` (entries with ``columns``), until the page has enough.

    Returns
    -------
    dict
        ``axes``: {column: labels}; ``pairs``: [{columns, real, synthetic}], shares of all rows in 1/100 of a per cent,
        row by row of the grid (first column down, second across).
    """
    axes: dict[str, Axis] = {}
    found, cells = [], 0
    for pair in pairs:
        for name in pair["columns"]:
            if name not in axes:
                axes[name] = axis(real[name], synthetic[name], schema[name])
        first, second = (axes[name] for name in pair["columns"])
        cells += len(first.labels) * len(second.labels)
        if cells > MOST_CELLS:
            break
        found.append({"columns": list(pair["columns"]), **_shares(first, second)})
    used = {name for pair in found for name in pair["columns"]}
    return {"axes": {name: axes[name].labels for name in axes if name in used}, "pairs": found}


def axis(real: pa.ChunkedArray, synthetic: pa.ChunkedArray, spec: ColumnSpec) -> Axis:
    """Cut one column into named parts, missing last."""
    first, second = read(real, spec), read(synthetic, spec)
    labels, codes, other = _number_parts(first, second, spec) if spec.numeric else _label_parts(first, second, spec)
    if first.missing.any() or second.missing.any():
        codes, other = (
            np.where(values.missing, len(labels), part) for values, part in ((first, codes), (second, other))
        )
        labels = [*labels, "missing"]
    return Axis(labels, codes, other)


def _label_parts(real: Values, synthetic: Values, spec: ColumnSpec) -> tuple[list[str], np.ndarray, np.ndarray]:
    shown = common_labels(real, synthetic, spec, MOST_LABELS)
    place = {label: number for number, label in enumerate(shown)}
    parts = []
    for values in (real, synthetic):
        assert values.codes is not None and values.levels is not None
        levels = [place.get(str(level), len(shown)) for level in values.levels.to_pylist()]
        parts.append(np.array([*levels, len(shown)])[np.where(values.missing, len(levels), values.codes)])
    pooled = any(
        (part[~values.missing] == len(shown)).any() for part, values in zip(parts, (real, synthetic), strict=True)
    )
    return [*shown, "other"] if pooled else shown, parts[0], parts[1]


def _number_parts(real: Values, synthetic: Values, spec: ColumnSpec) -> tuple[list[str], np.ndarray, np.ndarray]:
    numbers = [drawn_numbers(values, spec) for values in (real, synthetic)]
    spike = spike_of(numbers[0])
    rest = numbers[0] if spike is None else numbers[0][numbers[0] != spike]
    edges = edges_of(rest, spec, MOST_BINS)[0] if len(rest) >= FEW_PEOPLE else np.array([0.0, 1.0])
    edges = edges[: max(2, int(np.searchsorted(edges, rest.max(initial=edges[0]))) + 1)]  # no bin that nobody is in
    labels = bin_labels(edges, spec)
    if spike is not None:
        labels = [f"= {exact(spike, spec)}", *(["others"] if len(labels) == 1 else labels)]
    parts = []
    for values, present in zip((real, synthetic), numbers, strict=True):
        codes = np.zeros(len(values.missing), dtype=np.int64)
        cut = places_of(present, edges)
        codes[~values.missing] = cut if spike is None else np.where(present == spike, 0, cut + 1)
        parts.append(codes)
    return labels, parts[0], parts[1]


def _shares(first: Axis, second: Axis) -> dict[str, list[int]]:
    size = len(first.labels) * len(second.labels)
    real, synthetic = (
        np.bincount(rows * len(second.labels) + columns, minlength=size)
        for rows, columns in ((first.real, second.real), (first.synthetic, second.synthetic))
    )
    return {
        "real": _whole(rounded_shares(real, len(first.real))),
        "synthetic": _whole(synthetic / max(len(first.synthetic), 1)),
    }


def _whole(shares: np.ndarray) -> list[int]:
    return [int(share) for share in np.round(10_000 * shares)]
