"""The page's utility section: models trained on real, synthetic and both, as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lookalike.report.overview import MEASURES
from lookalike.report.words import estimate, gap, percent, score, score_range, signed
from lookalike.stats import at

Card = Mapping[str, Any]
SIDES = ("real", "synthetic", "both")
FIGURES = {
    "auc": "AUC",
    "f1": "F1",
    "accuracy": "accuracy",
    "average_precision": "average precision",
    "r2": "R²",
    "mae": "mean absolute error",
}
TASKS = {"binary": "two classes", "multiclass": "several classes", "regression": "a number"}


def utility(card: Card) -> dict[str, Any]:
    """``measured`` says whether there is more than ``notes``."""
    found = card.get("utility") or {"notes": ["Utility was not measured."], "headline": None}
    if not found["headline"]:
        return {"measured": False, "notes": list(found["notes"])}
    names = [name for name in FIGURES if name in found["learners"]["stack"]["real"]]
    rows = found["rows"]
    return {
        "measured": True,
        "notes": list(found["notes"]),
        "words": f"The target is {found['target']} ({TASKS[found['task']]}). Trained on {rows['real']:,} real, "
        f"{rows['synthetic']:,} synthetic, or both; tested on {rows['test']:,} real rows that were kept back.",
        "headline": _headline(found["headline"]),
        "heads": [FIGURES[name] for name in names],
        "learners": [
            {"learner": learner, "side": side, "cells": _cells(figures[side], names)}
            for learner, figures in found["learners"].items()
            for side in SIDES
        ]
        + [{"learner": "a guess", "side": "real shares", "cells": _cells(found["baseline"], names)}],
        "minority": _minority(found["minority"]),
        "importance": _importance(found["importance"]),
    }


def _cells(figures: Mapping[str, Any], names: list[str]) -> list[str]:
    return [
        estimate(figures[name], figures.get("interval")) if name in MEASURES else signed(figures.get(name))
        for name in names
    ]


def _headline(found: Mapping[str, Any]) -> list[list[str]]:
    """What, figure, 95 % interval."""
    measure = MEASURES[found["measure"]]
    rows = [
        [f"trained on {side} ({measure})", signed(found[side]), score_range(found["intervals"][side])]
        for side in ("real", "synthetic")
    ]
    rows.append(["trained on both", signed(found["both"]), score_range(found["intervals"]["both"])])
    rows.append(["synthetic minus real", gap(found["difference"]), _gap_range(found["interval"])])
    rows.append(["gain of adding synthetic rows to real ones", gap(found["gain"]), _gap_range(found["gain_interval"])])
    if found["kept"] is not None:
        rows.append(["kept of what real rows teach (lead over a guess)", percent(found["kept"]), "–"])
    return rows


def _gap_range(interval: list[float] | None) -> str:
    return "–" if interval is None or interval[0] is None else " to ".join(gap(end) for end in interval)


def _minority(found: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if not found:
        return None
    shares = {"real": "real", "synthetic": "synthetic", "both": None}
    return {
        "class": found["class"],
        "rows": [
            [
                side,
                percent(found["shares"][shares[side]]) if shares[side] else "–",
                estimate(found[side]["f1"], found[side]["interval"]),
                score(found[side]["precision"]),
                score(found[side]["recall"]),
            ]
            for side in SIDES
        ],
        "gain": f"{gap(found['gain'])} ({_gap_range(found['gain_interval'])})",
    }


def _importance(found: Mapping[str, Any] | None) -> dict[str, Any] | None:
    if not found:
        return None
    fresh = found["fresh"]
    largest = max(
        (entry[side] or 0 for entry in found["columns"] for side in ("real", "synthetic")), default=0
    )  # shares of all gain
    return {
        "words": f"Rank correlation {signed(found['correlation'])} (two real samples: {signed(at(fresh, 'correlation'))}); "
        f"of the {found['top']} most important columns {percent(found['overlap'], 0)} agree "
        f"(two real samples: {percent(at(fresh, 'overlap'), 0)}, by chance {percent(found['overlap_by_chance'], 0)}).",
        "columns": [
            {
                "name": entry["column"],
                "text": [percent(entry[side]) for side in ("real", "synthetic")],
                "width": [
                    round(100 * (entry[side] or 0) / largest) if largest else 0 for side in ("real", "synthetic")
                ],
            }
            for entry in found["columns"]
        ],
    }
