"""The hours of a week: when things happen, for moments that an interval of days or months would spread over the night."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np

from lookalike.encode.base import Arrays

FEWEST_MOMENTS, FEWEST_WEEKS = 200, 4
"""Moments, and weeks that they reach over, from which on their hours are learned; within fewer weeks intervals are of hours anyway."""
CELLS, ROWS_A_CELL = (96, 48, 24, 12, 8, 4, 2, 1), 50
"""Parts that a day may be cut into, and how many rows one has on average."""
RAREST = 1e-3
"""Share of its even part that an hour at which nothing happened counts as: what does happen then has its place, too."""


@dataclass(frozen=True)
class Week(Arrays):
    """An axis of moments, stretched where much happens and shrunk where little does, so that on it all hours of a week are as busy.

    Intervals are cut on it, and what is drawn evenly inside one falls on the hours at which things happen.

    Attributes
    ----------
    length
        (2,) int64: ticks of a week, and from a Monday's midnight to where the axis begins.
    shares
        (cells of a week,) float64: the part of a week's events in each, from Monday on; days and times of day are independent.

    >>> noon = np.arange(300) * 86_400 + 43_200 + np.arange(300) % 60
    >>> week = Week.of(noon, int(noon[0]), 86_400)
    >>> axis = week.there(np.linspace(0, noon[-1] - noon[0], 5))
    >>> np.allclose(week.back(axis), np.linspace(0, noon[-1] - noon[0], 5))
    True
    >>> drawn = week.back(np.linspace(0, axis[-1], 1000)) + noon[0]
    >>> float(np.mean(np.abs(drawn % 86_400 - 43_200) < 21_600)) > 0.99
    True
    """

    length: np.ndarray
    shares: np.ndarray

    @classmethod
    def of(cls, ticks: np.ndarray, low: int, day: int) -> Week | None:
        """Learn the hours of (n,) int64 ticks since 1970, so many a ``day``, for an axis that begins at ``low``; None where moments, or weeks,
        are too few, or days have no parts."""
        if len(ticks) < FEWEST_MOMENTS or day == 1:
            return None
        if int(ticks.max()) - int(ticks.min()) < FEWEST_WEEKS * 7 * day:
            return None
        cells = next(count for count in CELLS if (len(ticks) >= ROWS_A_CELL * count and day % count == 0) or count == 1)
        first = (low + 3 * day) % (7 * day)  # 1970 began on a Thursday
        days, times = np.divmod(ticks - low + first, day)
        by_day = np.bincount(days % 7, minlength=7) / len(ticks)
        by_time = np.bincount(times // (day // cells), minlength=cells) / len(ticks)
        shares = np.outer(np.maximum(by_day, RAREST / 7), np.maximum(by_time, RAREST / cells)).ravel()
        return cls(np.array([7 * day, first]), shares / shares.sum())

    @cached_property
    def _ends(self) -> tuple[np.ndarray, np.ndarray]:
        """(cells + 1,) where the cells of a week end by the clock, and on the axis."""
        whole = float(self.length[0])
        return np.linspace(0, whole, len(self.shares) + 1), np.append(0.0, np.cumsum(self.shares)) * whole

    @cached_property
    def _begin(self) -> float:
        """Where the axis would begin, did it begin on a Monday."""
        return float(self._through(self.length[1:].astype(np.float64), *self._ends)[0])

    def there(self, ticks: np.ndarray) -> np.ndarray:
        """Return (n,) float64 places on the axis of so many ticks from its beginning."""
        return self._through(ticks + float(self.length[1]), *self._ends) - self._begin

    def back(self, axis: np.ndarray) -> np.ndarray:
        """The inverse of :meth:`there`."""
        by_clock, on_axis = self._ends
        return self._through(axis + self._begin, on_axis, by_clock) - float(self.length[1])

    def _through(self, places: np.ndarray, from_ends: np.ndarray, to_ends: np.ndarray) -> np.ndarray:
        weeks, within = np.divmod(places, float(self.length[0]))
        return weeks * float(self.length[0]) + np.interp(within, from_ends, to_ends)
