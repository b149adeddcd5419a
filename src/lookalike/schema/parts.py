"""Parts of a date that other columns are made from: its year, its month, its day of the week, its hour."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType

import numpy as np

from lookalike.schema.axis import DAY, unit_of
from lookalike.schema.calendar import weekday
from lookalike.schema.column import ColumnSpec
from lookalike.schema.zones import local, moment, zone_of

HOUR = 3_600


def _in(unit: str) -> Callable[[np.ndarray], np.ndarray]:
    """(n,) int64 seconds in whole calendar units since 1970."""
    return lambda seconds: seconds.astype("datetime64[s]").astype(f"datetime64[{unit}]").astype(np.int64)


def _day_of_month(seconds: np.ndarray) -> np.ndarray:
    days = seconds.astype("datetime64[s]").astype("datetime64[D]")
    return (days - days.astype("datetime64[M]")).astype(np.int64) + 1


def _week(seconds: np.ndarray) -> np.ndarray:
    """The week of the year by ISO 8601: that of its Thursday."""
    days = seconds // DAY
    thursday = days - weekday(days) + 3
    year = thursday.astype("datetime64[D]").astype("datetime64[Y]").astype("datetime64[D]").astype(np.int64)
    return (thursday - year) // 7 + 1


PARTS: Mapping[str, Callable[[np.ndarray], np.ndarray]] = MappingProxyType(
    {
        "year": lambda seconds: _in("Y")(seconds) + 1970,
        "quarter": lambda seconds: _in("M")(seconds) % 12 // 3 + 1,
        "weekday": lambda seconds: weekday(seconds // DAY),
        "month": lambda seconds: _in("M")(seconds) % 12 + 1,
        "hour": lambda seconds: seconds // HOUR % 24,
        "day of month": _day_of_month,
        "week": _week,
        "minute": lambda seconds: seconds // 60 % 60,
        "month and year": _in("M"),
        "day": lambda seconds: seconds // DAY,
    }
)
"""(n,) int64 seconds since 1970 to (n,) int64, those of few values first; weekdays count from Monday, 0."""


@dataclass(frozen=True)
class Part:
    """A part of a column's dates.

    Attributes
    ----------
    name
        One of :data:`PARTS`.
    unit
        What one parsed unit of the column is worth, in seconds.
    zone
        By whose clocks; None for those that the dates are written by.

    >>> spec = ColumnSpec(name="sold", kind="datetime", storage="date32[day]")
    >>> Part.of(spec, "weekday")(np.array([0, 4])).tolist()
    [3, 0]
    """

    name: str
    unit: Fraction
    zone: str | None = None

    @classmethod
    def of(cls, spec: ColumnSpec, name: str) -> Part:
        unit = unit_of(spec)
        assert unit is not None
        return cls(name, unit, zone_of(spec))

    def __call__(self, numbers: np.ndarray) -> np.ndarray:
        """Return the part of (n,) parsed dates: (n,) int64."""
        numbers = self.local(numbers.astype(np.int64))
        return np.asarray(PARTS[self.name](numbers * self.unit.numerator // self.unit.denominator))

    def local(self, numbers: np.ndarray) -> np.ndarray:
        """Return (n,) parsed dates as their zone's clocks show them."""
        return local(numbers, self.zone, self.unit.denominator)

    def moment(self, numbers: np.ndarray) -> np.ndarray:
        """The inverse of :meth:`local`."""
        return moment(numbers, self.zone, self.unit.denominator)

    @property
    def width(self) -> int:
        """Seconds between dates that may differ in it: those of an hour, or of a day."""
        return {"minute": 60, "hour": HOUR}.get(self.name, DAY)


def parts_of(spec: ColumnSpec) -> list[Part]:
    """Return the parts that a column's values have: those of a date, none of what is no date."""
    return [Part.of(spec, name) for name in PARTS] if spec.kind == "datetime" else []
