"""Rows of several generators that meet a condition, so many from each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from lookalike.model.base import Generator
from lookalike.model.rejection import Drawn, draw_meeting
from lookalike.rng import derive_seed
from lookalike.schema.encoded import EncodedTable, concatenate

TRIES = 20
"""Draws a generator may take to give its part."""
LARGEST_DRAW, MOST_ROWS = 50, 200_000
"""Rows drawn at once are no more than so many times those wanted, and than the second where that is less."""
HOPELESS = 100_000
"""A generator of whose rows none of so many met the condition gives none."""


def meeting(
    models: Sequence[Generator],
    counts: np.ndarray,
    conditions: Mapping[int, int],
    seeds: Sequence[int],
    temperature: float,
    rng: np.random.Generator,
) -> EncodedTable:
    """Return exactly Σ ``counts`` rows, (models,) from each, that meet the conditions (columns' positions to codes).

    Where a generator gives only a share of its part within bounds, all give that share, so that the proportions stay; the rows
    that lack are ones that do not meet the conditions, for the caller to reject.
    """
    if not counts.sum():
        return models[0].sample(0, seed=seeds[0])
    parts = [
        _draw(model, int(count), conditions, seed, temperature)
        for model, count, seed in zip(models, counts, seeds, strict=True)
        if count
    ]
    wanted = counts[counts > 0]
    share = min(len(part.met) / count for part, count in zip(parts, wanted, strict=True))
    if share >= 1:
        return concatenate([part.met.take(np.arange(count)) for part, count in zip(parts, wanted, strict=True)])
    kept = [
        part.met.take(np.arange(int(share * count + rng.random()))) for part, count in zip(parts, wanted, strict=True)
    ]
    others = concatenate([part.missed for part in parts if len(part.missed)])
    lacking = int(counts.sum()) - sum(map(len, kept))
    return concatenate([*kept, others.take(np.arange(lacking) % len(others))])


def _draw(model: Generator, rows: int, conditions: Mapping[int, int], seed: int, temperature: float) -> Drawn:
    """Return rows that meet the conditions, ``rows`` or more unless bounds end it, and rows of the last draw that do not."""

    def draw(count: int, attempt: int) -> EncodedTable:
        seed_of_try = derive_seed(seed, "try", attempt)
        return model.sample(count, seed=seed_of_try, conditions=conditions, temperature=temperature)

    most = min(LARGEST_DRAW * rows, max(MOST_ROWS, 2 * rows))
    return draw_meeting(draw, conditions, rows, tries=TRIES, most=most, patience=HOPELESS)
