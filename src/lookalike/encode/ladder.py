"""Cells on a number's axis that are public before any number is seen, and finer ones where noisy counts say that many rows lie.

The first cells are four to every octave on either side of zero, over the whole range of the type (or 32 equal ones between
declared bounds); each cell with many rows is then cut into up to 32, and again. So the cells follow the numbers' distribution
as PrivTree does (Zhang, Xiao and Xie 2016, "PrivTree: a differentially private algorithm for hierarchical decompositions"),
with a fixed number of looks at the rows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from statistics import NormalDist

import numpy as np
import pyarrow as pa
from scipy.ndimage import binary_dilation

from lookalike.encode.bins import Bins
from lookalike.schema import ColumnSpec
from lookalike.schema.axis import DAY
from lookalike.schema.dates import TICKS_A_SECOND, unit_of
from lookalike.schema.grain import steps_of_time
from lookalike.schema.types import arrow_type

BRANCHES = 32
"""Parts that a cell with many rows is cut into, at most."""
ROWS_A_PART = 2.0
"""Noise deviations that a part's rows come to, if a cell's rows are spread evenly: smaller parts would tell little."""
BY_CHANCE = 1e-3
"""How likely it may be that any cell without a row passes for one with rows, near to one that has some."""
FAR_BY_CHANCE = 1e-5
"""How likely that is anywhere: the cells reach so far that one which does makes an age of millions, and a table has many columns."""
NEAR = 4
"""Cells from one that passed, an octave, within which the easier threshold suffices."""
NEIGHBOUR = 0.4
"""Part of the threshold that suffices for a cell beside one that passed it."""
DECLARED_CELLS = 32
QUARTERS = (1.0, 1.25, 1.5, 1.75)
"""Cells within an octave begin at these multiples of its power of two."""
EXPONENTS = {"i": (0, 63), "u": (0, 64), "f": (-30, 70)}
FLOAT_END = 2.0**71
"""Floats beyond it count as it, where no bounds are declared."""
YEARS = -719_162, 2_932_896
"""Days from 1970 to the first of the year 1 and to the last of the year 9999, which is as far as dates are written."""
MOST_DECIMALS = 9

Measure = Callable[[np.ndarray], tuple[np.ndarray, float]]


@dataclass(frozen=True)
class Cells:
    """c cells [low, high), ascending, with noisy counts.

    Attributes
    ----------
    lows, highs
        (c,) float64, in units of ``step``.
    counts, deviations
        (c,) float64: how many rows, and the standard deviation of the noise in it.
    step
        Whole numbers: units between neighbouring values; 0 for floats.
    """

    lows: np.ndarray
    highs: np.ndarray
    counts: np.ndarray
    deviations: np.ndarray
    step: int

    def place(self, numbers: np.ndarray) -> np.ndarray:
        """(n,) numbers → the cell each lies in, or the nearest above (the last, beyond it)."""
        units = np.floor_divide(numbers, numbers.dtype.type(self.step)) if self.step else numbers
        return np.minimum(np.searchsorted(self.highs, units.astype(np.float64), side="right"), len(self.highs) - 1)

    def measured(self, measure: Measure, numbers: np.ndarray) -> Cells:
        """The same cells, counted."""
        counts, deviation = measure(np.bincount(self.place(numbers), minlength=len(self.lows)))
        return replace(self, counts=counts.astype(np.float64), deviations=np.full(len(counts), deviation))

    def surely(self) -> Cells | None:
        """The cells whose counts stand so high above their noise, alone or four in a row together, that none is likely to do so
        by chance, and around them those that stand less high; None where there are none."""
        height = self.counts / self.deviations
        times = self._times(BY_CHANCE)
        kept, high = _standing(height, self._times(FAR_BY_CHANCE)), _standing(height, times)
        while True:
            near, beside = binary_dilation(kept, iterations=NEAR), binary_dilation(kept)
            grown = kept | (high & near) | ((height > NEIGHBOUR * times) & beside)
            if (grown == kept).all():
                break
            kept = grown
        return self._some(kept) if kept.any() else None

    def _times(self, chance: float) -> float:
        """Return the deviations that none of the cells' noise exceeds but with this probability; half of it is for cells taken together."""
        return NormalDist().inv_cdf(1 - chance / (2 * len(self.counts)))

    def _some(self, kept: np.ndarray) -> Cells:
        return Cells(self.lows[kept], self.highs[kept], self.counts[kept], self.deviations[kept], self.step)

    def refined(self, most: float, measure: Measure, numbers: np.ndarray) -> Cells:
        """Cut each cell of more than ``most`` rows into parts, and count these; a number that lies in none counts in the next above."""
        wide = self.highs - self.lows > 1 if self.step else self.highs - self.lows > 1e-9 * np.abs(self.highs)
        cut = (self.counts > most) & wide
        if not cut.any():
            measure(np.zeros(1, np.int64))  # the same spends whatever was found
            return self
        parts = np.clip(self.counts[cut] / (ROWS_A_PART * self.deviations[cut]), 2, BRANCHES).astype(int)
        edges = [self._parts(*cell) for cell in zip(self.lows[cut], self.highs[cut], parts, strict=True)]
        lows, highs = np.concatenate([e[:-1] for e in edges]), np.concatenate([e[1:] for e in edges])
        all_lows, all_highs = np.append(self.lows[~cut], lows), np.append(self.highs[~cut], highs)
        order = np.argsort(all_lows)
        new = np.append(np.zeros((~cut).sum(), bool), np.ones(len(lows), bool))[order]
        both = Cells(all_lows[order], all_highs[order], np.zeros(len(order)), np.zeros(len(order)), self.step)
        counts, deviation = measure(np.bincount(both.place(numbers), minlength=len(order))[new])
        both.counts[~new], both.deviations[~new] = self.counts[~cut], self.deviations[~cut]
        both.counts[new], both.deviations[new] = counts, deviation
        return both

    def _parts(self, low: float, high: float, parts: int) -> np.ndarray:
        edges = np.linspace(low, high, parts + 1)
        return np.unique(np.round(edges)) if self.step else np.unique(edges)

    def ends(self, dtype: np.dtype) -> tuple[float | int, float | int]:
        """The lowest and highest value that the cells hold."""
        if not self.step:
            return float(self.lows[0]), float(self.highs[-1])
        limits = np.iinfo(dtype)
        low, high = int(self.lows[0]) * self.step, (int(self.highs[-1]) - 1) * self.step
        return max(low, int(limits.min)), min(high, int(limits.max))

    def bins(self, low: float | int, most: int, fewest: float) -> tuple[Bins, np.ndarray, np.ndarray]:
        """Join neighbouring cells to at most about ``most`` bins that stand ``fewest`` deviations above their noise.

        Parameters
        ----------
        low
            Where the encoder's axis has its zero (0 for floats).

        Returns
        -------
        The bins, and (k,) float64 each: their noisy counts and the deviations of these.
        """
        wanted = max(self.counts.sum(), 1) / most
        groups: list[list[int]] = [[]]
        for place in range(len(self.counts)):
            groups[-1].append(place)
            count, deviation = self._sum(groups[-1])
            if count >= max(wanted, fewest * deviation):
                groups.append([])
        if not groups[-1]:
            groups.pop()
        elif len(groups) > 1:  # what is left over is no bin of its own
            groups[-2:] = [groups[-2] + groups[-1]]
        starts, positions, shares, sums = [0], [], [], []
        for group in groups:
            edges = np.append(self.lows[group], self.highs[group[-1]])
            below = np.concatenate([[0.0], np.cumsum(np.maximum(self.counts[group], 1e-3))])
            positions.append((edges - 0.5) * self.step - float(low) if self.step else edges - float(low))
            shares.append(below / below[-1])
            starts.append(starts[-1] + len(edges))
            sums.append(self._sum(group))
        counts, deviations = np.array(sums).T
        return Bins(np.array(starts), np.concatenate(positions), np.concatenate(shares)), counts, deviations

    def _sum(self, places: list[int]) -> tuple[float, float]:
        return float(self.counts[places].sum()), float(np.sqrt((self.deviations[places] ** 2).sum()))


def _standing(height: np.ndarray, times: float) -> np.ndarray:
    """(c,) bool: which counts stand so many deviations above nought, alone or as part of four in a row together."""
    kept = height > times
    if len(height) >= 4:
        fours = np.lib.stride_tricks.sliding_window_view(height, 4).sum(axis=1) / 2 > times
        for place in range(4):
            kept[place : place + len(fours)] |= fours & (height[place : place + len(fours)] > 0)
    return kept


def ladder(dtype: np.dtype, spec: ColumnSpec, bounds: tuple[float | int, float | int]) -> Cells:
    """The public cells, not yet counted.

    >>> cells = ladder(np.dtype("int64"), ColumnSpec(name="n", kind="integer"), (-(2**63), 2**63 - 1))
    >>> cells.lows[cells.lows >= 0][:12].astype(int).tolist()
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 12, 14]
    """
    step = spec.step if dtype.kind in "iu" else 0
    low, high = (float(bound) / (step or 1) for bound in bounds)
    if spec.minimum is not None and spec.maximum is not None:
        edges = np.linspace(low, high + bool(step), DECLARED_CELLS + 1)
    else:
        first, last = EXPONENTS[dtype.kind]
        positive = np.outer(2.0 ** np.arange(first, last + 1), QUARTERS).ravel()
        edges = np.concatenate([-positive[::-1], [0.0], positive])
        edges = edges[(edges >= low) & (edges <= high)]
        edges = np.concatenate([[low], edges, [high + bool(step)]])
    edges = np.unique(np.floor(edges) if step else edges)
    if len(edges) < 2:
        edges = np.append(edges, edges[-1] + 1)
    nothing = np.zeros(len(edges) - 1)
    return Cells(edges[:-1], edges[1:], nothing, nothing, step)


def places_written(numbers: np.ndarray, spec: ColumnSpec) -> tuple[list[int | None], np.ndarray]:
    """How finely numbers may be written, coarsest first, and (n,) which of these each number needs.

    >>> places_written(np.array([1.0, 0.25]), ColumnSpec(name="x", kind="float", storage="double"))[1]
    array([0, 2])
    >>> places_written(np.array([20, 300, 7]), ColumnSpec(name="n", kind="integer", storage="int64"))[1]
    array([5, 4, 6])
    """
    if numbers.dtype.kind == "f":
        storage = arrow_type(spec.storage)
        width = storage.to_pandas_dtype() if pa.types.is_floating(storage) else np.float64
        kept = numbers.astype(width)
        decimals: list[int | None] = [*range(MOST_DECIMALS + 1), None]
        with np.errstate(over="ignore", invalid="ignore"):
            fits = [np.round(numbers, places).astype(width) == kept for places in range(MOST_DECIMALS + 1)]
        return decimals, np.argmax([*fits, np.ones(len(numbers), bool)], axis=0)
    steps = _steps(spec)
    fits = [numbers % numbers.dtype.type(step) == 0 for step in steps]
    return [*steps], np.argmax(fits, axis=0)


def public_range(dtype: np.dtype, spec: ColumnSpec) -> tuple[float | int, float | int]:
    """What a number of this type may be, whatever the rows hold: a cell beyond it, thought full by chance, could not be written.

    >>> public_range(np.dtype("int64"), ColumnSpec(name="n", kind="integer", storage="int8"))
    (-128, 127)
    >>> public_range(np.dtype("int64"), ColumnSpec(name="day", kind="datetime", storage="date32[day]"))
    (-719162, 2932896)
    """
    if dtype.kind == "f":
        return -FLOAT_END, FLOAT_END
    storage, widest = arrow_type(spec.storage), np.iinfo(dtype)
    low, high = int(widest.min), int(widest.max)
    if pa.types.is_decimal(storage):
        high = 10**storage.precision - 1
        low = -high
    elif pa.types.is_integer(storage) and spec.kind != "datetime":
        own = np.iinfo(storage.to_pandas_dtype())
        low, high = int(own.min), int(own.max)
    elif pa.types.is_time(storage):
        low, high = 0, DAY * _second(spec) - 1
    elif pa.types.is_date32(storage):
        low, high = YEARS
    elif spec.kind == "datetime":
        low, high = YEARS[0] * DAY * _second(spec), (YEARS[1] + 1) * DAY * _second(spec) - 1
    return max(low, int(widest.min)), min(high, int(widest.max))


def _second(spec: ColumnSpec) -> int:
    """How many of its units a time has a second."""
    if spec.format is not None:
        return TICKS_A_SECOND[unit_of(spec.format)]
    storage = arrow_type(spec.storage)
    return 1000 if pa.types.is_date64(storage) else TICKS_A_SECOND[storage.unit]


def _steps(spec: ColumnSpec) -> list[int]:
    """Steps a whole number may keep to, ending with 1."""
    storage = arrow_type(spec.storage)
    if pa.types.is_date32(storage):
        return [1]
    if spec.kind == "datetime" or spec.span:
        return steps_of_time(_second(spec))
    return [10**power for power in range(6, -1, -1)]
