"""Numbers and dates: spikes are codes, all else is a mode and a residual inside it."""

from __future__ import annotations

from typing import Any

import numpy as np

from lookalike.encode.base import ColumnEncoder
from lookalike.encode.mixture import Modes, fit_modes
from lookalike.errors import InputError
from lookalike.schema import EncodedColumn, Values

SPIKE_SHARE = 0.002
SPIKE_ROWS = 10
SPIKE_RATIO = 5.0
SPIKE_NEIGHBOURS = 5
MAXIMUM_SPIKES = 64
ROWS_A_DISCRETE_VALUE = 5


class NumericEncoder(ColumnEncoder):
    """Integers, floats and dates.

    Codes are sorted by value: *spikes* (values that recur far more often than their neighbours: 0, a sentinel date, a
    capped maximum; or every value of a number that has few) and Gaussian modes, then missing. Spikes come back exactly;
    a value inside a mode comes back from its residual, rounded to the column's step or decimals and held to the range
    that was seen.

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

    def fit(self, values: Values, rng: np.random.Generator) -> None:
        assert values.numbers is not None
        numbers = values.numbers[~values.missing]
        self.has_missing = bool(values.missing.any()) or len(numbers) == 0
        self.dtype = numbers.dtype
        if len(numbers) == 0:
            numbers = np.zeros(1, self.dtype)
        self.low, self.high = self._bounds(numbers)
        numbers = np.clip(numbers, self.low, self.high)
        distinct, counts = np.unique(numbers, return_counts=True)
        self.spikes = distinct[self._is_spike(counts, len(numbers))]
        rest = numbers[~np.isin(numbers, self.spikes)]
        self.modes = (
            fit_modes(self._axis(rest), maximum=self.settings.max_modes, rows=self.settings.fit_rows, rng=rng)
            if len(rest)
            else None
        )
        self._place_codes()
        self.fitted = True

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

    def _is_spike(self, counts: np.ndarray, rows: int) -> np.ndarray:
        """(L,) bool over the sorted distinct values."""
        if len(counts) <= self.settings.max_discrete and (
            rows >= ROWS_A_DISCRETE_VALUE * len(counts) or len(counts) <= 2
        ):
            return np.ones(len(counts), bool)
        padded = np.pad(counts.astype(float), SPIKE_NEIGHBOURS, constant_values=np.nan)
        windows = np.lib.stride_tricks.sliding_window_view(padded, 2 * SPIKE_NEIGHBOURS + 1)
        usual = np.nanmedian(np.delete(windows, SPIKE_NEIGHBOURS, axis=1), axis=1)
        spike = (counts >= max(SPIKE_ROWS, SPIKE_SHARE * rows)) & (counts >= SPIKE_RATIO * usual)
        if spike.sum() > MAXIMUM_SPIKES:
            spike &= counts >= np.sort(counts[spike])[-MAXIMUM_SPIKES]
        return spike

    def _axis(self, numbers: np.ndarray) -> np.ndarray:
        """Numbers as float64 distances from the lowest: exact for any integers less than 2⁵³ apart."""
        if self.dtype.kind in "iu":
            return (numbers.astype(np.uint64) - np.asarray(self.low).astype(np.uint64)).astype(np.float64)
        return np.ldexp(numbers, -self._exponent)

    @property
    def _exponent(self) -> int:
        """Floats near the ends of their range are scaled by a power of two, or their squares would leave it."""
        exponent = int(np.frexp(max(abs(float(self.low)), abs(float(self.high))))[1])
        return exponent if abs(exponent) > 300 else 0

    def _from_axis(self, axis: np.ndarray) -> np.ndarray:
        """The inverse of :meth:`_axis`, rounded and held to the range."""
        if self.dtype.kind in "iu":
            return self._integers_from_axis(axis)
        low, high = self._limits()
        exponent = self._exponent
        numbers = np.ldexp(np.clip(axis, np.ldexp(low, -exponent), np.ldexp(high, -exponent)), exponent)
        if self.settings.enforce_rounding and self.spec.decimals is not None:
            numbers = np.round(numbers, self.spec.decimals)
        return np.clip(numbers, low, high)

    def _integers_from_axis(self, axis: np.ndarray) -> np.ndarray:
        low, high = self._limits()
        # Python integers, because neither end of the range, nor their distance, need fit the column's dtype
        floor, room = int(low) - int(self.low), int(high) - int(self.low)
        step = self.spec.step if self.settings.enforce_rounding else 1
        offset = int(self.low) % step
        steps = np.round((np.clip(axis, floor, room) + offset) / step)
        whole = steps * step - offset
        whole = np.where(whole < floor, whole + step, np.where(whole > room, whole - step, whole))
        exact = np.abs(whole) < 2**53
        wide = np.where(exact, whole, np.clip(whole, floor, np.nextafter(float(room), 0) if room > 2**53 else room))
        distance = wide.astype(np.uint64) if floor >= 0 else wide.astype(np.int64).astype(np.uint64)
        return (distance + np.asarray(self.low).astype(np.uint64)).astype(self.dtype)

    def _limits(self) -> tuple[Any, Any]:
        """The range decoded values are held to: what was seen, or the dtype's own where that is not asked for."""
        low, high = self.low, self.high
        if not self.settings.enforce_min_max_values:
            width = np.iinfo(self.dtype) if self.dtype.kind in "iu" else np.finfo(np.float64)
            low, high = width.min, width.max
        low = low if self.spec.minimum is None else max(low, self.dtype.type(self.spec.minimum))
        high = high if self.spec.maximum is None else min(high, self.dtype.type(self.spec.maximum))
        return low, high

    def _place_codes(self) -> None:
        """Spikes and modes in the order of their values."""
        spike_axis = self._axis(self.spikes)
        means = self.modes.means if self.modes is not None else np.zeros(0)
        both = np.concatenate([spike_axis, means])
        order = np.argsort(both, kind="stable")
        place = np.empty(len(both), np.int32)
        place[order] = np.arange(len(both), dtype=np.int32)
        self.code_of_spike, self.code_of_mode = place[: len(spike_axis)], place[len(spike_axis) :]
        self.missing_code = len(both)
        self.representatives = both[order]

    def _column(self) -> EncodedColumn:
        cardinality = self.missing_code + self.has_missing
        interval = np.zeros(cardinality, bool)
        interval[self.code_of_mode] = True
        representatives = np.append(self.representatives, np.nan) if self.has_missing else self.representatives
        return EncodedColumn(self.spec.name, int(cardinality), interval, True, representatives)

    def encode(self, values: Values, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        assert values.numbers is not None
        numbers = np.clip(values.numbers.astype(self.dtype), self.low, self.high)
        codes, residuals = np.full(len(values), -1, np.int32), np.zeros(len(values))
        if self.has_missing:
            codes[values.missing] = self.missing_code
        place = np.searchsorted(self.spikes, numbers)
        spike = (
            np.append(self.spikes, self.spikes[:1])[np.minimum(place, len(self.spikes))] == numbers
            if len(self.spikes)
            else np.zeros(len(numbers), bool)
        )
        spike &= ~values.missing
        codes[spike] = self.code_of_spike[place[spike]]
        rest = ~spike & ~values.missing
        if rest.any() and self.modes is not None:
            modes, residuals[rest] = self.modes.assign(self._axis(numbers[rest]), rng)
            codes[rest] = self.code_of_mode[modes]
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
        mode_of_code = np.full(self.missing_code + 1, -1)
        mode_of_code[self.code_of_mode] = np.arange(len(self.code_of_mode))
        spikes, modes = spike_of_code[codes], mode_of_code[codes]
        numbers[spikes >= 0] = self.spikes[spikes[spikes >= 0]]
        inside = modes >= 0
        if inside.any() and self.modes is not None:
            numbers[inside] = self._from_axis(self.modes.values(modes[inside], residuals[inside]))
        return Values(missing=missing, numbers=np.where(missing, self.dtype.type(0), numbers))

    def state(self) -> dict[str, Any]:
        modes = self.modes
        return {
            "dtype": str(self.dtype),
            "low": self.low.item(),
            "high": self.high.item(),
            "spikes": self.spikes.tolist(),
            "modes": None
            if modes is None
            else [modes.means.tolist(), modes.deviations.tolist(), modes.weights.tolist()],
            "has_missing": self.has_missing,
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.dtype = np.dtype(state["dtype"])
        self.low, self.high = self.dtype.type(state["low"]), self.dtype.type(state["high"])
        self.spikes = np.asarray(state["spikes"], self.dtype)
        self.modes = (
            None if state["modes"] is None else Modes(*(np.asarray(part, np.float64) for part in state["modes"]))
        )
        self.has_missing = bool(state["has_missing"])
        self._place_codes()
        self.fitted = True
