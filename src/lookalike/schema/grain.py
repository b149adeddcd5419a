"""How finely a column's numbers and dates are written: decimals, the step that divides all of them, the width of floats."""

from __future__ import annotations

import math

import numpy as np

from lookalike.schema.axis import DAY
from lookalike.schema.column import ColumnSpec
from lookalike.schema.written import to_significant

CHANCE, FEWEST_MULTIPLES = 1e-4, 5
"""How likely a common divisor may be to be chance, and different numbers that must have it at least."""
MAXIMUM_DECIMALS = 9
READ_BY = {3_600: (12, 8, 6, 4, 3, 2, 1), 60: (30, 20, 15, 10, 5, 1), 1: (30, 20, 15, 10, 5, 1)}
"""Of hours, minutes and seconds, how many a clock may be read by."""
MISREAD = 1e-14
"""How far from what was written a reader's floats may be, in proportion."""
LAST_PLACE = 1e-15
"""How far from what was meant they may be besides, where all are written with as many places (.0128 in 32 bits is .0127999996766448)."""
FEWEST_SIGNIFICANT, MOST_SIGNIFICANT = 5, 16
"""Digits that floats without a last decimal may have: with 17 each float is told from all others."""
FEWEST_DIGITS = 3
"""And those with one: a weight of 1.25, 12.5 or 125."""
LARGEST_WHOLE = 2.0**53
"""Up to here every whole number is a float."""


def round_step(numbers: np.ndarray) -> int:
    """The largest number that divides every one, when so many different numbers say so that it is hardly chance.

    That k numbers are all multiples of g by chance has probability g^(1 − k), if there is no reason for it.

    >>> round_step(np.array([25, 50, 75, 100, 150, 225])), round_step(np.array([2, 4, 8]))
    (25, 1)
    """
    step = abs(int(np.gcd.reduce(numbers, initial=0)))
    if step <= 1:
        return 1
    return step if len(np.unique(numbers)) >= max(FEWEST_MULTIPLES, 1 - math.log(CHANCE, step)) else 1


def steps_of_time(a_second: int) -> list[int]:
    """Day, hour, minute, second and its decimal parts in ticks, of which there are so many ``a_second``; the last is 1.

    >>> steps_of_time(1_000), steps_of_time(1)
    ([86400000, 3600000, 60000, 1000, 1], [86400, 3600, 60, 1])
    """
    parts = [10**power for power in (6, 3, 0) if 10**power < a_second]
    return [DAY * a_second, 3_600 * a_second, 60 * a_second, a_second, *parts]


def largest_step(ticks: np.ndarray, a_second: int) -> int:
    """The largest of :func:`steps_of_time` that divides every tick, or so many of it as a clock is read by: quarters of an hour, 3 hours.

    >>> largest_step(np.arange(20) * 900, 1), largest_step(np.arange(20) * 420, 1)
    (900, 60)
    """
    step = next(step for step in steps_of_time(a_second) if not np.any(ticks % step))
    shared = round_step(ticks // step)
    return step * next(times for times in READ_BY.get(step // a_second, (1,)) if shared % times == 0)


def with_step(spec: ColumnSpec, numbers: np.ndarray) -> ColumnSpec:
    """Whole numbers written 18.0 (what pandas makes of a column with missing cells) come back as such, prices in full units, too."""
    if spec.decimals is None or np.abs(numbers).max(initial=0) >= LARGEST_WHOLE / 10.0**spec.decimals:
        return spec
    return spec.replace(step=round_step(np.rint(numbers * 10.0**spec.decimals).astype(np.int64)))


def decimals_of_floats(numbers: np.ndarray, width: np.dtype) -> int | None:
    """The fewest decimals that lose nothing, up to nine; None where there is no such number, or floats of that width are no finer."""
    most = float(np.abs(numbers).max(initial=0))
    if most > 1e15:
        return None
    kept, finest = numbers.astype(width), 4 * float(np.finfo(width).eps) * most
    for decimals in range(MAXIMUM_DECIMALS + 1):
        if decimals and 10.0**-decimals < finest:
            return None
        if np.array_equal(np.round(numbers, decimals).astype(width), kept):
            return decimals
    return None


def with_significant(spec: ColumnSpec, numbers: np.ndarray) -> ColumnSpec:
    """A column of floats, and how many digits whoever wrote them left of each: statistics programs 15; C, R's ``signif`` and ``%g`` six or
    so, and then the larger a number is, the fewer decimals it has.

    >>> with_significant(ColumnSpec(name="wage", kind="float"), np.array([118.884359339886, 75.0431540173515])).significant
    15
    >>> sizes = np.array([float(f"{size:.4g}") for size in np.geomspace(2, 500, 40)])
    >>> with_significant(ColumnSpec(name="size", kind="float", decimals=3), sizes).significant
    4
    """
    distinct = np.unique(numbers)
    for digits in range(*_digits_to_try(spec, distinct)):
        if all(
            np.array_equal(to_significant(part, digits), part)
            for part in (distinct[:: len(distinct) // 100 + 1], distinct)
        ):
            return spec.replace(significant=digits)
    return spec


def _digits_to_try(spec: ColumnSpec, distinct: np.ndarray) -> tuple[int, int]:
    """From how many digits to fewer than how many: of numbers with a last decimal to as many as chance would hardly leave of the largest."""
    if spec.decimals is None or spec.single_precision:
        return FEWEST_SIGNIFICANT, MOST_SIGNIFICANT + 1
    step, places = spec.step, spec.decimals
    while step % 10 == 0:
        step, places = step // 10, places - 1
    enough = max(FEWEST_MULTIPLES, math.ceil(math.log(CHANCE, math.gcd(step, 10) / 10)))
    sizes = np.sort(np.floor(np.log10(np.abs(distinct[distinct != 0]))).astype(int) + 1 + places)
    return FEWEST_DIGITS, min(int(sizes[-enough]), MOST_SIGNIFICANT + 1) if len(sizes) >= enough else 0


def once_single(spec: ColumnSpec, numbers: np.ndarray) -> tuple[ColumnSpec, int | None]:
    """A column of floats that need all their places, and its decimals. Where all were kept in 32 bits before, as statistics programs
    keep them, those are what 32 bits show."""
    if len(np.unique(numbers)) < 2:
        return spec, None
    size = np.abs(numbers)
    with np.errstate(over="ignore"):
        off = np.abs(numbers.astype(np.float32) - numbers)
    # numbers that are smaller than that for the most part are as near to ones of 32 bits by chance
    last_place = LAST_PLACE if np.quantile(size[size > 0], 0.5, method="lower") > 1e-5 else 0.0
    if (off > np.maximum(MISREAD * size, last_place)).any():
        return spec, None
    return spec.replace(single_precision=True), decimals_of_floats(numbers, np.dtype(np.float32))
