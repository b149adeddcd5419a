"""What rows made for rare classes are worth, as a small table for a terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from lookalike.report.words import gap, score

SIDES = {
    "real": "real alone",
    "repeated": "real, repeated",
    "smotenc": "real + SMOTENC",
    "ours": "real + ours",
}
LEARNERS = {"stack": "both", "xgboost": "xgboost", "lightgbm": "lightgbm"}
MEASURES = {"minority_f1": "minority F1", "macro_f1": "macro F1", "auc": "AUC"}


def text(figures: Mapping[str, Any]) -> str:
    """The figures of ``evaluate.augmentation``, aligned: a line a side and learner, then what ours adds, in words.

    >>> print(text({"target": "ill", "learners": None, "notes": ["Nothing was measured."]}))
    Nothing was measured.
    """
    if figures["learners"] is None:
        return "\n".join(figures["notes"])
    rows = figures["rows"]
    tested = sum(rows["test"].values())
    head = (
        f"{figures['target']}, rarest class {figures['minority']}: {rows['real'][figures['minority']]:,} real rows "
        f"and {rows['added'][figures['minority']]:,} made ones; tested on {tested:,} rows that nobody saw"
    )
    return "\n".join([head, "", *_aligned(_lines(figures)), "", *verdicts(figures), *figures["notes"]])


def _lines(figures: Mapping[str, Any]) -> list[list[str]]:
    lines = [["", "model", *MEASURES.values(), "precision", "recall", *(f"F1 {name}" for name in figures["classes"])]]
    for side, words in SIDES.items():
        for place, (learner, model) in enumerate(LEARNERS.items()):
            found = figures["learners"][learner][side]
            label = words if place == 0 else ""
            if found is None:
                if place == 0:
                    lines.append([label, "not run"])
                continue
            values = [found[measure] for measure in (*MEASURES, "precision", "recall")]
            lines.append([label, model, *map(score, values), *map(score, found["f1"].values())])
    return lines


def _aligned(lines: Sequence[Sequence[str]]) -> list[str]:
    """Texts to the left, figures to the right."""
    widths = [max(len(line[place]) for line in lines if place < len(line)) for place in range(len(lines[0]))]
    return [
        "  ".join(
            cell.ljust(width) if place < 2 else cell.rjust(width)
            for place, (cell, width) in enumerate(zip(line, widths, strict=False))
        ).rstrip()
        for line in lines
    ]


def verdicts(figures: Mapping[str, Any]) -> list[str]:
    """A sentence for each side that ours is compared with: what the interval of the difference says, and no more."""
    sentences = []
    for other, gains in figures["gains"].items():
        if gains is None:
            continue
        parts = [
            f"{name} {gap(gains[measure]['gain'])} ({_range(gains[measure]['interval'])}: {_verdict(gains[measure]['interval'])})"
            for measure, name in MEASURES.items()
        ]
        sentences.append(f"ours against {SIDES[other]}: " + ", ".join(parts))
    return sentences


def _range(interval: Sequence[float] | None) -> str:
    return "–" if interval is None else f"{gap(interval[0])} to {gap(interval[1])}"


def _verdict(interval: Sequence[float] | None) -> str:
    if interval is None:
        return "cannot be told"
    low, high = interval
    return "better" if low > 0 else "worse" if high < 0 else "within chance"
