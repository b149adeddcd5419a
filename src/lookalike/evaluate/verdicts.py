"""Figures against limits: one word a figure, and a line a script can fail on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Literal

from lookalike.evaluate.figures import FIGURES, Figure, Thresholds
from lookalike.stats import WEAK_HOLDOUT, at

Verdict = Literal["pass", "fail", "missing", "too few rows"]


def verdicts(card: Mapping[str, Any], thresholds: Thresholds | None = None) -> list[dict[str, Any]]:
    """One word for each figure that has a limit.

    Each entry: ``figure``; its ``kind``, ``plain``, ``term`` and ``unit`` as in :class:`lookalike.evaluate.figures.Figure`; ``value``,
    ``interval`` (None where exact), ``bound``, ``threshold``, ``verdict``:
    "pass": on the good side of its limit; "fail": on the bad side, interval and all; "too few rows": on the bad side,
    but the interval reaches over, or the holdout or the table has fewer than 100 rows, or the holdout shares rows with the training table and
    is no yardstick; "missing": not in the card.

    >>> verdicts({"diagnostic": {"score": 0.9}}, Thresholds(diagnostic=1))[0]["verdict"]
    'fail'
    """
    limits = (thresholds or Thresholds()).model_dump()
    return [_verdict(card, name, FIGURES[name], limit) for name, limit in limits.items() if limit is not None]


def _verdict(card: Mapping[str, Any], name: str, figure: Figure, threshold: float) -> dict[str, Any]:
    value, interval = read(card, name)
    return {
        "figure": name,
        "kind": figure.kind,
        "plain": figure.plain,
        "term": figure.term,
        "value": value,
        "interval": interval,
        "unit": figure.unit,
        "bound": figure.bound,
        "threshold": threshold,
        "verdict": _word(card, figure, value, interval, threshold),
    }


def _word(
    card: Mapping[str, Any], figure: Figure, value: float | None, interval: list[float] | None, threshold: float
) -> Verdict:
    if value is None:
        return "missing"
    rows = [few for side in ("holdout", "synthetic") if (few := _number(at(card, f"rows.{side}"))) is not None]
    short = figure.holdout and min(rows, default=WEAK_HOLDOUT) < WEAK_HOLDOUT
    # what stands in both tables is as near to either, so the holdout hides what it should show
    unfair = figure.holdout and at(card, "yardstick.strength") == "overlapping"
    if not _beyond(figure, value, threshold):
        return "too few rows" if short or unfair else "pass"
    if figure.people is not None and _people(at(card, figure.people)) >= 2:
        return "fail"
    if interval is None:
        return "too few rows" if short else "fail"
    kinder = interval[0] if figure.bound == "at most" else interval[1]
    return "fail" if _beyond(figure, kinder, threshold) else "too few rows"


def _people(found: Any) -> int:
    """How many people come back, where none does among as many fresh rows; 0 where some do."""
    shares = [_number(at(found, name)) for name in ("possible", "compared", "fresh")]
    possible, compared, fresh = (0.0 if share is None else share for share in shares)
    return round(possible * compared) if fresh == 0 else 0


def _beyond(figure: Figure, value: float, threshold: float) -> bool:
    return value > threshold if figure.bound == "at most" else value < threshold


def read(card: Mapping[str, Any], name: str) -> tuple[float | None, list[float] | None]:
    """A figure's value and interval in a card; None where it is absent, null or not a number.

    >>> read({"fidelity": {"quality": 0.9}}, "quality")
    (0.9, None)
    """
    figure = FIGURES[name]
    value = _number(at(card, figure.path))
    ends = at(card, f"{figure.path.rpartition('.')[0]}.{figure.interval}") if figure.interval else None
    numbers = [_number(end) for end in ends] if isinstance(ends, (list, tuple)) and len(ends) == 2 else []
    interval = [end for end in numbers if end is not None]
    yardstick = figure.beyond or figure.above or figure.short_of
    zero = (_number(at(card, yardstick)) if yardstick else None) or (None if figure.above or figure.short_of else 0.0)
    if value is None or zero is None:
        return None, None
    sign = -1 if figure.short_of else 1
    return sign * (value - zero), sorted(sign * (end - zero) for end in interval) if len(interval) == 2 else None


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or math.isnan(value):
        return None
    return float(value)


def unmet(card: Mapping[str, Any], required: Mapping[str, float]) -> list[str]:
    """One sentence for each requirement that a card does not meet; the value alone decides, and a missing one fails.

    >>> unmet({"fidelity": {"quality": 0.9}}, {"quality": 0.95, "accuracy": 0.9})
    ['quality is 0.9, required: at least 0.95', 'accuracy is missing, required: at least 0.9']
    """
    found = []
    for name, limit in required.items():
        value, figure = read(card, name)[0], FIGURES[name]
        if value is None:
            found.append(f"{name} is missing, required: {figure.bound} {limit:g}")
        elif _beyond(figure, value, limit):
            found.append(f"{name} is {value:.6g}, required: {figure.bound} {limit:g}")
    return found
