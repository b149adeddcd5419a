"""A first look at safety: rows copied outright, and rows closer to the training table than chance allows.

Both are smoke alarms, not proofs: a table that passes can still be open to membership inference (arXiv 2505.01524).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lookalike import stats
from lookalike.evaluate.prepare import Column
from lookalike.rng import generator

SUBSAMPLE = 5_000
BLOCK = 250
TIE = 1e-6
WEAK_HOLDOUT = 100
"""A holdout of fewer rows than this is a yardstick too short to lean on."""


def exact_copies(columns: list[Column], side: str) -> dict[str, Any]:
    """Rows of ``side`` that stand in the real (training) table, equal in every scored column.

    ``share`` is in [0, 1] with a 95 % Wilson interval. Its yardstick is the same share of the holdout: rows that two
    strangers happen to share. Source: mostlyai-qa's IMS share, on cells instead of distances.
    """
    rows = len(columns[0].sides[side].missing) if columns else 0
    if rows == 0:
        return {"rows": 0, "count": 0, "share": math.nan, "interval": [0.0, 1.0]}
    codes = [_identity_codes(column, side) for column in columns]
    real = {row.tobytes() for row in np.stack([first for first, _ in codes], axis=1)}
    count = sum(row.tobytes() in real for row in np.stack([second for _, second in codes], axis=1))
    return {"rows": rows, "count": count, "share": count / rows, "interval": list(stats.wilson_interval(count, rows))}


def _identity_codes(column: Column, side: str) -> tuple[np.ndarray, np.ndarray]:
    """Codes that are equal exactly where the cells are."""
    first, second = column.sides["real"], column.sides[side]
    if not column.numeric:
        return first.codes.astype(np.int32), second.codes.astype(np.int32)
    assert first.numbers is not None and second.numbers is not None
    _, places = np.unique(np.concatenate([first.numbers, second.numbers]), return_inverse=True)
    places = np.where(np.concatenate([first.missing, second.missing]), -1, places).astype(np.int32)
    return places[: len(first.missing)], places[len(first.missing) :]


def closeness(columns: list[Column], seed: int) -> dict[str, Any]:
    """DCR share: how often a synthetic row lies nearer to a training row than to any holdout row, ties counted half.

    In [0, 1]. ½ is what a fresh real sample is expected to score, by symmetry; above it, rows lean towards the
    training table. As many training rows as holdout rows are compared, at most 5,000 of each, so neither has the
    better chance. The interval is for the draw of synthetic rows alone. Source: mostlyai-qa (DCR share); the Flatland
    and MOSTLY AI prizes accept up to 52 %.

    NOTE[DIFF]: labels count as equal or not where mostlyai-qa embeds sentences: no model to download, and a code such
    as ``V58`` has no meaning to embed. A different label weighs as much as the whole length of a number's axis.
    """
    size = min(SUBSAMPLE, _rows(columns, "real"), _rows(columns, "holdout"))
    queries = min(SUBSAMPLE, _rows(columns, "synthetic"))
    if size < 2 or queries == 0:
        return {"share": math.nan, "standard_error": math.nan, "interval": [math.nan, math.nan], "rows": queries, "compared": size}
    picks = {
        "real": _pick(_rows(columns, "real"), size, seed, "real"),
        "holdout": _pick(_rows(columns, "holdout"), size, seed, "holdout"),
        "synthetic": _pick(_rows(columns, "synthetic"), queries, seed, "synthetic"),
    }
    axes, labels = _encode(columns, picks)
    to_train = _nearest(axes["synthetic"], labels["synthetic"], axes["real"], labels["real"])
    to_holdout = _nearest(axes["synthetic"], labels["synthetic"], axes["holdout"], labels["holdout"])
    tied = np.abs(to_train - to_holdout) <= TIE
    points = np.where(tied, 0.5, to_train > to_holdout)
    share, error = float(points.mean()), float(points.std() / math.sqrt(queries))
    return {
        "share": share,
        "standard_error": error,
        "interval": [max(0.0, share - 1.96 * error), min(1.0, share + 1.96 * error)],
        "ties": float(tied.mean()),
        "rows": queries,
        "compared": size,
    }


def _rows(columns: list[Column], side: str) -> int:
    return len(columns[0].sides[side].missing) if columns else 0


def _pick(rows: int, size: int, seed: int, side: str) -> np.ndarray:
    if rows == size:
        return np.arange(rows)
    return np.sort(generator(seed, "evaluate", "closeness", side).choice(rows, size, replace=False))


def _encode(columns: list[Column], picks: dict[str, np.ndarray]) -> tuple[dict[str, np.ndarray], dict[str, np.ndarray]]:
    """Rows as axes and labels.

    Shape: axes (n, a) float32, a number's uniform quantile − ½ (0 where missing); labels (n, l) int32, every label
    column, and for numbers with gaps whether the cell is missing. Quantiles are those of training and holdout rows.
    """
    axes: dict[str, list[np.ndarray]] = {side: [] for side in picks}
    labels: dict[str, list[np.ndarray]] = {side: [] for side in picks}
    for column in columns:
        if not column.numeric:
            for side, rows in picks.items():
                labels[side].append(column.sides[side].codes[rows].astype(np.int32))
            continue
        reference = np.concatenate([column.sides["real"].present, column.sides["holdout"].present])
        gaps = any(side.missing.any() for side in column.sides.values())
        for side, rows in picks.items():
            numbers, missing = column.sides[side].numbers, column.sides[side].missing[rows]
            assert numbers is not None
            axes[side].append(np.where(missing, 0.0, stats.mid_ranks(numbers[rows], reference) - 0.5))
            if gaps:
                labels[side].append(missing.astype(np.int32))
    return (
        {side: _stack(parts, len(picks[side])).astype(np.float32) for side, parts in axes.items()},
        {side: _stack(parts, len(picks[side])) for side, parts in labels.items()},
    )


def _stack(parts: list[np.ndarray], rows: int) -> np.ndarray:
    return np.stack(parts, axis=1) if parts else np.zeros((rows, 0), dtype=np.int32)


def _nearest(axes: np.ndarray, labels: np.ndarray, other_axes: np.ndarray, other_labels: np.ndarray) -> np.ndarray:
    """Greatest cosine similarity of each row to any of the others: nearest, as rows have length one. Shape: (n,).

    A label is half a unit of similarity when equal: what one-hot codes of length √½ would give, without building a
    column for each of a thousand levels.
    """
    weight = np.float32(0.5)
    lengths = np.sqrt((axes**2).sum(axis=1) + weight * labels.shape[1])
    other_lengths = np.sqrt((other_axes**2).sum(axis=1) + weight * labels.shape[1])
    lengths, other_lengths = np.maximum(lengths, 1e-9), np.maximum(other_lengths, 1e-9)
    nearest = np.empty(len(axes))
    columns = [np.ascontiguousarray(other_labels[:, place]) for place in range(labels.shape[1])]
    for start in range(0, len(axes), BLOCK):
        block = slice(start, start + BLOCK)
        equal = np.zeros((len(axes[block]), len(other_axes)), dtype=np.uint16)
        for place, column in enumerate(columns):
            equal += labels[block, place, None] == column
        similarity = axes[block] @ other_axes.T + weight * equal
        nearest[block] = (similarity / other_lengths).max(axis=1) / lengths[block]
    return nearest
