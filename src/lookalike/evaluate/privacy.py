"""A first look at safety: rows copied outright, and rows closer to the training table than chance allows.

Both are smoke alarms, not proofs: a table that passes can still be open to membership inference (arXiv 2505.01524).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np

from lookalike import stats
from lookalike.evaluate.prepare import Column
from lookalike.rng import generator

SUBSAMPLE = 5_000
BLOCK = 500
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
    better chance. Source: mostlyai-qa (DCR share); the Flatland and MOSTLY AI prizes accept up to 52 %.

    The interval holds the chance of all three draws. Were nothing memorised, training and holdout rows could swap their
    labels; a real row that is nearest to w of the q synthetic rows then moves the share by w/q, which gives a standard
    error of √(Σ(w − w̄)² · N/(N − 1)) / 2q over the N real rows. Counting synthetic rows alone (the binomial error)
    would be half of it when 40 rows are kept back, and sound false alarms.

    ``control`` is the same share for one half of the holdout against training rows and the other half: ½ again, unless
    the holdout is no random draw from the same table, and then the share says nothing.

    NOTE[DIFF]: labels count as equal or not where mostlyai-qa embeds sentences: no model to download, and a code such
    as ``V58`` has no meaning to embed. A different label weighs as much as the whole length of a number's axis.
    """
    size = min(SUBSAMPLE, _rows(columns, "real"), _rows(columns, "holdout"))
    queries = min(SUBSAMPLE, _rows(columns, "synthetic"))
    half = size // 2
    if not columns or half < 2 or queries == 0:
        return {**_nothing(), "compared": size, "control": None}
    encoded = _encode(columns, {
        "real": _pick(_rows(columns, "real"), size, seed, "real"),
        "holdout": _pick(_rows(columns, "holdout"), size, seed, "holdout"),
        "synthetic": _pick(_rows(columns, "synthetic"), queries, seed, "synthetic"),
    })  # fmt: skip
    train, holdout, synthetic = encoded["real"], encoded["holdout"], encoded["synthetic"]
    order = generator(seed, "evaluate", "closeness", "control").permutation(size)
    first, second = holdout.take(order[:half]), holdout.take(order[half : 2 * half])
    return {
        **_share(synthetic, train, holdout),
        "compared": size,
        "control": _share(first, train.take(order[:half]), second),
    }


def _nothing() -> dict[str, Any]:
    return {
        "share": math.nan,
        "standard_error": math.nan,
        "interval": [math.nan, math.nan],
        "ties": math.nan,
        "rows": 0,
    }


def _share(rows: Rows, train: Rows, holdout: Rows) -> dict[str, Any]:
    """P(nearer to train) + ½ P(tie) and its 95 % interval."""
    count, size = len(rows), len(train)
    points, ties, nearest = 0.0, 0, np.zeros(size + len(holdout))
    for start in range(0, count, BLOCK):
        block = rows.take(np.arange(start, min(start + BLOCK, count)))
        similarity = np.concatenate([_similarity(block, train), _similarity(block, holdout)], axis=1)
        to_train, to_holdout = similarity[:, :size].max(axis=1), similarity[:, size:].max(axis=1)
        tied = np.abs(to_train - to_holdout) <= TIE
        points += float(np.where(tied, 0.5, to_train > to_holdout).sum())
        ties += int(tied.sum())
        closest = similarity >= (np.maximum(to_train, to_holdout) - np.float32(TIE))[:, None]
        nearest += (1 / closest.sum(axis=1)) @ closest  # equally near rows share the point
    share, error = points / count, float(nearest.std(ddof=1)) * math.sqrt(len(nearest)) / (2 * count)
    interval = [max(0.0, share - 1.96 * error), min(1.0, share + 1.96 * error)]
    return {"share": share, "standard_error": error, "interval": interval, "ties": ties / count, "rows": count}


def _rows(columns: list[Column], side: str) -> int:
    return len(columns[0].sides[side].missing) if columns else 0


def _pick(rows: int, size: int, seed: int, side: str) -> np.ndarray:
    if rows == size:
        return np.arange(rows)
    return np.sort(generator(seed, "evaluate", "closeness", side).choice(rows, size, replace=False))


@dataclass(frozen=True)
class Rows:
    """Rows as axes and labels.

    Attributes
    ----------
    axes
        (n, a) float32: a number's uniform quantile − ½, 0 where missing.
    labels
        (n, l) int32: every label column, and for numbers with gaps whether the cell is missing.
    """

    axes: np.ndarray
    labels: np.ndarray

    def __len__(self) -> int:
        return len(self.axes)

    def take(self, rows: np.ndarray) -> Rows:
        return Rows(self.axes[rows], self.labels[rows])


def _encode(columns: list[Column], picks: dict[str, np.ndarray]) -> dict[str, Rows]:
    """The picked rows of every side; quantiles are those of all training and holdout rows."""
    axes: dict[str, list[np.ndarray]] = {side: [] for side in picks}
    labels: dict[str, list[np.ndarray]] = {side: [] for side in picks}
    for column in columns:
        if not column.numeric:
            for side, rows in picks.items():
                labels[side].append(column.sides[side].codes[rows])
            continue
        reference = np.concatenate([column.sides["real"].present, column.sides["holdout"].present])
        gaps = any(side.missing.any() for side in column.sides.values())
        for side, rows in picks.items():
            numbers, missing = column.sides[side].numbers, column.sides[side].missing[rows]
            assert numbers is not None
            axes[side].append(np.where(missing, 0.0, stats.mid_ranks(numbers[rows], reference) - 0.5))
            if gaps:
                labels[side].append(missing)
    return {
        side: Rows(
            _stack(axes[side], len(rows)).astype(np.float32),
            np.asfortranarray(_stack(labels[side], len(rows)), np.int32),
        )
        for side, rows in picks.items()
    }


def _stack(parts: list[np.ndarray], rows: int) -> np.ndarray:
    return np.stack(parts, axis=1) if parts else np.zeros((rows, 0))


def _similarity(rows: Rows, others: Rows) -> np.ndarray:
    """Cosine similarity of every row to every other: the greatest is the nearest, as rows have length one.

    Shape: (n, m) float32. A label is half a unit when equal: what one-hot codes of length √½ would give, without
    building a column for each of a thousand levels.
    """
    weight = np.float32(0.5)
    lengths, other_lengths = (
        np.maximum(np.sqrt((side.axes**2).sum(axis=1) + weight * side.labels.shape[1]), np.float32(1e-9))
        for side in (rows, others)
    )
    equal = np.zeros((len(rows), len(others)), dtype=np.uint16)
    for mine, theirs in zip(rows.labels.T, others.labels.T, strict=True):
        equal += mine[:, None] == theirs
    similarity = rows.axes @ others.axes.T + weight * equal
    return np.asarray(similarity / other_lengths / lengths[:, None])
