"""Rows of several generators that meet a condition, so many from each."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from lookalike.model.base import Generator
from lookalike.rng import derive_seed
from lookalike.schema.encoded import EncodedTable, concatenate
from lookalike.stats import draws_for

TRIES = 20
"""Draws a generator may take to give its part."""
LARGEST_DRAW, MOST_ROWS = 50, 200_000
"""Rows drawn at once are no more than so many times those wanted, and than the second where that is less."""


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
    share = min(len(met) / count for (met, _), count in zip(parts, wanted, strict=True))
    if share >= 1:
        return concatenate([met.take(np.arange(count)) for (met, _), count in zip(parts, wanted, strict=True)])
    kept = [
        met.take(np.arange(int(share * count + rng.random()))) for (met, _), count in zip(parts, wanted, strict=True)
    ]
    others = concatenate([missed for _, missed in parts if len(missed)])
    lacking = int(counts.sum()) - sum(map(len, kept))
    return concatenate([*kept, others.take(np.arange(lacking) % len(others))])


def _draw(
    model: Generator, rows: int, conditions: Mapping[int, int], seed: int, temperature: float
) -> tuple[EncodedTable, EncodedTable]:
    """Return rows that meet the conditions, ``rows`` or more unless bounds end it, and rows of the last draw that do not."""
    kept: list[EncodedTable] = []
    found, drawn, most = 0, 0, min(LARGEST_DRAW * rows, max(MOST_ROWS, 2 * rows))
    for attempt in range(TRIES):
        count = max(draws_for(rows - found, found, drawn, most), 100)
        table = model.sample(
            count, seed=derive_seed(seed, "try", attempt), conditions=conditions, temperature=temperature
        )
        met = np.all([table.codes[:, place] == code for place, code in conditions.items()], axis=0)
        kept.append(table.take(np.flatnonzero(met)))
        found, drawn = found + int(met.sum()), drawn + count
        if found >= rows:
            break
    return concatenate(kept), table.take(np.flatnonzero(~met))
