"""Numbers on an axis: rounded bin edges within the middle 98 %, marks that a person reads, nobody's extreme."""

from __future__ import annotations

import math

import numpy as np
import pyarrow as pa

from lookalike import stats
from lookalike.schema import ColumnSpec, Values
from lookalike.schema.axis import DAY, unit_of
from lookalike.schema.dates import ALONE
from lookalike.schema.types import arrow_type

SPIKE = 0.5
"""A number that this share of the real rows holds is drawn as a bar of its own, beside the curve of the rest."""
FEW_VALUES = 5
"""Of a number of no more values than this none is set apart: hardly a curve would be left."""
SPANS = ((DAY, "d"), (3600, "h"), (60, "min"), (1, "s"))
"""What spans of time are told in: the first of which it is two or more."""
LARGEST = 1e300
"""Numbers beyond this are drawn here: an axis a little wider than them would overflow."""


def drawn_numbers(values: Values, spec: ColumnSpec) -> np.ndarray:
    """Numbers that are present, in the unit a person reads: dates in seconds, decimals in whole units."""
    numbers = values.present.astype(np.float64)
    return np.clip(numbers * float(unit_of(spec) or 1), -LARGEST, LARGEST)


def spike_of(numbers: np.ndarray) -> float | None:
    """The number that half of all rows share, if there is one."""
    if len(numbers) < stats.FEW_PEOPLE:
        return None
    values, counts = np.unique(numbers, return_counts=True)
    top = counts.argmax()
    shared = counts[top] >= max(stats.FEW_PEOPLE, SPIKE * len(numbers))
    return float(values[top]) if shared and len(values) > FEW_VALUES else None


def edges_of(numbers: np.ndarray, spec: ColumnSpec, most: int = 32) -> tuple[np.ndarray, bool]:
    """About ``most`` rounded bins around the central 98 %, evenly spaced, or in powers where the tail is long."""
    low, high = stats.central_range(numbers)
    wanted = int(np.clip(math.sqrt(len(numbers)), min(8, most), most))
    whole = spec.kind == "integer" and not _is_time(spec)
    median = float(np.median(numbers))
    if not _is_time(spec) and low > 0 and high > 40 * max(low, median / 8) and high > 8 * median:
        return _power_edges(low, high, wanted, whole), True
    step = _round_step((high - low) / wanted, whole or _is_time(spec))
    step = max(step, 2 * float(np.spacing(max(abs(low), abs(high)))))  # beyond 2⁵² a half is no float any more
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


def places_of(numbers: np.ndarray, edges: np.ndarray) -> np.ndarray:
    """Each number's bin; what lies beyond the edges falls into the outermost. Shape: (n,) in [0, b)."""
    return np.asarray(np.clip(np.searchsorted(edges, numbers, side="right") - 1, 0, len(edges) - 2))


def ticks_of(edges: np.ndarray, log: bool, spec: ColumnSpec) -> list[float]:
    """Where the axis is marked: few, round."""
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
    >>> [mark(27_000.0, ColumnSpec(name="time", kind=kind, format=f)) for kind, f in [("datetime", "%H:%M"), ("integer", "%K:%M")]]
    ['07:30', '7.5 h']
    >>> [mark(seconds, ColumnSpec(name="ride", kind="integer", format="%K:%M:%S")) for seconds in (0.0, 90.0, 352.0, 200_000.0)]
    ['0 s', '90 s', '5.87 min', '2.31 d']
    """
    if _is_time(spec):
        return _time_mark(value, spec)
    size = abs(value)
    if size >= 1e15 or (0 < size < 1e-4):
        return f"{value:.2g}"
    for unit, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e4, "k")):
        if size >= unit:
            return f"{value / (1e3 if letter == 'k' else unit):.4g}{letter}"
    return f"{value:.4g}"


def exact(value: float, spec: ColumnSpec) -> str:
    """A value that many rows share, in full."""
    return mark(value, spec) if _is_time(spec) else f"{value:,.10g}"


def _is_time(spec: ColumnSpec) -> bool:
    """Dates, times of day and durations: their ticks are seconds by now."""
    return spec.kind == "datetime" or spec.span


def _time_mark(value: float, spec: ColumnSpec) -> str:
    storage = arrow_type(spec.storage)
    if spec.span and not pa.types.is_time(storage):
        unit, letters = next((unit, letters) for unit, letters in SPANS if abs(value) >= 2 * unit or unit == 1)
        return f"{value / unit:.3g} {letters}"
    if pa.types.is_time(storage) or (spec.format or "").startswith(ALONE):
        return f"{int(value) // 3600 % 24:02d}:{int(value) % 3600 // 60:02d}"
    if not abs(value) < 2e11:
        return "…"
    return str(np.datetime64(int(value), "s"))[:10]


def bin_labels(edges: np.ndarray, spec: ColumnSpec) -> list[str]:
    """What each bin holds, in words; the outermost ones are open, as they hold what lies beyond.

    >>> bin_labels(np.array([0.0, 10.0, 20.0, 30.0]), ColumnSpec(name="price", kind="float"))
    ['under 10', '10 to 20', 'from 20']
    >>> bin_labels(np.array([0.5, 1.5, 2.5, 4.5]), ColumnSpec(name="rooms", kind="integer", storage="int64"))
    ['up to 1', '2', 'from 3']
    """
    whole = bool((edges % 1 == 0.5).all())
    lows, highs = (np.ceil(edges[:-1]), np.floor(edges[1:])) if whole else (edges[:-1], edges[1:])
    labels = []
    for place, (low, high) in enumerate(zip(lows.tolist(), highs.tolist(), strict=True)):
        if len(lows) == 1:
            labels.append("all")
        elif place == 0:
            labels.append(f"{'up to' if whole else 'under'} {mark(high, spec)}")
        elif place == len(lows) - 1:
            labels.append(f"from {mark(low, spec)}")
        else:
            labels.append(mark(low, spec) if whole and low == high else f"{mark(low, spec)} to {mark(high, spec)}")
    return labels
