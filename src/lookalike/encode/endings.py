"""Numbers that end alike: prices in .99, budgets in whole millions, durations of whole seconds among finer ones.

Where each value is rare, what tells such numbers is not how often they occur but how they are written. Rows that end alike are
cut into intervals of their own, and what is drawn there ends so, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any

import numpy as np

from lookalike.encode.bins import ROWS_A_PIECE, Bins, fit_bins

LOOKED_AT = 5_000
"""Rows that endings are looked for in, at most."""
MOST_ENDINGS = 6
FEWEST_ROWS, FEWEST_VALUES = 50, 8
"""Rows looked at that share an ending, and different values among them, at least: fewer are values, not a way of writing."""
TELLING = 0.05
"""Nats a row by which an ending must be more frequent than the ones around it: multiples of five are told from two rows in five on."""
REACH = 6
"""How many numbers of an ending are tried on either side of a place, until one has no other ending that goes before."""
CLOCK = (1, 60, 300, 900, 1_800, 3_600, 43_200, 86_400, 604_800)
"""Seconds of what moments are rounded to: from seconds to weeks."""
SAFE = 2.0**52
"""Whole numbers up to here are exact in float64, halves of them included."""


@dataclass(frozen=True)
class Ending:
    """Whole numbers that leave ``remainder`` when divided by ``modulus``.

    >>> Ending(100, 99).has(np.array([99, 100, 1299])).tolist()
    [True, False, True]
    """

    modulus: int
    remainder: int

    def has(self, units: np.ndarray) -> np.ndarray:
        """(n,) bool: which of (n,) int64 numbers end so."""
        return units % self.modulus == self.remainder


ANY = Ending(1, 0)


def find_endings(units: np.ndarray, second: Fraction | None = None) -> list[Ending]:
    """Return the endings that tell most about (n,) int64 numbers, that which is met first before others.

    An ending is worth what it saves when numbers are told: the Kullback–Leibler divergence between its share of the rows and the
    share that numbers around its own would give it. Numbers that share one are looked through for longer ones.

    Parameters
    ----------
    second
        Of moments: how many units it has. They end at full minutes, hours, days.

    >>> rng = np.random.default_rng(0)
    >>> cents = rng.integers(1, 10_000, 2_000) * 100 - np.where(rng.random(2_000) < 0.8, 1, rng.integers(2, 90, 2_000))
    >>> find_endings(cents)
    [Ending(modulus=100, remainder=99)]
    """
    if not len(units):
        return []
    units = units[:: -(-len(units) // LOOKED_AT)]
    width = np.ptp(units)
    moduli = [modulus for modulus in _moduli(second) if modulus * FEWEST_VALUES <= width]
    return _endings(units, ANY, moduli, TELLING * len(units), MOST_ENDINGS)


def _moduli(second: Fraction | None) -> list[int]:
    """2, 5, 10, 20, 25, 50, 100 and so on; of moments, units that clocks and calendars have."""
    if second is None:
        return [times * 10**power for power in range(18) for times in (2, 5, 10, 25)]
    found = [Fraction(seconds) * second for seconds in (Fraction(1, 10**6), Fraction(1, 10**3), *CLOCK)]
    return [int(modulus) for modulus in found if modulus.denominator == 1 and modulus > 1]


def _endings(units: np.ndarray, shared: Ending, moduli: list[int], least: float, most: int) -> list[Ending]:
    """As :func:`find_endings`, of numbers that share one; so many at most, each worth so many nats at least."""
    found: list[Ending] = []
    longer = [modulus for modulus in moduli if modulus > shared.modulus and modulus % shared.modulus == 0]
    while len(found) < most and len(units) >= FEWEST_ROWS:
        worth, ending = max(
            (_best(units, modulus, shared) for modulus in longer), default=(0.0, ANY), key=lambda one: one[0]
        )
        if worth * len(units) < least:
            break
        own = ending.has(units)
        found += [*_endings(units[own], ending, moduli, least, most - len(found) - 1), ending]
        units = units[~own]
    return found


def _best(units: np.ndarray, modulus: int, shared: Ending) -> tuple[float, Ending]:
    """The ending of a modulus that tells most beyond what all numbers share, and how much a row."""
    remainders, counts = np.unique(units % modulus, return_counts=True)
    remainder, count = int(remainders[counts.argmax()]), int(counts.max())
    beside = np.unique((remainder + shared.modulus * np.array([-2, -1, 1, 2])) % modulus)
    beside = beside[beside != remainder]
    around = counts[np.isin(remainders, beside)].sum() / (len(beside) * len(units))
    share, usual = count / len(units), max(shared.modulus / modulus, around)
    ending = Ending(modulus, remainder)
    if share <= usual or count < FEWEST_ROWS or len(np.unique(units[ending.has(units)])) < FEWEST_VALUES:
        return 0.0, ending
    others = (1 - share) * np.log((1 - share) / (1 - usual)) if share < 1 else 0.0
    return float(share * np.log(share / usual) + others), ending


@dataclass(frozen=True)
class ByEnding:
    """Bins of numbers that end alike, one ending after the other, on one axis.

    Attributes
    ----------
    grain
        How far apart neighbouring values lie on the axis.
    endings
        Of the numbers on the axis, in grains. A number has the first that fits it.
    parts
        The bins of each.
    """

    grain: float
    endings: tuple[Ending, ...]
    parts: tuple[Bins, ...]

    @property
    def means(self) -> np.ndarray:
        """(k,) float64: the median of each bin, by which codes are sorted."""
        return np.concatenate([part.means for part in self.parts])

    def assign(self, numbers: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """As :meth:`Bins.assign`; a number without an ending that was seen goes where the last one lies."""
        which = self._which(self._units(numbers))
        bins, residuals = np.zeros(len(numbers), np.int64), np.zeros(len(numbers))
        for i, (part, first) in enumerate(zip(self.parts, self._firsts(), strict=True)):
            own = which == i
            bins[own], residuals[own] = part.assign(numbers[own], rng)
            bins[own] += first
        return bins, residuals

    def values(self, bins: np.ndarray, residuals: np.ndarray) -> np.ndarray:
        """The inverse of :meth:`assign`."""
        firsts = self._firsts()
        which = np.searchsorted(firsts, bins, side="right") - 1
        found = np.zeros(len(bins))
        for i, part in enumerate(self.parts):
            own = which == i
            found[own] = self._nearest(part.values(bins[own] - firsts[i], residuals[own]), i)
        return found

    def _firsts(self) -> np.ndarray:
        return np.cumsum([0, *map(len, self.parts[:-1])])

    def _units(self, numbers: np.ndarray) -> np.ndarray:
        return np.rint(numbers / self.grain).astype(np.int64)

    def _which(self, units: np.ndarray) -> np.ndarray:
        """(n,) which ending each has; the last, where it has none."""
        which = np.full(len(units), len(self.endings) - 1)
        for i, ending in reversed(list(enumerate(self.endings[:-1]))):
            which[ending.has(units)] = i
        return which

    def _nearest(self, numbers: np.ndarray, i: int) -> np.ndarray:
        """(n,) the nearest number that has this ending and none before it."""
        modulus, remainder = self.endings[i].modulus, self.endings[i].remainder
        places = (numbers / self.grain - remainder) / modulus
        middle = np.rint(places)
        side = np.where(places < middle, -1, 1)
        found, left = middle, np.ones(len(numbers), bool)
        for step in range(2 * REACH + 1):
            tried = middle + side * ((step + 1) // 2) * (1 if step % 2 else -1)
            fits = left & (self._which((tried * modulus + remainder).astype(np.int64)) == i)
            found = np.where(fits, tried, found)
            left &= ~fits
            if not left.any():
                break
        return (found * modulus + remainder) * self.grain

    def state(self) -> dict[str, Any]:
        return {
            "grain": self.grain,
            "endings": [[ending.modulus, ending.remainder] for ending in self.endings],
            "parts": [part.state() for part in self.parts],
        }

    @classmethod
    def from_state(cls, state: dict[str, Any]) -> ByEnding:
        """What :meth:`state` gave."""
        endings, parts = (Ending(*pair) for pair in state["endings"]), map(Bins.from_state, state["parts"])
        return cls(state["grain"], tuple(endings), tuple(parts))


def fit_by_ending(
    numbers: np.ndarray, *, maximum: int, grain: float, rare: int, second: Fraction | None = None
) -> Bins | ByEnding:
    """Cut (n,) float64 numbers into at most ``maximum`` bins, about, those that end alike into bins of their own; into plain ones where
    none do, or where values are so frequent that a bin's pieces tell them apart.

    ``grain`` and ``rare`` are what :func:`~lookalike.encode.bins.fit_bins` takes, ``second`` what :func:`find_endings` does, in grains.
    """
    told_apart = len(numbers) >= ROWS_A_PIECE * len(np.unique(numbers))
    if told_apart or not grain or np.abs(numbers).max() >= SAFE * grain:
        return fit_bins(numbers, maximum=maximum, grain=grain, rare=rare)
    units = np.rint(numbers / grain).astype(np.int64)
    endings = find_endings(units, second) if np.allclose(units * grain, numbers, rtol=0, atol=0.01 * grain) else []
    if not endings:
        return fit_bins(numbers, maximum=maximum, grain=grain, rare=rare)
    parts, left = [], np.ones(len(numbers), bool)
    for ending in (*endings, ANY):
        own = left & ending.has(units)
        if own.any():
            share = max(round(maximum * own.mean()), 1)
            parts.append((ending, fit_bins(numbers[own], maximum=share, grain=grain * ending.modulus, rare=rare)))
        left &= ~own
    return ByEnding(grain, tuple(ending for ending, _ in parts), tuple(part for _, part in parts))
