"""A first look at safety: rows copied outright, and rows closer to the training table than chance allows.

Distances are smoke alarms, not proofs: a table that passes can still be open to membership inference (arXiv
2505.01524), so :func:`privacy` sets leaked cells and attacks beside them.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from lookalike.evaluate import attacks, copies, leakage, membership
from lookalike.evaluate.neighbours import Encoder
from lookalike.evaluate.prepare import Column, count_rows, pick
from lookalike.neighbours import Rows, distance, join, similarities
from lookalike.rng import generator

SUBSAMPLE = 5_000
"""Synthetic rows in :func:`closeness`: a share of 5,000 is known to ±1.5 points, which is finer than the limit of 52 %."""
REFERENCES = 10_000
"""Real rows a side in :func:`closeness`: a copied row is seen only where its original is among them."""
TIE = 1e-6
TIGHT = 0.5
"""A row twice as near to its nearest real row as to the next leans on that one."""
SMALLEST = 10
"""The NNDR ratio compares the tenth-smallest values."""
BOOTSTRAPS = 200
PROTECTION_QUERIES = 500
"""Rows whose nearest :func:`protection` looks for: a median of 500 is known to about one fiftieth of its spread."""
PROTECTION_ROWS = 2_500
"""Real rows a side in :func:`protection`, whose distance is no matrix product and costs more."""


def parts(columns: list[Column], sides: list[str], seed: int) -> dict[str, Callable[[], Any]]:
    """The section in parts that need nothing from each other, for :func:`gather`; the longest first. ``sides`` are the tables besides the
    real one; figures that need a "holdout" are None without it."""
    kept_back, encoder = "holdout" in sides, Encoder(columns, seed)
    return {
        "attacks": partial(attacks.attacks, columns, sides, seed, encoder),
        "closeness": partial(closeness, columns, seed, encoder) if kept_back else lambda: (None, None),
        "membership": partial(membership.membership, columns, sides, seed, encoder),
        "leakage": partial(leakage.leakage, columns, sides, seed, encoder),
        "protection": partial(protection, columns, sides, seed),
        "exact_copies": partial(_copies, columns, sides),
    }


def gather(found: dict[str, Any]) -> dict[str, Any]:
    """The whole privacy section of a scorecard, from what its :func:`parts` returned. Keys:

    exact_copies   see :func:`lookalike.evaluate.copies.exact_copies`
    closeness      see :func:`closeness`; ``fresh``: ½; None without a holdout
    nndr           see :func:`closeness`; None without a holdout
    protection     see :func:`protection`
    leakage        see :func:`lookalike.evaluate.leakage.leakage`
    attacks        see :func:`lookalike.evaluate.attacks.attacks`; None without a holdout
    membership     see :func:`lookalike.evaluate.membership.membership`; None without a holdout
    """
    near, ratios = found["closeness"]
    return {
        "exact_copies": found["exact_copies"],
        "closeness": {**near, "fresh": 0.5} if near else None,
        "nndr": ratios,
        "protection": found["protection"],
        "leakage": found["leakage"],
        "attacks": found["attacks"],
        "membership": found["membership"],
    }


def _copies(columns: list[Column], sides: list[str]) -> dict[str, Any]:
    return copies.exact_copies(copies.identities(columns, ["real", *sides]))


def closeness(columns: list[Column], seed: int, encoder: Encoder) -> tuple[dict[str, Any], dict[str, Any] | None]:
    """The DCR share, and from the same distances the NNDR figures (None where either side has one row).

    DCR share: how often a synthetic row lies nearer to a training row than to any holdout row, ties counted half.

    In [0, 1]. ½ is what a fresh real sample is expected to score, by symmetry; above it, rows lean towards the
    training table. As many training rows as holdout rows are compared, at most 10,000 of each, so neither has the
    better chance. Source: mostlyai-qa (DCR share); the Flatland and MOSTLY AI prizes accept up to 52 %.

    The interval holds the chance of all three draws. Were nothing memorised, training and holdout rows could swap their
    labels; a real row that is nearest to w of the q synthetic rows then moves the share by w/q, which gives a standard
    error of √(Σ(w − w̄)² · N/(N − 1)) / 2q over the N real rows. Counting synthetic rows alone (the binomial error)
    would be half of it when 40 rows are kept back, and sound false alarms.

    ``control`` is the same share for one half of the holdout against training rows and the other half: ½ again, unless
    the holdout is no random draw from the same table, and then the share says nothing.

    NOTE[DIFF]: labels count as equal or not where mostlyai-qa embeds sentences: no model to download, and a code such
    as ``V58`` has no meaning to embed. A different label weighs as much as the whole length of a number's axis.

    NNDR is d₁/d₂, a synthetic row's distance to the nearest real row over that to the next: near 0, it leans on one
    person; near 1, it stands in a crowd. Keys of the second dict:

    ratio           tenth-smallest NNDR against training rows / the same against holdout rows; 1 is ideal, low is bad.
                    None below ten rows. Source: mostlyai-qa 1.10 (NNDR ratio); the prizes accept from 0.5
    interval        its 95 % bootstrap interval over real rows, each with the synthetic rows it is nearest to: few decide the
                    ratio, so it is wide, and one common row that happens to be on one side alone decides nothing
    tight           share of synthetic rows with NNDR < ½ against training rows; ``tight_fresh`` against holdout rows
    excess          tight − tight_fresh, in [−1, 1], 0 is expected of a fresh sample; ``excess_interval``, 95 %: real rows drawn again.
                    Hundreds of rows decide it, hence the one to lean on
    rows, compared  synthetic rows; real rows on each side
    """
    size = min(REFERENCES, count_rows(columns, "real"), count_rows(columns, "holdout"))
    queries = min(SUBSAMPLE, count_rows(columns, "synthetic"))
    half = size // 2
    if not columns or half < 2 or queries == 0:
        return {**_nothing(), "compared": size, "control": None}, None
    train, holdout, synthetic = (
        encoder.rows(side, pick(count_rows(columns, side), limit, seed, "closeness", side))
        for side, limit in (("real", size), ("holdout", size), ("synthetic", queries))
    )
    order = generator(seed, "evaluate", "closeness", "control").permutation(size)
    first, second = holdout.take(order[: min(half, SUBSAMPLE // 2)]), holdout.take(order[half : 2 * half])
    share, to_train, to_holdout, nearest = _share(synthetic, train, holdout)
    control = _share(first, train.take(order[:half]), second)[0]
    return {**share, "compared": size, "control": control}, _ratios(to_train, to_holdout, nearest, size, seed)


def _nothing() -> dict[str, Any]:
    return {
        "share": math.nan,
        "standard_error": math.nan,
        "interval": [math.nan, math.nan],
        "ties": math.nan,
        "rows": 0,
    }


def _share(rows: Rows, train: Rows, holdout: Rows) -> tuple[dict[str, Any], np.ndarray, np.ndarray, np.ndarray]:
    """P(nearer to train) + ½ P(tie) and its 95 % interval; each row's two nearest distances to both sides (rows, 2); and the number of
    the nearest row on both (2, rows)."""
    count, size = len(rows), len(train)
    points, ties, nearest = 0.0, 0, np.zeros(size + len(holdout))
    places = np.zeros((2, count, 2), np.int64)
    for block, similarity in similarities(rows, join(train, holdout)):
        lines = np.arange(len(similarity))
        first = similarity[:, :size].argmax(axis=1), similarity[:, size:].argmax(axis=1) + size
        to_train, to_holdout = similarity[lines, first[0]], similarity[lines, first[1]]
        within = TIE * rows.lengths[block]
        tied = np.abs(to_train - to_holdout) <= within
        points += float(np.where(tied, 0.5, to_train > to_holdout).sum())
        ties += int(tied.sum())
        closest = similarity >= (np.maximum(to_train, to_holdout) - within)[:, None]
        line, place = np.divmod(np.flatnonzero(closest), size + len(holdout))
        weights = 1 / np.bincount(line, minlength=len(closest))  # equally near rows share the point
        nearest += np.bincount(place, weights=weights[line], minlength=len(nearest))
        for side, part in enumerate((similarity[:, :size], similarity[:, size:])):
            places[side, block, 0] = first[side] - side * size
            part[lines, places[side, block, 0]] = -np.inf
            places[side, block, 1] = part.argmax(axis=1)
    share, error = points / count, _swapped(nearest, count)
    interval = [max(0.0, share - 1.96 * error), min(1.0, share + 1.96 * error)]
    figures = {"share": share, "standard_error": error, "interval": interval, "ties": ties / count, "rows": count}
    to_train, to_holdout = (
        np.stack([distance(rows, side.take(two[:, place]), cosine=True) for place in range(2)], axis=1)
        for side, two in ((train, places[0]), (holdout, places[1]))
    )
    return figures, to_train, to_holdout, places[:, :, 0]


def _swapped(leaning: np.ndarray, count: int) -> float:
    """The standard error of a share of ``count`` rows, (N,) of which lean on each of the real ones; see :func:`closeness`."""
    return float(leaning.std(ddof=1)) * math.sqrt(len(leaning)) / (2 * count)


def _ratios(to_train: np.ndarray, to_holdout: np.ndarray, nearest: np.ndarray, size: int, seed: int) -> dict[str, Any]:
    rows = len(to_train)
    mine, fresh = (
        (np.sort(side, axis=1)[:, 0] + 1e-8) / (np.sort(side, axis=1)[:, 1] + 1e-8) for side in (to_train, to_holdout)
    )
    ratio, interval = None, None
    if rows >= SMALLEST:
        rng = generator(seed, "evaluate", "nndr")
        ratio = float(np.sort(mine)[SMALLEST - 1] / np.sort(fresh)[SMALLEST - 1])
        # a real row that many have is the nearest of many rows made, on whose side it is is chance: real rows are drawn again
        again = np.divide(
            *(_smallest(part, places, size, rng) for part, places in zip((mine, fresh), nearest, strict=True))
        )
        interval = np.quantile(again, [0.025, 0.975]).tolist()
    tight, tight_fresh = mine < TIGHT, fresh < TIGHT
    excess = float(tight.mean() - tight_fresh.mean())
    # likewise: rows made that lean on the same real row come or go with it
    leaning = (
        np.bincount(places[only])
        for places, only in zip(nearest, (tight & ~tight_fresh, tight_fresh & ~tight), strict=True)
    )
    error = 1.96 * math.sqrt(sum(float(np.square(counts).sum()) for counts in leaning)) / rows
    return {
        "ratio": ratio,
        "interval": interval,
        "tight": float(tight.mean()),
        "tight_fresh": float(tight_fresh.mean()),
        "excess": excess,
        "excess_interval": [max(-1.0, excess - error), min(1.0, excess + error)],
        "rows": rows,
        "compared": size,
    }


def _smallest(ratios: np.ndarray, nearest: np.ndarray, size: int, rng: np.random.Generator) -> np.ndarray:
    """Return (BOOTSTRAPS,) the tenth-smallest ratio where each of the ``size`` real rows, with the rows made that it is ``nearest`` to, is
    there as often as chance has it (Poisson)."""
    order = np.argsort(ratios)
    times = rng.poisson(1.0, (BOOTSTRAPS, size))[:, nearest[order]].cumsum(axis=1)
    places = np.minimum((times < SMALLEST).sum(axis=1), len(ratios) - 1)
    return np.asarray(ratios[order][places])


def protection(columns: list[Column], sides: list[str], seed: int) -> dict[str, Any]:
    """sdmetrics' two DCR scores, under their own names and in their own distance. Keys:

    baseline        min(median DCR of synthetic rows / median DCR of uniform random rows, 1); 1 is as safe as noise,
                    and real data is far from noise: hold it against ``baseline_fresh``, the holdout's (None without)
    interval        its 95 % bootstrap interval over both groups of rows. Other real rows are not in it (of 500 they move it by .023, the
                    interval's own standard error is .010): hold it against the fresh one, which has the same
    overfitting     min(2 (1 − share), 1), the share being that of synthetic rows strictly nearer to the training rows
                    than to the holdout: ties count as safe. Near 1 is ideal. None without a holdout
    overfitting_interval  its 95 %, with the chance of all three draws and of both ranges. (Wilson's, of the synthetic rows alone, lay
                    wholly below 1 in 30 of 100 fresh tables of 500 rows, 120 kept back; this in one)
    rows, compared  synthetic rows; real rows on each side

    DCR is the distance to the nearest real row: the mean over columns of min(|Δ|/range, 1) for numbers and of 0 or 1
    for labels; missing equals missing and differs wholly from any value. All None where the median of random rows is
    0. Source: sdmetrics 0.32 (DCRBaselineProtection, DCROverfittingProtection).

    NOTE[DIFF]: sdmetrics compares all rows unless told otherwise, for hours; these are at most 500 rows against at most
    2,500, as its ``num_rows_subsample`` would draw them, seeded, and as many training as holdout rows.
    """
    kept_back = "holdout" in sides
    compared = min(
        [PROTECTION_ROWS, *(count_rows(columns, side) for side in (["real", "holdout"] if kept_back else ["real"]))]
    )
    rows = min(PROTECTION_QUERIES, count_rows(columns, "synthetic"))
    nothing = dict.fromkeys(["baseline", "interval", "baseline_fresh", "overfitting", "overfitting_interval"])
    if not columns or compared == 0 or rows == 0:
        return {**nothing, "rows": rows, "compared": compared}
    picks = {
        side: pick(count_rows(columns, side), limit, seed, "protection", side)
        for side, limit in (("real", compared), ("holdout", compared), ("synthetic", rows))
        if side == "synthetic" or side in ("real", *sides)
    }
    queries = {
        "synthetic": _cells(columns, "synthetic", picks["synthetic"]),
        "random": _random_cells(columns, rows, seed),
    }
    train = _cells(columns, "real", picks["real"])
    (mine, nearest), (random, _) = (_closest(columns, cells, train) for cells in queries.values())
    found = {**nothing, "rows": rows, "compared": compared}
    if np.median(random) > 0:
        draws = generator(seed, "evaluate", "protection").integers(0, rows, (2, BOOTSTRAPS, rows))
        medians = np.median(mine[draws[0]], axis=1), np.median(random[draws[1]], axis=1)
        again = medians[0] / np.maximum(medians[1], 1e-12)
        found["baseline"] = min(1.0, float(np.median(mine) / np.median(random)))
        found["interval"] = np.minimum(1.0, np.quantile(again, [0.025, 0.975])).tolist()
    if kept_back:
        holdout = _cells(columns, "holdout", picks["holdout"])
        found["overfitting"], found["overfitting_interval"] = _overfitting(
            columns, queries["synthetic"], train, holdout, mine, nearest
        )
        if np.median(random) > 0:
            fresh = _cells(columns, "holdout", picks["holdout"][:: max(1, compared // rows)][:rows])
            found["baseline_fresh"] = min(1.0, float(np.median(_closest(columns, fresh, train)[0]) / np.median(random)))
    return found


Cells = list[tuple[np.ndarray, np.ndarray]]
"""A column's values (numbers, or codes) and which are missing."""


def _overfitting(
    columns: list[Column], rows: Cells, train: Cells, holdout: Cells, mine: np.ndarray, nearest: np.ndarray
) -> tuple[float, list[float]]:
    """min(2 (1 − share), 1) and its interval, from the rows' distances to the training rows and which these are, (n,) each.

    sdmetrics divides by the range of whichever table it looks at, so one long value makes all rows of its side near. Were nothing
    memorised, labels could be swapped as in :func:`closeness` only where both are divided by one range: that share's interval is in it, too.
    """
    count, compared = len(mine), len(train[0][1])
    lows, highs = [], []
    for ranges in (train, holdout):
        other, kept = _closest(columns, rows, holdout, ranges)
        leaning = np.concatenate([nearest[mine < other], compared + kept[other < mine]])
        share, error = (
            float((mine < other).mean()),
            1.96 * _swapped(np.bincount(leaning, minlength=2 * compared), count),
        )
        lows.append(2 * (1 - share - error))
        highs.append(2 * (1 - share + error))
    figure, *ends = (min(1.0, max(0.0, end)) for end in (2 * (1 - share), min(lows), max(highs)))
    return figure, ends


def _cells(columns: list[Column], side: str, picks: np.ndarray) -> Cells:
    cells: Cells = []
    for column in columns:
        values = column.sides[side].numbers if column.numeric else column.sides[side].codes
        assert values is not None
        cells.append(
            (values[picks].astype(np.float64) / 4, column.sides[side].missing[picks])
        )  # 1e308 has a range then
    return cells


def _random_cells(columns: list[Column], rows: int, seed: int) -> Cells:
    """Rows drawn uniformly between each real column's bounds, or among its levels, with its share of gaps."""
    cells: Cells = []
    for column in columns:
        draw = generator(seed, "evaluate", "protection", column.name)
        real = column.sides["real"]
        missing = draw.random(rows) < real.missing.mean()
        if not column.numeric:
            levels = np.unique(real.codes[~real.missing]) if not real.missing.all() else np.zeros(1, np.int64)
            cells.append((draw.choice(levels, rows) / 4, missing))
            continue
        present = real.present.astype(np.float64) / 4 if not real.missing.all() else np.zeros(1)
        values = draw.uniform(0, 1, rows) * (present.max() - present.min()) + present.min()
        cells.append((np.round(values * 4) / 4 if column.spec.kind == "integer" else values, missing))
    return cells


def _closest(
    columns: list[Column], queries: Cells, references: Cells, ranges: Cells | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Each query's DCR, sdmetrics' way, (n,) in [0, 1], and the number of the reference at it, (n,) int64. Ranges are those of the
    references, as there, unless others are given."""
    scaled = list(map(_scaled, columns, queries, references, ranges or references))
    count, others = len(queries[0][1]), len(references[0][1])
    closest, places = np.zeros(count), np.zeros(count, np.int64)
    size = max(1, 2**18 // others)  # six numbers a comparison stay in the cache
    apart = np.empty((size, others), np.float32)
    for start in range(0, count, size):
        block = slice(start, min(start + size, count))
        high = block.stop - start
        total = np.zeros((high, others), np.float32)
        for mine, theirs in scaled:
            np.subtract(mine[block, None], theirs, out=apart[:high])
            np.abs(apart[:high], out=apart[:high])
            np.minimum(apart[:high], 1, out=apart[:high])
            total += apart[:high]
        places[block] = total.argmin(axis=1)
        closest[block] = total[np.arange(high), places[block]]
    return closest / len(scaled), places


def _scaled(
    column: Column,
    mine: tuple[np.ndarray, np.ndarray],
    theirs: tuple[np.ndarray, np.ndarray],
    range_of: tuple[np.ndarray, np.ndarray],
) -> tuple[np.ndarray, np.ndarray]:
    """Values such that min(|Δ|, 1) is the distance: divided by the range, clipped far outside it, missing further out."""
    present = range_of[0][~range_of[1]]
    low, high = (present.min(), present.max()) if len(present) and column.numeric else (0.0, 0.25)
    with np.errstate(
        over="ignore"
    ):  # a range of the least floats there are: what lies outside is infinitely far, and clipped
        one, other = (
            np.where(
                missing, -100.0, np.clip((values - low) / (high - low), -9, 1e6) if high > low else _off(values, low)
            )
            for values, missing in (mine, theirs)
        )
    return one.astype(np.float32), other.astype(np.float32)


def _off(values: np.ndarray, constant: float) -> np.ndarray:
    return np.asarray(np.where(values == constant, 0.0, 9.0))
