"""What settles a known cell is drawn such that it does: a city, beside the state that is known, is one of that state.

Rules are kept by giving a dependent what settles it (:mod:`lookalike.encode.ties.settle`). A dependent that is known stays as it is, so
it is what settles it that has to give way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from lookalike.encode.base import ColumnEncoder
from lookalike.encode.category import CategoryEncoder
from lookalike.encode.numeric import NumericEncoder
from lookalike.encode.ties.joint import JointRule
from lookalike.encode.ties.rules import Rule
from lookalike.encode.ties.settle import follow, settled_codes
from lookalike.schema import EncodedTable, Values

ROUNDS_A_CODE = 16
"""Numbers that are looked at of each code, where it is a stretch or a part of a date that settles."""


def at_odds(
    ties: Sequence[Rule | JointRule], encoders: Mapping[str, ColumnEncoder], table: EncodedTable, known: np.ndarray
) -> np.ndarray:
    """Return the rows of which a ``known`` (n, d) code is another than what was drawn settles.

    Rows whose known cells contradict each other are none of them: nothing that could be drawn would mend those.
    """
    places = {name: place for place, name in enumerate(encoders)}
    told, found = _told(ties, places, known), np.zeros(len(table), bool)
    for rule in ties:
        own = [places[name] for name in rule.determinants]
        if isinstance(rule, JointRule):
            due = rule.due({name: table.codes[:, places[name]] for name in rule.determinants}, encoders)
        else:
            due = settled_codes(rule, encoders[rule.determinant])[table.codes[:, own[0]]]
        place = places[rule.dependent]
        found |= known[:, place] & ~told[:, own].all(1) & (due >= 0) & (due != table.codes[:, place])
    return np.flatnonzero(found)


def _told(ties: Sequence[Rule | JointRule], places: Mapping[str, int], known: np.ndarray) -> np.ndarray:
    """(n, d) bool: which cells are known, or settled by such as are."""
    told = known.copy()
    for rule in ties:
        told[:, places[rule.dependent]] |= told[:, [places[name] for name in rule.determinants]].all(1)
    return told


def give_way(
    ties: Sequence[Rule | JointRule],
    encoders: Mapping[str, ColumnEncoder],
    drawn: dict[str, Values],
    known: np.ndarray,
    rng: np.random.Generator,
) -> None:
    """Draw again the decoded cells that settle something else than what is ``known`` (n, d), by their frequency among those that settle
    that; then the rest follows.

    The coarse ones go first: a county is drawn to fit the country that is known, then the town to fit both. What no value that may
    be given out settles stays as it was drawn.
    """
    places = {name: place for place, name in enumerate(encoders)}
    alone = [rule for rule in ties if isinstance(rule, Rule)]
    bound = _told(ties, places, known)
    changed = False
    for determinant in reversed(dict.fromkeys(rule.determinant for rule in alone)):
        own, place = [rule for rule in alone if rule.determinant == determinant], places[determinant]
        dependents = [places[rule.dependent] for rule in own]
        free = ~bound[:, place]
        for fixed in (bound, known):  # where nothing fits all of it, what was only just drawn is let go
            rows = np.flatnonzero(free & _differs(own, drawn, fixed[:, dependents]))
            if len(rows):
                changed = True
                _choose(own, encoders[determinant], drawn, fixed[:, dependents], rows, rng)
        bound[:, place] |= bound[:, dependents].any(1)
    if changed:
        follow(ties, encoders, drawn, known)


def _differs(rules: Sequence[Rule], drawn: Mapping[str, Values], fixed: np.ndarray) -> np.ndarray:
    """(n,) bool: whether a value settles another than the ``fixed`` (n, m) ones beside it."""
    found = np.zeros(len(fixed), bool)
    for rule, held in zip(rules, fixed.T, strict=True):
        level = rule.places(drawn[rule.determinant])
        settles, there = _alike(rule.values.take(level), drawn[rule.dependent])
        found |= held & (level >= 0) & (settles != there)
    return found


def _choose(
    rules: Sequence[Rule],
    encoder: ColumnEncoder,
    drawn: Mapping[str, Values],
    fixed: np.ndarray,
    rows: np.ndarray,
    rng: np.random.Generator,
) -> None:
    """Give the ``rows`` another value, one that settles the ``fixed`` (n, m) ones beside it where there is any."""
    values, weights = _offered(rules, encoder, rng)
    mine = drawn[rules[0].determinant]
    sides = []
    for rule in rules:
        level = rule.places(values)
        settles, wanted = _alike(rule.values.take(level), drawn[rule.dependent].take(rows))
        sides.append((np.where(level >= 0, settles, -1), wanted))
    for held in np.unique(fixed[rows], axis=0):
        some = np.flatnonzero((fixed[rows] == held).all(1))
        kept = [side for side, counts in zip(sides, held, strict=True) if counts]
        if not kept:
            continue
        both = np.stack([np.append(settles, wanted[some]) for settles, wanted in kept], axis=1)
        keys = np.unique(both, axis=0, return_inverse=True)[1].ravel()
        chosen = _by_weight(keys[: len(weights)], weights, keys[len(weights) :], rng)
        to, taken = rows[some[chosen >= 0]], values.take(chosen[chosen >= 0])
        mine.missing[to] = taken.missing
        for part, other in ((mine.numbers, taken.numbers), (mine.codes, taken.codes)):
            if part is not None and other is not None:
                part[to] = other


def _offered(rules: Sequence[Rule], encoder: ColumnEncoder, rng: np.random.Generator) -> tuple[Values, np.ndarray]:
    """(L,) values that may be given out, and (L,) how frequent each is."""
    if isinstance(encoder, CategoryEncoder):
        shown = np.full(len(encoder.levels), True)
        if encoder.settings.rare_categories == "hide":
            shown = ~encoder.rare
        nowhere = np.zeros(len(encoder.levels), bool)
        codes = np.arange(len(encoder.levels), dtype=np.int32)
        return Values(nowhere, codes=codes, levels=encoder.levels), encoder.counts * shown
    assert isinstance(encoder, NumericEncoder)
    exact = next((rule for rule in rules if rule.part is None and not rule.banded), None)
    if exact is not None:
        assert exact.levels is not None and exact.counts is not None
        enough = exact.counts >= encoder.settings.rare_rows  # what fewer rows have is not given out
        return Values(np.zeros(len(enough), bool), numbers=exact.levels), exact.counts * enough
    # bins hold about as many rows each
    codes = np.repeat(np.arange(encoder.missing_code), ROUNDS_A_CODE)
    residuals = np.where(encoder.column.interval[codes], rng.uniform(-1, 1, len(codes)), 0.0)
    return encoder.decode(codes, residuals, rng), np.ones(len(codes), np.int64)


def _alike(first: Values, second: Values) -> tuple[np.ndarray, np.ndarray]:
    """Whole numbers from 0, the same where two columns of one kind hold the same; 0 where a cell is missing."""
    if first.codes is not None:
        assert second.codes is not None
        found = first.codes.astype(np.int64), second.codes.astype(np.int64)
    else:
        assert first.numbers is not None and second.numbers is not None
        places = np.unique(np.append(first.numbers, second.numbers), return_inverse=True)[1]
        found = places[: len(first)], places[len(first) :]
    return np.where(first.missing, 0, found[0] + 1), np.where(second.missing, 0, found[1] + 1)


def _by_weight(keys: np.ndarray, weights: np.ndarray, asked: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """(r,) which of L values each of the ``asked`` (r,) keys gets, drawn by the ``weights`` (L,) of those that have it; −1 where none
    does."""
    order = np.argsort(keys, kind="stable")
    running = np.append(0, np.cumsum(weights[order]))
    first, last = (running[np.searchsorted(keys[order], asked, side=side)] for side in ("left", "right"))
    share = first + rng.random(len(asked)) * (last - first)
    return np.where(
        last > first, order[np.minimum(np.searchsorted(running, share, side="right") - 1, len(order) - 1)], -1
    )
