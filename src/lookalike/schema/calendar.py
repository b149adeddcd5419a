"""Days that all dates of a column fall on: weekdays, the first or last days of months, quarters or years.

Made dates are moved to the nearest such day: where half of them are the last of a month, a day in between tells that it is made.
"""

from __future__ import annotations

import math

import numpy as np

from lookalike.schema.axis import DAY, unit_of
from lookalike.schema.column import ColumnSpec
from lookalike.schema.zones import local, moment, zone_of

MONTHS = {"year": 12, "quarter": 3, "month": 1}
CHANCE, FEWEST_DAYS = 1e-4, 5
"""How likely it may be that days fall on such ones by chance, and different days that must at least."""
FIRST = 3
"""The weekday on which 1970 began, from Monday, 0."""


def with_days(spec: ColumnSpec, ticks: np.ndarray) -> ColumnSpec:
    """A column of dates, and which days all of its (n,) ``ticks`` fall on, the rarest that are hardly chance.

    >>> spec = ColumnSpec(name="due", kind="datetime", storage="date32[day]")
    >>> with_days(spec, np.array([30, 58, 89, 119, 150, 180])).falls_on
    'month ends'
    """
    day, ticks = ticks_a_day(spec), on_clock(ticks, spec)
    days = np.unique(ticks // day)
    if len(days) < FEWEST_DAYS:
        return spec
    whole = not np.any(ticks % day)
    for name in [f"{period} {end}" for period in MONTHS for end in ("starts", "ends")] if whole else []:
        if np.array_equal(_around(days, name)[0], days):
            return spec.replace(falls_on=name)
    enough = len(days) >= math.log(CHANCE) / math.log(5 / 7)
    return spec.replace(falls_on="weekdays") if enough and not np.any(weekday(days) > 4) else spec


def on_days(
    ticks: np.ndarray, spec: ColumnSpec, least: np.ndarray | None = None, most: np.ndarray | None = None
) -> np.ndarray:
    """Return (n,) ticks, each at the nearest day that the column's fall on, and at the same time of it; at the next one where that lies
    below the ``least`` (n,) that a tick may be, or beyond the ``most``.

    >>> spec = ColumnSpec(name="due", kind="datetime", storage="date32[day]", falls_on="month ends")
    >>> on_days(np.array([28, 30, 57]), spec).tolist()
    [30, 30, 58]
    >>> on_days(np.array([33, 33]), spec, least=np.array([32, 0])).tolist()
    [58, 30]
    """
    if spec.falls_on is None:
        return ticks
    day = ticks_a_day(spec)
    days, time = np.divmod(on_clock(ticks, spec), day)
    before, after = (off_clock(end * day + time, spec) for end in _around(days, spec.falls_on))
    moved = np.where(ticks - before <= after - ticks, before, after)
    if least is not None:
        moved = np.where(moved < least, after, moved)
    return moved if most is None else np.where(moved > most, before, moved)


def on_clock(ticks: np.ndarray, spec: ColumnSpec) -> np.ndarray:
    """Return (n,) a column's ticks as the clocks of its zone show them; the same where it has none."""
    return local(ticks, zone_of(spec), ticks_a_day(spec) // DAY)


def off_clock(ticks: np.ndarray, spec: ColumnSpec) -> np.ndarray:
    """The inverse of :func:`on_clock`."""
    return moment(ticks, zone_of(spec), ticks_a_day(spec) // DAY)


def ticks_a_day(spec: ColumnSpec) -> int:
    """How many of a column's ticks a day has."""
    unit = unit_of(spec)
    assert unit is not None
    return int(DAY / unit)


def _around(days: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
    """(n,) the last of such days that is no later than each day, and the first that is no earlier."""
    if name == "weekdays":
        on = weekday(days)
        return days - np.maximum(on - 4, 0), days + np.where(on > 4, 7 - on, 0)
    period, end = name.split()
    shifted = days + (end == "ends")  # the last day is the one before the next first
    place = shifted.astype("datetime64[D]").astype("datetime64[M]").astype(np.int64) // MONTHS[period]
    low, high = (
        ((place + more) * MONTHS[period]).astype("datetime64[M]").astype("datetime64[D]").astype(np.int64)
        for more in (0, 1)
    )
    high = np.where(low == shifted, low, high)
    return low - (end == "ends"), high - (end == "ends")


def weekday(days: np.ndarray) -> np.ndarray:
    """(n,) 0 for Monday to 6, of days since 1970.

    >>> weekday(np.array([-1, 0, 4])).tolist()
    [2, 3, 0]
    """
    return np.asarray((days + FIRST) % 7)
