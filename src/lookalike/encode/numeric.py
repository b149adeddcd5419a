"""Numbers and dates: spikes are codes, all else is an interval (a mode or a bin) and a residual inside it."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np

from lookalike.encode.base import ColumnEncoder
from lookalike.encode.bins import ROWS_A_BIN, Bins, at_nearest, fit_bins
from lookalike.encode.category import SMALL_TABLE
from lookalike.encode.endings import ByEnding, fit_by_ending
from lookalike.encode.mixture import Modes, fit_modes
from lookalike.errors import InputError
from lookalike.schema import EncodedColumn, Values
from lookalike.schema.axis import declared_bounds, grain_of, on_grain, unit_of
from lookalike.schema.calendar import on_clock, on_days, ticks_a_day, weekday
from lookalike.schema.grain import LARGEST_WHOLE
from lookalike.stats import places_among

SPIKE_SHARE = 0.002
SPIKE_ROWS = 10
SPIKE_RATIO = 5.0
SPIKE_NEIGHBOURS = 5
MAXIMUM_SPIKES = 64
ROWS_A_DISCRETE_VALUE = 5
COUNTED_VALUES, COUNTED_BINS = 4, 2
"""A number of at most so many times ``max_bins`` values is a count, and may have so many times the bins: shoppers' rows with
their residuals drawn anew were told from the holdout at .527 with 100 bins a column, at .503 with 200 for its counts."""


SCALE_RARE, SCALE_PLACES = 0.02, 2
"""Share of rows that have a rare value, and places a value, from which and up to which a number of few values is cut like one of many."""


class NumericEncoder(ColumnEncoder):
    """Integers, floats and dates.

    Codes are sorted by value: *spikes* (values that recur far more often than their neighbours: 0, a sentinel date, a
    capped maximum; or every value of a number that has few, if ``rare_rows`` rows have it) and intervals, Gaussian modes or quantile bins, then missing.
    Spikes come back exactly; a value inside an interval comes back from its residual, rounded to the column's step or
    decimals and within the range that was seen. Inside a quantile bin values that recur (``rare_rows`` rows) are drawn as they are.
    Dates that have their weekday beside them (:class:`~lookalike.encode.clock.Clock`) are cut into whole ``weeks``.

    >>> from lookalike.encode.base import EncoderSettings
    >>> from lookalike.schema import ColumnSpec
    >>> numbers = np.concatenate([np.zeros(500, np.int64), np.arange(1000, 1500)])
    >>> values = Values(missing=np.zeros(1000, bool), numbers=numbers)
    >>> encoder, rng = NumericEncoder(ColumnSpec(name="gain", kind="integer"), EncoderSettings()), np.random.default_rng(0)
    >>> encoder.fit(values, rng)
    >>> encoder.spikes
    array([0])
    >>> bool((encoder.decode(*encoder.encode(values, rng), rng).numbers == numbers).all())
    True
    """

    weeks: bool = False

    def fit(self, values: Values, rng: np.random.Generator) -> None:
        assert values.numbers is not None
        numbers = values.numbers[~values.missing]
        self.has_missing = bool(values.missing.any()) or len(numbers) == 0
        self.dtype = numbers.dtype
        if len(numbers) == 0:
            numbers = np.zeros(1, self.dtype)
        numbers = self._as_declared(numbers)
        self.low, self.high = self._bounds(numbers)
        numbers = np.clip(numbers, self.low, self.high)
        distinct, counts = np.unique(numbers, return_counts=True)
        self.few = self._are_few(distinct, counts)
        if self.few:
            numbers = self._without_rare(numbers, distinct, counts)
            self.low, self.high = numbers.min(), numbers.max()
        else:
            self.spikes = distinct[self._is_spike(counts, len(numbers))]
        rest = numbers[~np.isin(numbers, self.spikes)]
        self.intervals = self._cut(self._axis(rest), rng) if len(rest) else None
        self.place_codes()
        self.fitted = True

    def _cut(self, axis: np.ndarray, rng: np.random.Generator) -> Modes | Bins | ByEnding:
        if self.settings.intervals == "quantiles":
            # what is counted rather than measured is told apart value by value as far as may be
            counted = len(np.unique(axis)) <= COUNTED_VALUES * self.settings.max_bins
            maximum = self.settings.max_bins * (COUNTED_BINS if counted else 1)
            rare = self.settings.rare_rows if len(axis) >= SMALL_TABLE else 1
            if self.weeks:
                return fit_bins(axis, maximum=maximum, grain=7.0 * ticks_a_day(self.spec), rare=rare)
            return fit_by_ending(axis, maximum=maximum, grain=self._grain, rare=rare, second=self._second)
        return fit_modes(axis, maximum=self.settings.max_modes, rows=self.settings.fit_rows, rng=rng)

    @property
    def _grain(self) -> float:
        """How far apart neighbouring values lie on the axis; 0 where they may lie anywhere."""
        if not self.settings.enforce_rounding or self._exponent:
            return 0.0
        if self.dtype.kind in "iu":
            return float(self.spec.step)
        return grain_of(self.spec)

    @property
    def _second(self) -> Fraction | None:
        """How many grains a second has; None where numbers are no moments."""
        unit = unit_of(self.spec) if self.spec.kind == "datetime" else None
        return None if unit is None else 1 / (unit * self.spec.step)

    def _as_declared(self, numbers: np.ndarray) -> np.ndarray:
        """Numbers, those beyond a declared bound at it."""
        low, high = declared_bounds(self.spec, self.dtype)
        return numbers if low is None and high is None else np.clip(numbers, low, high).astype(self.dtype)

    def _bounds(self, numbers: np.ndarray) -> tuple[Any, Any]:
        low, high = numbers.min(), numbers.max()
        if self.settings.outliers == "clip":
            share = self.settings.outlier_quantile
            low, high = np.quantile(numbers, [share, 1 - share], method="nearest")
        elif self.settings.outliers == "z":
            centre, width = (
                float(np.mean(numbers, dtype=np.float64)),
                self.settings.outlier_z * float(np.std(numbers, dtype=np.float64)),
            )
            inside = numbers[np.abs(numbers.astype(np.float64) - centre) <= width]
            low, high = (inside.min(), inside.max()) if len(inside) else (low, high)
        return low, high

    def _are_few(self, distinct: np.ndarray, counts: np.ndarray) -> bool:
        """Whether values are so few that each has a code."""
        few, rows = self.settings.max_discrete, int(counts.sum())
        if self.settings.intervals == "quantiles":
            if self._is_scale(distinct, counts):
                return False
            few = max(few, self.settings.max_bins)
        return len(counts) <= few and (rows >= ROWS_A_DISCRETE_VALUE * len(counts) or len(counts) <= 2)

    def _is_scale(self, distinct: np.ndarray, counts: np.ndarray) -> bool:
        """Whether values fill most places of a range, and many rows have a rare one, as with ages in a small table: nobody's age between
        two of them is drawn as well as theirs."""
        width = float(distinct[-1]) - float(distinct[0])
        rare = counts[counts < self.settings.rare_rows].sum() > SCALE_RARE * counts.sum()
        return bool(rare and counts.sum() >= SMALL_TABLE and width < SCALE_PLACES * len(distinct) * self._grain)

    def _without_rare(self, numbers: np.ndarray, distinct: np.ndarray, counts: np.ndarray) -> np.ndarray:
        """Choose the spikes of a number of few values: those that enough people have. Return (n,) the numbers as they are learned.

        A value of one or two people would come back as it is, and the greatest of all is often one person's. Beyond the spikes, rare
        ones are intervals together, where they are enough for one; else, and between spikes, each goes to the nearest spike.
        """
        common = distinct[counts >= self.settings.rare_rows]
        flag = len(distinct) <= 2 and distinct[0] > -10 and distinct[-1] < 10  # yes and no, whoever's they are
        if len(numbers) < SMALL_TABLE or flag or not len(common):
            self.spikes = distinct
            return numbers
        self.spikes = common
        fewest = ROWS_A_BIN * (1 if self.settings.intervals == "quantiles" else self.settings.max_modes)
        if (numbers < common[0]).sum() < fewest:
            numbers = np.maximum(numbers, common[0])
        if (numbers > common[-1]).sum() < fewest:
            numbers = np.minimum(numbers, common[-1])
        return self._between_at_spikes(numbers)

    def _between_at_spikes(self, numbers: np.ndarray) -> np.ndarray:
        """(n,) numbers, those between spikes at the nearest."""
        between = (numbers > self.spikes[0]) & (numbers < self.spikes[-1])
        return np.where(between, at_nearest(numbers, self.spikes), numbers)

    def _is_spike(self, counts: np.ndarray, rows: int) -> np.ndarray:
        """(L,) bool over the sorted distinct values."""
        padded = np.pad(counts.astype(float), SPIKE_NEIGHBOURS, constant_values=np.nan)
        windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * SPIKE_NEIGHBOURS + 1)
        usual = np.nanmedian(np.delete(windows, SPIKE_NEIGHBOURS, axis=1), axis=1)
        spike = (counts >= max(SPIKE_ROWS, SPIKE_SHARE * rows)) & (counts >= SPIKE_RATIO * usual)
        if spike.sum() > MAXIMUM_SPIKES:
            spike &= counts >= np.sort(counts[spike])[-MAXIMUM_SPIKES]
        return spike

    def _axis(self, numbers: np.ndarray) -> np.ndarray:
        """Numbers as float64 distances from the lowest: exact for any integers less than 2⁵³ apart."""
        if self.weeks:  # the middle of its week; where in it a date is stands beside it
            return (self.week_of(numbers) - int(self.low)) + 3.5 * ticks_a_day(self.spec)
        if self.dtype.kind in "iu":
            return (numbers.astype(np.uint64) - np.asarray(self.low).astype(np.uint64)).astype(np.float64)
        return np.ldexp(numbers, -self._exponent)

    def week_of(self, dates: np.ndarray) -> np.ndarray:
        """Return (n,) int64 ticks at which the week of each date begins, by the clocks of its zone."""
        days = on_clock(dates, self.spec).astype(np.int64) // ticks_a_day(self.spec)
        return np.asarray((days - weekday(days)) * ticks_a_day(self.spec))

    @property
    def _exponent(self) -> int:
        """Floats near the ends of their range are scaled by a power of two, or their squares would leave it."""
        if self.dtype.kind in "iu":
            return 0
        exponent = int(np.frexp(max(abs(float(self.low)), abs(float(self.high))))[1])
        return exponent if abs(exponent) > 300 else 0

    def _from_axis(self, axis: np.ndarray) -> np.ndarray:
        """The inverse of :meth:`_axis`, rounded and held to the range."""
        if self.dtype.kind in "iu":
            return self._integers_from_axis(axis)
        low, high = self.limits()
        exponent = self._exponent
        numbers = np.ldexp(np.clip(axis, np.ldexp(low, -exponent), np.ldexp(high, -exponent)), exponent)
        if self.settings.enforce_rounding and self.spec.decimals is not None:
            numbers = on_grain(numbers, self.spec)
        return np.clip(numbers, low, high)

    def _integers_from_axis(self, axis: np.ndarray) -> np.ndarray:
        low, high = self.limits()
        # Python integers, because neither end of the range, nor their distance, need fit the column's dtype
        floor, room = int(low) - int(self.low), int(high) - int(self.low)
        step = self.spec.step if self.settings.enforce_rounding else 1
        offset = int(self.low) % step
        steps = np.round((np.clip(axis, floor, room) + offset) / step)
        whole = steps * step - offset
        whole = np.where(whole < floor, whole + step, np.where(whole > room, whole - step, whole))
        # the greatest float that is no more than the range: itself, where it is one, or the last day of a year would end early
        top = float(room) if int(float(room)) <= room else np.nextafter(float(room), 0)
        exact = np.abs(whole) < LARGEST_WHOLE
        wide = np.where(exact, whole, np.clip(whole, floor, top))
        distance = wide.astype(np.uint64) if floor >= 0 else wide.astype(np.int64).astype(np.uint64)
        numbers = (distance + np.asarray(self.low).astype(np.uint64)).astype(self.dtype)
        if self.spec.falls_on is None or not self.settings.enforce_rounding:
            return numbers
        return np.clip(on_days(numbers, self.spec), low, high)

    def limits(self) -> tuple[Any, Any]:
        """The range decoded values are held to: what was seen, or the dtype's own where that is not asked for."""
        low, high = self.low, self.high
        if not self.settings.enforce_min_max_values:
            width = np.iinfo(self.dtype) if self.dtype.kind in "iu" else np.finfo(np.float64)
            low, high = width.min, width.max
        least, most = declared_bounds(self.spec, self.dtype)
        return low if least is None else max(low, least), high if most is None else min(high, most)

    def place_codes(self) -> None:
        """Give spikes and intervals their codes, in the order of their values, and missing the one after them."""
        spike_axis = self._axis(self.spikes)
        means = self.intervals.means if self.intervals is not None else np.zeros(0)
        both = np.concatenate([spike_axis, means])
        order = np.argsort(both, kind="stable")
        place = np.empty(len(both), np.int32)
        place[order] = np.arange(len(both), dtype=np.int32)
        self.code_of_spike, self.code_of_interval = place[: len(spike_axis)], place[len(spike_axis) :]
        self.missing_code = len(both)
        self.representatives = both[order]

    def _column(self) -> EncodedColumn:
        cardinality = self.missing_code + self.has_missing
        interval = np.zeros(cardinality, bool)
        interval[self.code_of_interval] = True
        representatives = np.append(self.representatives, np.nan) if self.has_missing else self.representatives
        return EncodedColumn(self.spec.name, int(cardinality), interval, True, representatives)

    def encode(self, values: Values, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        assert values.numbers is not None
        numbers = np.clip(values.numbers.astype(self.dtype), self.low, self.high)
        if self.few:
            numbers = self._between_at_spikes(numbers)
        codes, residuals = np.full(len(values), -1, np.int32), np.zeros(len(values))
        if self.has_missing:
            codes[values.missing] = self.missing_code
        place = places_among(numbers, self.spikes)
        spike = (place >= 0) & ~values.missing
        codes[spike] = self.code_of_spike[place[spike]]
        rest = ~spike & ~values.missing
        if rest.any() and self.intervals is not None:
            places, residuals[rest] = self.intervals.assign(self._axis(numbers[rest]), rng)
            codes[rest] = self.code_of_interval[places]
        if (codes < 0).any():
            raise InputError(
                f"every cell must have a code, however: {int((codes < 0).sum())} cells of column {self.spec.name!r} are missing or of a "
                "value never seen in the fitted table. Fit again with them."
            )
        return codes, residuals

    def decode(self, codes: np.ndarray, residuals: np.ndarray, rng: np.random.Generator) -> Values:
        missing = (codes == self.missing_code) if self.has_missing else np.zeros(len(codes), bool)
        numbers = np.zeros(len(codes), self.dtype)
        spike_of_code = np.full(self.missing_code + 1, -1)
        spike_of_code[self.code_of_spike] = np.arange(len(self.spikes))
        interval_of_code = np.full(self.missing_code + 1, -1)
        interval_of_code[self.code_of_interval] = np.arange(len(self.code_of_interval))
        spikes, intervals = spike_of_code[codes], interval_of_code[codes]
        numbers[spikes >= 0] = self.spikes[spikes[spikes >= 0]]
        inside = intervals >= 0
        if inside.any() and self.intervals is not None:
            axis = self.intervals.values(intervals[inside], residuals[inside])
            if isinstance(self.intervals, Modes) and self.settings.enforce_min_max_values:
                axis = self.intervals.mirrored(axis)
            numbers[inside] = self._from_axis(axis)
        return Values(missing=missing, numbers=np.where(missing, self.dtype.type(0), numbers))

    def state(self) -> dict[str, Any]:
        return {
            "dtype": str(self.dtype),
            "low": self.low.item(),
            "high": self.high.item(),
            "spikes": self.spikes.tolist(),
            "few": self.few,
            "intervals": None if self.intervals is None else self.intervals.state(),
            "has_missing": self.has_missing,
            "weeks": self.weeks,
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.dtype = np.dtype(state["dtype"])
        self.low, self.high = self.dtype.type(state["low"]), self.dtype.type(state["high"])
        self.spikes, self.few = np.asarray(state["spikes"], self.dtype), bool(state["few"])
        kept = state["intervals"]
        kind: type[Modes | Bins | ByEnding] = Bins if self.settings.intervals == "quantiles" else Modes
        if kept is not None and "endings" in kept:
            kind = ByEnding
        self.intervals = None if kept is None else kind.from_state(kept)
        self.has_missing = bool(state["has_missing"])
        self.weeks = bool(state["weeks"])
        self.place_codes()
        self.fitted = True
