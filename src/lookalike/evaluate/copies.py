"""Rows that stand in two tables, or twice in one, beside what chance repeats.

Strangers share rows in a table of few, coarse columns, so a count of repetitions says nothing alone. How often a real table
repeats its own rows is what a fresh sample is expected to repeat of it (Good, 1953), and it needs no second table.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from lookalike import stats
from lookalike.evaluate import confidence
from lookalike.evaluate.prepare import Column, count_rows, pick

OVERLAP = 0.01
"""A holdout of which more than this share stands in the training table, beyond chance, hides copies instead of showing them."""
Identities = Mapping[str, np.ndarray]
"""(n,) int64 a table, by its name: equal where two rows agree in every scored column."""


def identities(columns: list[Column], sides: list[str]) -> dict[str, np.ndarray]:
    """One number a row for each of the tables ``sides``, equal where every cell is.

    >>> import pyarrow as pa
    >>> from lookalike.evaluate.prepare import prepare
    >>> from lookalike.schema import ColumnSpec, Schema
    >>> schema = Schema([ColumnSpec(name="a", kind="integer", storage="int64")])
    >>> tables = {"real": pa.table({"a": [5, 7, None]}), "synthetic": pa.table({"a": [7, None, 5]})}
    >>> {side: rows.tolist() for side, rows in identities(prepare(tables, schema), list(tables)).items()}
    {'real': [0, 1, 2], 'synthetic': [1, 2, 0]}
    """
    if not columns:
        return {side: np.zeros(0, np.int64) for side in sides}
    codes = np.stack([_codes(column, sides) for column in columns], axis=1)
    _, rows = np.unique(stats.whole_rows(codes), return_inverse=True)
    ends = np.cumsum([count_rows(columns, side) for side in sides])
    return dict(zip(sides, np.split(rows.astype(np.int64), ends[:-1]), strict=True))


def _codes(column: Column, sides: list[str]) -> np.ndarray:
    parts = [column.sides[side] for side in sides]
    if not column.numeric:
        return np.concatenate([part.codes for part in parts]).astype(np.int32)
    _, places = np.unique(np.concatenate([np.asarray(part.numbers) for part in parts]), return_inverse=True)
    return np.where(np.concatenate([part.missing for part in parts]), -1, places).astype(np.int32)


def found_again(rows: np.ndarray, reference: np.ndarray) -> int:
    """How many of the rows stand in the reference.

    >>> found_again(np.array([1, 1, 2]), np.array([1, 3]))
    2
    """
    return int(np.isin(rows, reference).sum())


def repeated(rows: np.ndarray) -> int:
    """How many rows of a table stand in it once more.

    >>> repeated(np.array([1, 1, 2]))
    2
    """
    counts = np.bincount(rows) if len(rows) else np.zeros(0, np.int64)
    return int(counts[counts > 1].sum())


def beyond(hits: int, trials: int, chance: tuple[int, int]) -> dict[str, Any]:
    """``hits`` of ``trials`` rows against ``chance``, hits and trials of others: {count, share, interval, rows, excess, excess_interval}.

    ``share`` with Wilson's 95 % interval, ``excess`` how far it lies above chance, with Newcombe's.
    """
    others = chance[0] / chance[1] if chance[1] else 0.0
    return {
        "rows": trials,
        "count": hits,
        "share": hits / trials if trials else math.nan,
        "interval": list(confidence.wilson_interval(hits, trials)),
        "excess": hits / trials - others if trials else math.nan,
        "excess_interval": list(confidence.difference_interval(hits, trials, *chance)),
    }


def own(rows: np.ndarray) -> tuple[int, int]:
    """What chance repeats of a table, as hits and trials, by the rows that stand twice in it.

    1 − f₁/n of n rows, f₁ of which stand once. A row that stands twice is two hits that come or go together, so there are
    half as many trials, and no more than agree with the variance (f₁(1 − f₁/n) + 2f₂)/n², where of rows that all stand twice or more one
    is taken not to: they repeat for certain no more than any others. Sources: Good, 1953; Esty, 1983.

    >>> own(np.arange(100)), own(np.array([1, 1, 2, 3])), own(np.repeat(np.arange(50), 2))
    ((0, 50), (0, 1), (1, 1))
    """
    counts = np.bincount(rows) if len(rows) else np.zeros(0, np.int64)
    once, twice, total = int((counts == 1).sum()), int((counts == 2).sum()), len(rows)
    lone, trials = max(once, 1), total // 2
    if spread := lone * (total - lone) + 2 * twice * total:
        trials = min(trials, max(1, round(lone * (total - lone) * total / spread)))
    return round((1 - once / total) * trials) if trials else 0, trials


def chance(rows: np.ndarray, reference: np.ndarray) -> tuple[int, int]:
    """What chance repeats of a ``reference``, as hits and trials: by other real ``rows``, and by the reference itself.

    Both say the same where both tables are random draws, and are taken together. Where other rows repeat more of it than it
    repeats of itself, by more than ``OVERLAP``, the tables overlap and the reference decides; where they repeat less, as when all rows of a person
    are on one side, the other rows do.

    >>> chance(np.arange(100, 200), np.arange(100)), chance(np.arange(100), np.arange(100))
    ((0, 150), (0, 50))
    """
    others, mine = (found_again(rows, reference), len(rows)), own(reference)
    if not others[1] or not mine[1]:
        return mine if mine[1] else others
    low, high = confidence.difference_interval(*others, *mine)
    if low > OVERLAP:
        return mine
    return others if high < 0 else (others[0] + mine[0], others[1] + mine[1])


def repeats(rows: Identities, seed: int) -> dict[str, Any]:
    """Synthetic rows that stand in the synthetic table once more, beyond how many real rows do in the real one.

    Returns {rows, count, share, interval, excess, excess_interval, real}: of as many rows of both tables as the smaller has, since
    more rows repeat more; ``real`` is the real table's share. Rows that stand twice come or go together, so intervals are
    those of half as many.

    >>> repeats({"real": np.arange(100), "synthetic": np.repeat(np.arange(50), 2)}, seed=0)["excess"]
    1.0
    """
    size = min(len(rows["real"]), len(rows["synthetic"]))
    mine, real = (rows[side][pick(len(rows[side]), size, seed, "repeats", side)] for side in ("synthetic", "real"))
    count, theirs = repeated(mine), repeated(real)
    found = beyond(count // 2, size // 2, (theirs // 2, size // 2))
    shares = {"share": count / size, "excess": (count - theirs) / size} if size else {}
    return {**found, **shares, "rows": size, "count": count, "real": theirs / size if size else math.nan}


def exact_copies(rows: Identities) -> dict[str, Any]:
    """Synthetic rows that stand in the real (training) table, equal in every scored column, and in the holdout. Keys:

    rows, count, share, interval   synthetic rows; those that stand in the training table; Wilson, 95 %
    excess, excess_interval        the share beyond :func:`chance`, in [−1, 1], 0 is expected of a fresh sample; Newcombe, 95 %
    fresh                          {rows, count, share, interval, excess, excess_interval} of holdout rows in the training
                                   table, beyond what that repeats of itself: what is left is overlap; None without a holdout
    holdout                        the same of synthetic rows in the holdout, beyond chance; None without one

    Source: mostlyai-qa's IMS share, on cells instead of distances.

    >>> same = np.arange(50)
    >>> found = exact_copies({"real": same, "synthetic": same, "holdout": same})
    >>> found["excess"], found["fresh"]["excess"], found["holdout"]["excess"]
    (1.0, 1.0, 1.0)
    """
    real, synthetic, kept = rows["real"], rows["synthetic"], rows.get("holdout")

    def compared(some: np.ndarray, reference: np.ndarray, expected: tuple[int, int]) -> dict[str, Any]:
        return beyond(found_again(some, reference), len(some), expected)

    if kept is None:
        return {**compared(synthetic, real, own(real)), "fresh": None, "holdout": None}
    return {
        **compared(synthetic, real, chance(kept, real)),
        "fresh": compared(kept, real, own(real)),
        "holdout": compared(synthetic, kept, chance(real, kept)),
    }
