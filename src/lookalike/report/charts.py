"""Columns to shares: what the pictures show, as plain lists.

What a report may show of real people, here and nowhere else:

- no real row, ever: previews are of the synthetic table only;
- a label that fewer than ``FEW`` real rows hold is pooled into "other", so no rare diagnosis is printed;
- a number is printed only as a rounded axis mark between its 1 % and 99 % quantiles, or where half of all rows share
  it (0, a sentinel), so nobody's extreme is;
- real counts are rounded to multiples of ``FEW`` before they are drawn, so a lone person is not a bar of height one.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pyarrow as pa

from lookalike import stats
from lookalike.schema import ColumnSpec, Values, parse
from lookalike.schema.dates import unit_of
from lookalike.schema.types import arrow_type, is_text

FEW = 5
MOST_BARS = 6
SPIKE = 0.5
"""A number that this share of the real rows holds is drawn as a bar of its own, beside the curve of the rest."""
LARGEST = 1e300
"""Numbers beyond this are drawn here: an axis a little wider than them would overflow."""
SECONDS_A_TICK = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "ns": 1e-9}
DAY = 86_400.0


def column_chart(real: pa.ChunkedArray, synthetic: pa.ChunkedArray, spec: ColumnSpec) -> dict[str, Any]:
    """Shares of one column in both tables: ``{"type": "number" | "label", "specials": […], …}``."""
    lenient = spec if spec.numeric else spec.replace(kind="category", levels=None)
    first, second = parse(real, lenient), parse(synthetic, lenient)
    return number_chart(first, second, spec) if spec.numeric else label_chart(first, second, spec)


def rounded_shares(counts: np.ndarray, total: int) -> np.ndarray:
    """Counts of real rows as shares, rounded to multiples of ``FEW`` first.

    >>> rounded_shares(np.array([1, 3, 96]), 100).tolist()
    [0.0, 0.05, 0.95]
    """
    return np.round(counts / FEW) * FEW / max(total, 1)


# ------------------------------------------------------------------------------------------------------------ labels


def label_chart(real: Values, synthetic: Values, spec: ColumnSpec) -> dict[str, Any]:
    """Paired bars: the commonest labels, the rest pooled, missing last."""
    real_counts, synthetic_counts = _level_counts(real), _level_counts(synthetic)
    shown = [level for level, held in real_counts.items() if held >= FEW]
    shown.sort(key=lambda level: -max(real_counts[level] / len(real), synthetic_counts.get(level, 0) / len(synthetic)))
    shown = shown[:MOST_BARS]
    if spec.levels is not None:
        order = {level: place for place, level in enumerate(spec.levels)}
        shown.sort(key=lambda level: order.get(level, len(order)))
    bars = [_bar(level, real_counts[level], synthetic_counts.get(level, 0), real, synthetic) for level in shown]
    pooled = [
        sum(held for level, held in counts.items() if level not in set(shown))
        for counts in (real_counts, synthetic_counts)
    ]
    if any(pooled):
        others = len({*real_counts, *synthetic_counts} - set(shown))
        bars.append({**_bar(f"other ({others:,})", pooled[0], pooled[1], real, synthetic), "pooled": True})
    bars += _missing_bar(real, synthetic)
    return {"type": "label", "bars": bars}


def _level_counts(values: Values) -> dict[str, int]:
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

    ``edges`` (b + 1) are in drawing units (log₁₀ where ``log``), ``real`` and ``synthetic`` (b) are shares of all rows;
    the first and last bin hold what lies beyond them.
    """
    first, second = _on_axis(real, spec), _on_axis(synthetic, spec)
    bars = _missing_bar(real, synthetic)
    spike = _spike(first)
    if spike is not None:
        bars.insert(
            0,
            _bar(
                f"= {_exact(spike, spec)}", int((first == spike).sum()), int((second == spike).sum()), real, synthetic
            ),
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
    }
    if len(first) < FEW:
        return chart
    edges, log = _edges(first, spec)
    chart["log"] = log
    chart["edges"] = (np.log10(edges) if log else edges).tolist()
    chart["real"] = rounded_shares(_histogram(first, edges), len(real)).tolist()
    chart["synthetic"] = (_histogram(second, edges) / max(len(synthetic), 1)).tolist()
    chart["ticks"] = [{"at": math.log10(at) if log else at, "label": mark(at, spec)} for at in _ticks(edges, log, spec)]
    return chart


def _on_axis(values: Values, spec: ColumnSpec) -> np.ndarray:
    """Numbers that are present, in the unit a person reads: dates in seconds, decimals in whole units."""
    assert values.numbers is not None
    numbers = values.numbers[~values.missing].astype(np.float64)
    return np.clip(numbers * _unit(spec), -LARGEST, LARGEST)


def _unit(spec: ColumnSpec) -> float:
    storage = arrow_type(spec.storage)
    if pa.types.is_decimal(storage):
        return float(10.0 ** -max(storage.scale, 0))
    if is_text(storage):
        return SECONDS_A_TICK[unit_of(spec.format or "")] if spec.kind == "datetime" else 1.0
    if pa.types.is_date32(storage):
        return DAY
    return SECONDS_A_TICK[getattr(storage, "unit", "ms")] if pa.types.is_temporal(storage) else 1.0


def _spike(numbers: np.ndarray) -> float | None:
    if len(numbers) < FEW:
        return None
    values, counts = np.unique(numbers, return_counts=True)
    top = counts.argmax()
    return float(values[top]) if len(values) > FEW and counts[top] >= max(FEW, SPIKE * len(numbers)) else None


def _edges(numbers: np.ndarray, spec: ColumnSpec) -> tuple[np.ndarray, bool]:
    """Rounded bin edges around the central 98 %, evenly spaced, or in powers where the tail is long."""
    low, high = stats.central_range(numbers)
    wanted = int(np.clip(math.sqrt(len(numbers)), 8, 32))
    whole = spec.kind == "integer" and not _is_time(spec)
    median = float(np.median(numbers))
    if not _is_time(spec) and low > 0 and high > 40 * max(low, median / 8) and high > 8 * median:
        return _power_edges(low, high, wanted, whole), True
    step = _round_step((high - low) / wanted, whole or _is_time(spec))
    first, last = math.floor(low / step), math.ceil(high / step)
    edges = np.arange(first, max(last, first + 1) + (2 if whole else 1)) * step
    return (edges - step / 2 if whole and step == 1 else edges), False


def _power_edges(low: float, high: float, wanted: int, whole: bool) -> np.ndarray:
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    each = max(1, round(wanted / max(last - first, 1)))
    edges = 10 ** (np.arange(first * each, last * each + 1) / each)
    edges = edges[np.searchsorted(edges, low, side="right") - 1 : np.searchsorted(edges, high) + 1]
    if whole:  # between 1 and 10 a quarter decade may hold no integer at all
        edges = np.unique(np.ceil(edges)) - 0.5
    return edges


def _round_step(raw: float, whole: bool) -> float:
    if raw <= 0 or not math.isfinite(raw):
        return 1.0
    power = 10.0 ** math.floor(math.log10(raw))
    if power == 0:
        return raw
    step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * 0.999)
    return max(1.0, step) if whole else step


def _histogram(numbers: np.ndarray, edges: np.ndarray) -> np.ndarray:
    places = np.clip(np.searchsorted(edges, numbers, side="right") - 1, 0, len(edges) - 2)
    return np.bincount(places, minlength=len(edges) - 1)


def _ticks(edges: np.ndarray, log: bool, spec: ColumnSpec) -> list[float]:
    low, high = float(edges[0]), float(edges[-1])
    if log:
        powers = range(math.ceil(math.log10(low) - 1e-9), math.floor(math.log10(high) + 1e-9) + 1)
        every = max(1, len(powers) // 4)
        return [10.0**power for power in powers][::every]
    if _is_time(spec):
        return [low + (high - low) * share for share in (0.08, 0.5, 0.92)]
    step = _round_step((high - low) / 4, spec.kind == "integer")
    return [place * step for place in range(math.ceil(low / step), math.floor(high / step) + 1)]


def mark(value: float, spec: ColumnSpec) -> str:
    """A number as an axis mark, short.

    >>> price = ColumnSpec(name="price", kind="float")
    >>> [mark(value, price) for value in (0.0, 0.25, 12.0, 25000.0, 3.2e6)]
    ['0', '0.25', '12', '25k', '3.2M']
    """
    if _is_time(spec):
        return _time_mark(value, arrow_type(spec.storage))
    size = abs(value)
    if size >= 1e15 or (0 < size < 1e-4):
        return f"{value:.2g}"
    for unit, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k")):
        if size >= unit:
            return f"{value / (1e3 if letter == 'k' else unit):.4g}{letter}"
    return f"{value:.4g}"


def _exact(value: float, spec: ColumnSpec) -> str:
    """A value that many rows share, in full."""
    return mark(value, spec) if _is_time(spec) else f"{value:,.10g}"


def _is_time(spec: ColumnSpec) -> bool:
    """Dates, times of day and durations: their ticks are seconds by now."""
    return spec.kind == "datetime" or pa.types.is_temporal(arrow_type(spec.storage))


def _time_mark(value: float, storage: pa.DataType) -> str:
    if pa.types.is_duration(storage):
        return f"{value / DAY:.3g} d" if abs(value) >= 2 * DAY else f"{value / 3600:.3g} h"
    if pa.types.is_time(storage):
        return f"{int(value) // 3600:02d}:{int(value) % 3600 // 60:02d}"
    if not abs(value) < 2e11:
        return "…"
    return str(np.datetime64(int(value), "s"))[:10]
