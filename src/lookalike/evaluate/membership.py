"""Membership inference: can someone who holds a person's row tell whether it was in the training table?

Members are training rows, non-members holdout rows. Each gets a score from the synthetic table alone, or from it and
other real rows; were nothing memorised, both would have the same scores.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lookalike.evaluate.neighbours import Encoder
from lookalike.evaluate.prepare import Column, count_rows, pick
from lookalike.neighbours import nearest
from lookalike.rng import generator

MEMBERS = 3_000
"""Members, non-members and reference rows, at most: an AUC of 3,000 and 3,000 is known to ±.015."""
SYNTHETIC = 25_000
"""Synthetic rows that are searched."""
FEWEST = 20
"""Below so many members nothing is said."""
STRICT = {"tpr_at_1": 0.01, "tpr_at_10": 0.10}
"""False positive rates at which members found are counted: few false alarms is what an accuser needs."""


def membership(columns: list[Column], sides: list[str], seed: int, encoder: Encoder) -> dict[str, Any] | None:
    """Two attacks; None without a holdout, or below 20 members.

    Keys ``distance`` (score: minus the distance to the nearest synthetic row) and ``density`` (score: how much denser
    the synthetic table is around the row than other real rows are), each a dict of ``auc``, ``tpr_at_1``, ``tpr_at_10``
    (in [0, 1]; chance is ½, .01, .10) and their 95 % ``auc_interval`` and so on; ``members``, and ``references``: real
    rows that the density is held against, taken from the holdout and apart from the non-members.

    ``density`` is DOMIAS: p_syn(x)/p_reference(x), van Breugel, Sun, Qian, van der Schaar, 2023 (arXiv 2302.12580). It
    tells a memorised row from one that merely stands in a crowd, which nearness alone does not.

    NOTE[DIFF]: densities are those of the nearest neighbour, p ∝ 1/r^d, so the score is r_reference/r_synthetic, where
    the paper fits kernels or flows: no bandwidth to choose, labels need no place on an axis, and a copied row, which a
    kernel smooths away, scores highest.
    """
    if "holdout" not in sides or not columns:
        return None
    kept_back = generator(seed, "evaluate", "membership", "holdout").permutation(count_rows(columns, "holdout"))
    half = len(kept_back) // 2
    members = min(MEMBERS, half, count_rows(columns, "real"))
    if members < FEWEST or count_rows(columns, "synthetic") == 0:
        return None
    inside = encoder.rows("real", pick(count_rows(columns, "real"), members, seed, "membership", "real"))
    outside, others = (
        encoder.rows("holdout", np.sort(part[:size]))
        for part, size in ((kept_back[:half], members), (kept_back[half:], MEMBERS))
    )
    searched = pick(count_rows(columns, "synthetic"), SYNTHETIC, seed, "membership", "synthetic")
    synthetic = encoder.rows("synthetic", searched)
    near, far = (
        [nearest(rows, references, 1).distances[:, 0] for rows in (inside, outside)]
        for references in (synthetic, others)
    )
    ratios = [(reference + 1e-6) / (mine + 1e-6) for mine, reference in zip(near, far, strict=True)]
    return {
        "members": members,
        "references": len(others),
        "distance": roc(-near[0], -near[1]),
        "density": roc(ratios[0], ratios[1]),
    }


def roc(members: np.ndarray, others: np.ndarray) -> dict[str, Any]:
    """AUC and true positive rates at 1 % and 10 % false positives, with 95 % intervals.

    Shape: scores (n,) and (m,), high = taken for a member. Equal scores share their rank, and the curve is straight
    between its points, so scores that say nothing get ½, .01, .10. Intervals: the AUC's from its placement values
    (DeLong, DeLong, Clarke-Pearson, 1988); the rates' from :func:`rate_interval`.

    >>> round(roc(np.arange(50.0) + 25, np.arange(50.0))["auc"], 3)
    0.875
    """
    scores, places = np.unique(np.concatenate([members, others]), return_inverse=True)
    inside, outside = (len(scores) - 1 - part for part in (places[: len(members)], places[len(members) :]))
    auc, error = _auc(inside, outside, len(scores))
    found: dict[str, Any] = {"auc": auc, "auc_interval": [max(0.0, auc - 1.96 * error), min(1.0, auc + 1.96 * error)]}
    for (name, at), rate in zip(STRICT.items(), _rates(inside, outside, len(scores)), strict=True):
        found[name], found[f"{name}_interval"] = float(rate), rate_interval(members, others, at)
    return found


def rate_interval(members: np.ndarray, others: np.ndarray, at: float) -> list[float]:
    """The 95 % interval of the true positive rate where a share ``at`` of the others is a false positive.

    How many of the others should lie above the threshold is known, how many do is chance, and with a hundred of them it is one: a
    bootstrap, which repeats that one, raised the alarm in one fresh table of thirteen (90 rows kept back), and should in one of forty.
    So the lower end asks how likely members are among the rows from the top down to the first of the others too many (Clopper and Pearson
    1934), which bounds the curve's slope there, if it gets no steeper; the upper one counts members down to where surely enough of the
    others lie above.

    >>> rng = np.random.default_rng(0)
    >>> [round(end, 3) for end in rate_interval(rng.normal(1, 1, 3_000), rng.normal(0, 1, 3_000), 0.01)]
    [0.057, 0.125]
    """
    from scipy.stats import beta, binom  # half a second to load, which who fits and draws need not wait for

    falling, (n, m) = np.sort(others)[::-1], (len(members), len(others))
    allowed = int(at * m)
    hits = int((members > falling[allowed]).sum())
    share = float(beta.ppf(0.025, hits, allowed + 1)) if hits else 0.0
    # half of what may go wrong at this end is that more of the others lie above, half that more of the members do
    surely = int(binom.ppf(1 - 0.0125, m, at))
    found = int((members >= falling[surely]).sum()) if surely < m else n
    most = float(beta.ppf(1 - 0.0125, found + 1, n - found)) if found < n else 1.0
    return [min(at * share / (1 - share) * m / n, 1.0), most]


def _rates(inside: np.ndarray, outside: np.ndarray, size: int) -> np.ndarray:
    """True positive rates at the strict false positive rates: (rates,). Places count from the top."""
    true = np.concatenate([[0.0], np.cumsum(np.bincount(inside, minlength=size))])
    false = np.concatenate([[0.0], np.cumsum(np.bincount(outside, minlength=size))])
    # at a vertical step of the curve the upper end counts: the threshold costs no further false positive
    last = np.append(np.diff(false) > 0, True)
    return np.interp(list(STRICT.values()), false[last] / false[-1], true[last] / true[-1])


def _auc(inside: np.ndarray, outside: np.ndarray, size: int) -> tuple[float, float]:
    """P(a member scores higher) + ½ P(equal), and its standard error."""

    def placements(mine: np.ndarray, theirs: np.ndarray) -> np.ndarray:
        counts = np.bincount(theirs, minlength=size)
        before = np.cumsum(counts) - counts
        return np.asarray((before + counts / 2)[mine] / len(theirs))

    above, below = 1 - placements(inside, outside), placements(outside, inside)
    variance = above.var(ddof=1) / len(above) + below.var(ddof=1) / len(below)
    return float(above.mean()), math.sqrt(variance)
