"""The weekday and the time of day of a date, as columns beside it: when things happen, and what else goes by the hour.

An interval of dates is days or months wide. What is learned of it knows no Sundays and no nights, and nothing that goes with them.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import chdtrc

from lookalike.schema import ColumnSpec, Values
from lookalike.schema.calendar import DAY, FIRST, on_clock, ticks_a_day, weekday
from lookalike.schema.zones import local, moment, without_zone, zone_of
from lookalike.stats import even_by_chance

FEWEST_DATES, FEWEST_WEEKS = 200, 4
"""Dates, and weeks that they reach over, from which on their weekdays and hours are learned; within fewer weeks intervals are of hours anyway."""
CHANCE, LEVELS = 1e-4, 8
"""How likely it may be that weekdays of days go with another column by chance, and of how many levels that is looked at, about."""


@dataclass(frozen=True)
class Clock:
    """A column of dates of which the engine learns weeks, and beside them what day of the week it was, and what time of the day; or the same
    of one that is kept as its distance from another.

    Attributes
    ----------
    column
        The dates' name. They stay as they are, but for their intervals, which are of whole weeks.
    weekday, time
        What the columns beside it are called; None where there is none: days have no time, and a weekday is not asked for where dates
        lie a day or two from another.
    day
        Ticks of a day.
    zone
        By whose clocks it was that day and that time; None for those that the dates are written by.

    >>> at = Values(np.zeros(2, bool), np.array([4 * 86_400 + 60, 6 * 86_400]))  # the Monday after 1970 began, and the Wednesday
    >>> clock = Clock("at", "at: weekday", "at: time", 86_400)
    >>> parts = clock.beside(at)
    >>> [values.numbers.tolist() for values in parts.values()]
    [[0, 2], [60, 0]]
    >>> drawn = {"at": Values(np.zeros(2, bool), np.array([8 * 86_400, 8 * 86_400])), **parts}
    >>> clock.put(drawn, np.ones(2, bool), 0, 20 * 86_400)
    >>> (drawn["at"].numbers == at.numbers).all()
    np.True_
    """

    column: str
    weekday: str | None
    time: str | None
    day: int
    zone: str | None = None

    @property
    def parts(self) -> list[str]:
        """The names of the columns beside the dates."""
        return [name for name in (self.weekday, self.time) if name is not None]

    def specs(self, spec: ColumnSpec) -> list[ColumnSpec]:
        """The columns beside the dates of a ``spec``."""
        found = [] if self.weekday is None else [ColumnSpec(name=self.weekday, kind="integer", storage="int64")]
        if self.time is not None:  # a moment of one day, so that full hours and quarters are looked for in it
            found.append(without_zone(spec).replace(name=self.time, falls_on=None, minimum=None, maximum=None))
        return found

    def beside(self, values: Values) -> dict[str, Values]:
        """Their cells, missing where a date is."""
        assert values.numbers is not None
        days, times = np.divmod(self._local(values.numbers.astype(np.int64)), self.day)
        parts = {self.weekday: weekday(days), self.time: times.astype(values.numbers.dtype)}
        missing = values.missing
        return {
            name: Values(missing, numbers=np.where(missing, 0, part))
            for name, part in parts.items()
            if name is not None
        }

    def put(self, drawn: Mapping[str, Values], rows: np.ndarray, low: int, high: int) -> None:
        """Give the dates of these ``rows`` (n,) bool the weekday and the time that are ``drawn`` beside them, within their week; in the one
        before or after it where that lies beyond the range. What was drawn of the dates counts weeks by the clocks of their zone."""
        dates = drawn[self.column]
        assert dates.numbers is not None
        known, phase = self._phase(drawn, dates.numbers)
        rows = rows & known & ~dates.missing
        weeks = (dates.numbers[rows].astype(np.int64) + FIRST * self.day) // self._period
        moved = weeks * self._period - FIRST * self.day + (phase[rows] + FIRST * self.day) % self._period
        dates.numbers[rows] = np.clip(self._within(moved, low, high), low, high)

    def near(
        self, dates: np.ndarray, drawn: Mapping[str, Values], least: np.ndarray | int, most: np.ndarray | int
    ) -> np.ndarray:
        """Return (n,) ticks, each the nearest to a date that has the weekday and the time drawn beside it; the next one where that is less than
        the ``least`` it may be, or beyond the ``most``.

        >>> drawn = {"time": Values(np.zeros(2, bool), np.array([3_600, 7_200]))}
        >>> Clock("sent", None, "time", 86_400).near(np.array([90_500, 90_500]), drawn, 90_500, 900_000).tolist()
        [176400, 93600]
        """
        known, phase = self._phase(drawn, dates)
        here = self._local(dates)
        moved = here + (phase - here + self._period // 2) % self._period - self._period // 2
        moved = self._within(moved, least, most)
        return np.where(known & (moved >= least) & (moved <= most), moved, dates)

    def _within(self, shown: np.ndarray, least: np.ndarray | int, most: np.ndarray | int) -> np.ndarray:
        """(n,) moments at which clocks show what is ``shown``, a period later than that or earlier where they are below the least or beyond
        the most."""
        at = self._moment(shown)
        beyond = (at < least).astype(np.int64) - (at > most)
        return np.where(beyond == 0, at, self._moment(shown + self._period * beyond))

    def _local(self, ticks: np.ndarray) -> np.ndarray:
        return local(ticks, self.zone, self.day // DAY)

    def _moment(self, ticks: np.ndarray) -> np.ndarray:
        return moment(ticks, self.zone, self.day // DAY)

    @property
    def _period(self) -> int:
        """Ticks after which what is beside a date comes again."""
        return self.day if self.weekday is None else 7 * self.day

    def _phase(self, drawn: Mapping[str, Values], dates: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(n,) bool: where all that is beside a date is there; (n,) int64 ticks from 1970 to the first moment of which it tells."""
        known, phase = np.ones(len(dates), bool), dates.astype(np.int64) % self.day
        if self.time is not None:
            known, phase = known & ~drawn[self.time].missing, _numbers(drawn[self.time])
        if self.weekday is not None:
            known &= ~drawn[self.weekday].missing
            phase = phase + (_numbers(drawn[self.weekday]) - FIRST) % 7 * self.day
        return known, phase


def _numbers(values: Values) -> np.ndarray:
    assert values.numbers is not None
    return values.numbers.astype(np.int64)


def find_clock(
    values: Values, spec: ColumnSpec, limit: int, others: Iterable[Values], taken: Collection[str] = ()
) -> Clock | None:
    """Return the clock of a column of dates, its parts called as none of the names ``taken`` is; None where it would tell nothing.

    That is where dates, or weeks, are too few, where there are no more than ``limit`` different ones, each of which is learned by itself, and
    where days have no time and neither they nor the ``others`` go by the weekday.

    >>> spec = ColumnSpec(name="sold", kind="datetime", storage="date32[day]")
    >>> days = Values(np.zeros(900, bool), np.arange(900) % 450)
    >>> sales = Values(np.zeros(900, bool), (np.arange(900) % 450 + 3) % 7)
    >>> find_clock(days, spec, 100, []) is None
    True
    >>> find_clock(days, spec, 100, [sales]).weekday
    'sold: weekday'
    """
    if spec.kind != "datetime":
        return None
    ticks, day = on_clock(values.present, spec), ticks_a_day(spec)
    if len(ticks) < FEWEST_DATES or len(np.unique(ticks)) <= limit:
        return None
    if int(ticks.max()) - int(ticks.min()) < FEWEST_WEEKS * 7 * day or (spec.falls_on or "weekdays") != "weekdays":
        return None
    days, time = (_unlike(f"{spec.name}: {part}", taken) for part in ("weekday", "time"))
    if np.any(ticks % day):
        return Clock(spec.name, days, time, day, zone_of(spec))
    there, others = ~values.missing, list(others)
    weekdays = weekday(ticks.astype(np.int64) // day)
    chance = CHANCE / (1 + len(others))
    tells = even_by_chance(np.bincount(weekdays, minlength=7)) < chance
    tells = tells or any(_go_together(weekdays, _levels(other)[there]) < chance for other in others)
    return Clock(spec.name, days, None, day, zone_of(spec)) if tells else None


def _unlike(wanted: str, taken: Collection[str]) -> str:
    while wanted in taken:
        wanted += "'"
    return wanted


def _levels(values: Values) -> np.ndarray:
    """(n,) labels, or eighths of a number, as codes from 1; 0 for missing. Rarer labels are one."""
    if values.codes is not None:
        common = np.argsort(-np.bincount(values.codes[~values.missing], minlength=LEVELS), kind="stable")[:LEVELS]
        place = np.full(len(values.levels or ()) + LEVELS, LEVELS + 1)
        place[common] = 1 + np.arange(len(common))
        return np.where(values.missing, 0, place[values.codes])
    assert values.numbers is not None
    ends = (
        np.unique(np.quantile(values.present.astype(np.float64), np.arange(1, LEVELS) / LEVELS))
        if len(values.present)
        else []
    )
    return np.where(values.missing, 0, 1 + np.searchsorted(ends, values.numbers.astype(np.float64)))


def _go_together(one: np.ndarray, other: np.ndarray) -> float:
    """How likely chance makes two columns of codes go together so: Pearson's test."""
    counts = np.zeros((int(one.max()) + 1, int(other.max()) + 1))
    np.add.at(counts, (one, other), 1)
    cells = counts[counts.any(1)][:, counts.any(0)]
    usual = np.outer(cells.sum(1), cells.sum(0)) / cells.sum()
    freedom = (cells.shape[0] - 1) * (cells.shape[1] - 1)
    return float(chdtrc(freedom, ((cells - usual) ** 2 / usual).sum())) if freedom else 1.0
