"""How far a number's code reaches: all the numbers, days or hours that share it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from lookalike.encode.mixture import Modes
from lookalike.encode.numeric import NumericEncoder
from lookalike.schema.parts import Part

MOST_SPANS = 250_000
"""Days or hours that a column's dates may reach over for each to be looked at: 28 years of hours."""
WHOLE_BIN, MODE_REACH = 2.0, 0.25
"""How far from where a number lies in its bin, or mode, another may that stands in for it: anywhere, and a standard deviation."""


def reach(encoder: NumericEncoder, codes: np.ndarray, residuals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n,) the least and the greatest number that may stand in for one of a code: any of its bin, or those near it in its mode."""
    ends = residuals_near(encoder, residuals)
    low, high = (encoder.decode(codes, end, np.random.default_rng(0)).numbers for end in ends)
    assert low is not None and high is not None
    return low, high


def residuals_near(encoder: NumericEncoder, residuals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n,) the least and the greatest residual between which another number may stand in for one."""
    most = MODE_REACH if isinstance(encoder.intervals, Modes) else WHOLE_BIN
    return np.clip(residuals - most, -1, 1), np.clip(residuals + most, -1, 1)


@dataclass(frozen=True)
class Spans:
    """The days, or hours, from a column's first date to its last, by the clocks of its zone.

    Attributes
    ----------
    part
        Does not change within one.
    width
        Parsed units in one.
    first, count
        Which is the first, counted from 1970, and how many there are.
    """

    part: Part
    width: int
    first: int
    count: int

    @classmethod
    def of(cls, encoder: NumericEncoder, part: Part) -> Spans | None:
        """The spans within which a part does not change; None where they are too many to be looked at one by one."""
        width = max(int(part.width / part.unit), 1)
        ends = part.local(np.array([encoder.low.item(), encoder.high.item()], np.int64))
        first, last = (int(end) // width for end in ends)
        return cls(part, width, first, last - first + 1) if last - first < MOST_SPANS else None

    @property
    def starts(self) -> np.ndarray:
        return self.part.moment(self._shown)

    @property
    def _shown(self) -> np.ndarray:
        return (self.first + np.arange(self.count, dtype=np.int64)) * self.width

    def place(self, numbers: np.ndarray) -> np.ndarray:
        """Return (n,) which each lies in, counted from the first."""
        return np.asarray(np.clip(self.part.local(numbers) // self.width - self.first, 0, self.count - 1))

    def moved(self, numbers: np.ndarray, chosen: np.ndarray) -> np.ndarray:
        """Return (n,) each number in the span that was chosen for it, as far from its begin as it was in its own."""
        return self.part.moment(self._shown[chosen] + self.part.local(numbers) % self.width)
