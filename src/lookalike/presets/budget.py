"""What a time budget leaves for training."""

from __future__ import annotations

import warnings

from lookalike.errors import LookalikeWarning
from lookalike.evaluate.pairs import MAXIMUM_PAIRS

SECONDS_A_CELL, SECONDS_AT_LEAST = 1.0e-5, 10.0
"""What starting, sampling and the report take on two cores, page and utility included: adult 24,395 × 15 thirteen seconds."""
JUDGED_ROWS = 200_000
"""Sampled rows that the report looks at, at most: more would not move a figure."""
SECONDS_A_FURTHER_CELL = 2.0e-6
"""What rows beyond those take, which are drawn and looked through, but no neighbours are sought for: 2,000,000 × 10 in all 35 to 50 s,
95 s beside many other jobs."""
SECONDS_A_PAIR = 1.0e-3
"""What two columns take beside that, whatever the rows, and charts with them: 2,000 × 400 forty seconds, where cells foretell eighteen."""


def report_seconds(rows: int, made: int, columns: int) -> float:
    """Return about how long it takes to draw and judge so many rows.

    >>> round(report_seconds(24_395, 24_395, 15)), round(report_seconds(2_000, 2_000, 400)), round(report_seconds(2_000_000, 2_000_000, 10))
    (14, 38, 66)
    """
    pairs = min(columns * (columns - 1) // 2, MAXIMUM_PAIRS)
    judged = min(max(rows, made), JUDGED_ROWS)
    a_column = SECONDS_A_CELL * judged + SECONDS_A_FURTHER_CELL * (max(rows, made) - judged)
    return SECONDS_AT_LEAST + a_column * columns + SECONDS_A_PAIR * pairs


SECONDS_A_LEARNED_CELL = 4.0e-5
"""What measuring rows made for rare classes takes: adult 28,970 × 15, two classes, 22 to 28 s beside other jobs; hospital 62,000 × 48, three
classes, 510 s beside many."""


def measuring_seconds(rows: int, columns: int, classes: int) -> float:
    """Return about how long it takes to measure what made rows are worth; more than two classes cost a tree each a round.

    >>> round(measuring_seconds(28_970, 15, 2))
    27
    """
    return SECONDS_AT_LEAST + SECONDS_A_LEARNED_CELL * rows * columns * (classes if classes > 2 else 1)


def training_minutes(minutes: float | None, spent: float, reserve: float, first: bool = False) -> float | None:
    """Return what a budget of ``minutes`` leaves for training when ``spent`` seconds are gone and the report takes about
    ``reserve`` seconds; at least a quarter of the budget, with a warning that it cannot hold. ``first``: the budget is that of the first of
    several attempts, which is not what was asked for.

    >>> training_minutes(2, 6, 30)
    1.4
    """
    if minutes is None:
        return None
    left = minutes - (spent + reserve) / 60
    if left < minutes / 4:
        whose = " for the first attempt" if first else ""
        warnings.warn(
            f"a time budget holds reading, training and the report, however: {minutes:g} minutes{whose}, of which reading took {spent:.0f} s and the "
            f"report may take {reserve:.0f} s. Training gets a quarter of it; give more, or make fewer rows.",
            LookalikeWarning,
            stacklevel=3,
        )
        return minutes / 4
    return left
