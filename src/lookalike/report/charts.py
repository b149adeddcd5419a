"""Columns to shares: what the pictures show, as plain lists.

What a report may show of real people, here and nowhere else:

- no real row, ever: previews are of the synthetic table only;
- a label that fewer than ``FEW_PEOPLE`` real rows hold is pooled into "other", so no rare diagnosis is printed;
- a number is printed only as a rounded axis mark between its 1 % and 99 % quantiles, or where half of all rows share
  it (0, a sentinel), so nobody's extreme is;
- real counts are rounded to multiples of ``FEW_PEOPLE`` before they are drawn, so a lone person is not a bar of height one.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa

from lookalike.report.axes import bin_labels, drawn_numbers, edges_of, exact, mark, places_of, spike_of, ticks_of
from lookalike.schema import ColumnSpec, Values, parse
from lookalike.stats import FEW_PEOPLE

MOST_BARS, MOST_BARS_ENLARGED = 6, 24
"""Labels in a small picture, and where one column has the page to itself."""


def column_chart(real: pa.ChunkedArray, synthetic: pa.ChunkedArray, spec: ColumnSpec) -> dict[str, Any]:
    """Shares of one column in both tables: ``{"type": "number" | "label", "bars": […], …}``."""
    first, second = read(real, spec), read(synthetic, spec)
    return number_chart(first, second, spec) if spec.numeric else label_chart(first, second, spec)


def read(cells: pa.ChunkedArray, spec: ColumnSpec) -> Values:
    """Cells as numbers or as labels; labels that were never declared are labels too."""
    return parse(cells, spec.lenient)


def rounded_shares(counts: np.ndarray, total: int) -> np.ndarray:
    """Counts of real rows as shares, rounded to multiples of ``FEW_PEOPLE`` first.

    >>> rounded_shares(np.array([1, 3, 96]), 100).tolist()
    [0.0, 0.05, 0.95]
    """
    return np.round(counts / FEW_PEOPLE) * FEW_PEOPLE / max(total, 1)


# ------------------------------------------------------------------------------------------------------------ labels


def label_chart(real: Values, synthetic: Values, spec: ColumnSpec) -> dict[str, Any]:
    """Paired bars: the commonest labels, the rest pooled, missing last; ``enlarged`` are the bars of more labels."""
    bars, enlarged = (_label_bars(real, synthetic, spec, most) for most in (MOST_BARS, MOST_BARS_ENLARGED))
    return {"type": "label", "bars": bars, "enlarged": enlarged}


def common_labels(real: Values, synthetic: Values, spec: ColumnSpec, most: int) -> list[str]:
    """At most ``most`` labels that at least ``FEW_PEOPLE`` real rows hold, commonest first or in their declared order."""
    real_counts, synthetic_counts = level_counts(real), level_counts(synthetic)
    shown = [level for level, held in real_counts.items() if held >= FEW_PEOPLE]
    shown.sort(key=lambda level: -max(real_counts[level] / len(real), synthetic_counts.get(level, 0) / len(synthetic)))
    shown = shown[:most]
    if spec.levels is not None:
        order = {level: place for place, level in enumerate(spec.levels)}
        shown.sort(key=lambda level: order.get(level, len(order)))
    return shown


def _label_bars(real: Values, synthetic: Values, spec: ColumnSpec, most: int) -> list[dict[str, Any]]:
    real_counts, synthetic_counts = level_counts(real), level_counts(synthetic)
    shown = common_labels(real, synthetic, spec, most)
    bars = [_bar(level, real_counts[level], synthetic_counts.get(level, 0), real, synthetic) for level in shown]
    pooled = [
        sum(held for level, held in counts.items() if level not in set(shown))
        for counts in (real_counts, synthetic_counts)
    ]
    if any(pooled):
        others = len({*real_counts, *synthetic_counts} - set(shown))
        bars.append({**_bar(f"other ({others:,})", pooled[0], pooled[1], real, synthetic), "pooled": True})
    return bars + _missing_bar(real, synthetic)


def level_counts(values: Values) -> dict[str, int]:
    """How many rows hold each label."""
    assert values.codes is not None and values.levels is not None
    counts = np.bincount(values.codes[~values.missing], minlength=len(values.levels))
    merged: dict[str, int] = {}
    for place in np.flatnonzero(counts).tolist():
        level = str(values.levels[place].as_py())
        merged[level] = merged.get(level, 0) + int(counts[place])
    return merged


def _bar(label: str, real_count: int, synthetic_count: int, real: Values, synthetic: Values) -> dict[str, Any]:
    return {
        "label": label,
        "real": float(rounded_shares(np.array(real_count), len(real))),
        "synthetic": synthetic_count / max(len(synthetic), 1),
        "pooled": False,
    }


def _missing_bar(real: Values, synthetic: Values) -> list[dict[str, Any]]:
    counts = int(real.missing.sum()), int(synthetic.missing.sum())
    return [{**_bar("missing", *counts, real, synthetic), "pooled": True}] if any(counts) else []


# ----------------------------------------------------------------------------------------------------------- numbers


def number_chart(real: Values, synthetic: Values, spec: ColumnSpec) -> dict[str, Any]:
    """Two curves over the same bins, and bars for missing and for a value that many rows share.

    ``edges`` (b + 1) are in drawing units (log₁₀ where ``log``), ``real`` and ``synthetic`` (b) are shares of all rows,
    ``labels`` (b) say what a bin holds; the first and last one hold what lies beyond them.
    """
    first, second = drawn_numbers(real, spec), drawn_numbers(synthetic, spec)
    bars = _missing_bar(real, synthetic)
    spike = spike_of(first)
    if spike is not None:
        bars.insert(
            0,
            _bar(f"= {exact(spike, spec)}", int((first == spike).sum()), int((second == spike).sum()), real, synthetic),
        )
        first, second = first[first != spike], second[second != spike]
    chart: dict[str, Any] = {
        "type": "number",
        "bars": bars,
        "log": False,
        "edges": [],
        "real": [],
        "synthetic": [],
        "ticks": [],
        "labels": [],
    }
    if len(first) < FEW_PEOPLE:
        return chart
    edges, log = edges_of(first, spec)
    chart["log"], chart["labels"] = log, bin_labels(edges, spec)
    chart["edges"] = (np.log10(edges) if log else edges).tolist()
    chart["real"] = rounded_shares(_histogram(first, edges), len(real)).tolist()
    chart["synthetic"] = (_histogram(second, edges) / max(len(synthetic), 1)).tolist()
    chart["ticks"] = [
        {"at": math.log10(at) if log else at, "label": mark(at, spec)} for at in ticks_of(edges, log, spec)
    ]
    return chart


def _histogram(numbers: np.ndarray, edges: np.ndarray) -> np.ndarray:
    return np.bincount(places_of(numbers, edges), minlength=len(edges) - 1)
