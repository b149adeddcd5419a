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
from lookalike.encode.ties.choose import keys_of
from lookalike.encode.ties.joint import JointRule
from lookalike.encode.ties.rules import Rule
from lookalike.encode.ties.settle import Due, follow, level_of, put
from lookalike.schema import EncodedTable, Values
from lookalike.schema.values import same_cells

ROUNDS_A_CODE = 16
"""Numbers that are looked at of each code, where it is a stretch or a part of a date that settles."""


def at_odds(dues: Sequence[Due], table: EncodedTable, known: np.ndarray) -> np.ndarray:
    """Return the rows of which a ``known`` (n, d) code is another than what was drawn settles.

    Rows whose known cells contradict each other are none of them: nothing that could be drawn would mend those.
    """
    told, found = _told([(one.sources, one.place) for one in dues], known), np.zeros(len(table), bool)
    for one in dues:
        due, place = one.beside(table.codes), one.place
        found |= known[:, place] & ~told[:, one.sources].all(1) & (due >= 0) & (due != table.codes[:, place])
    return np.flatnonzero(found)


def contradicted(dues: Sequence[Due], codes: np.ndarray, known: np.ndarray) -> Due | None:
    """Return what by the ``known`` ones of (d,) ``codes``, and what follows from them, settles another code than one that is known; None where
    nothing does, and rows may still be rare."""
    codes, told = codes.copy(), known.copy()
    for one in dues:
        due = int(one.beside(codes[None])[0]) if told[one.sources].all() else -1
        if due < 0:
            continue
        if known[one.place] and due != codes[one.place]:
            return one
        codes[one.place], told[one.place] = due, True
    return None


def contradicting(
    ties: Sequence[Rule | JointRule],
    encoders: Mapping[str, ColumnEncoder],
    values: Mapping[str, Values],
    known: np.ndarray,
) -> np.ndarray:
    """Return (n,) bool: in which rows decoded cells that are ``known`` (n, d) settle another value than one that is known."""
    places, found = {name: place for place, name in enumerate(encoders)}, np.zeros(len(known), bool)
    for tie in ties:
        there = known[:, [places[name] for name in (*tie.determinants, tie.dependent)]].all(1)
        level = tie.places(values, encoders) if isinstance(tie, JointRule) else level_of(tie, values)
        rows = np.flatnonzero(there & (level >= 0))
        found[rows] |= ~same_cells(tie.values.take(level[rows]), values[tie.dependent].take(rows))
    return found


def _told(ties: Sequence[tuple[Sequence[int], int]], known: np.ndarray) -> np.ndarray:
    """(n, d) bool: which cells are known, or settled by such as are; ``ties`` are positions of determinants, and of their dependent."""
    told = known.copy()
    for sources, place in ties:
        told[:, place] |= told[:, sources].all(1)
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
    bound = _told([([places[name] for name in rule.determinants], places[rule.dependent]) for rule in ties], known)
    changed = False
    for joint in [rule for rule in reversed(ties) if isinstance(rule, JointRule)]:
        sources, place = [places[name] for name in joint.determinants], places[joint.dependent]
        level = joint.places(drawn, encoders)
        settles, there = _alike(joint.values.take(level), drawn[joint.dependent])
        amiss = bound[:, place] & ~bound[:, sources].all(1) & (level >= 0) & (settles != there)
        if amiss.any():
            changed = True
            _choose_together(joint, encoders, drawn, bound[:, sources], np.flatnonzero(amiss), rng)
            bound[np.ix_(amiss, sources)] = True
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
        differs = held.copy()
        for level in rule.possible(drawn[rule.determinant]):
            settles, there = _alike(rule.values.take(level), drawn[rule.dependent])
            differs &= (level >= 0) & (settles != there)
        found |= differs
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
        keys, asked = keys_of(*(np.stack(side) for side in zip(*kept, strict=True)))
        chosen = _by_weight(keys, weights, asked[some], rng)
        put(values.take(chosen[chosen >= 0]), mine, rows[some[chosen >= 0]])


def _choose_together(
    joint: JointRule,
    encoders: Mapping[str, ColumnEncoder],
    drawn: Mapping[str, Values],
    bound: np.ndarray,
    rows: np.ndarray,
    rng: np.random.Generator,
) -> None:
    """Give the ``rows`` a combination that settles what stands there and has their ``bound`` (n, m) determinants, where there is one."""
    settles, wanted = _alike(joint.values, drawn[joint.dependent].take(rows))
    parts, mine = joint.parted(encoders), [place[rows] for place in joint.levels_held(drawn)]
    offered = [
        _levels_given_out(levels, encoders[name]) for name, levels in zip(joint.determinants, joint.levels, strict=True)
    ]
    for held in np.unique(bound[rows], axis=0):
        some = np.flatnonzero((bound[rows] == held).all(1))
        free = np.flatnonzero(~held)
        sides = [(settles, wanted), *((parts[place], mine[place]) for place in np.flatnonzero(held))]
        keys, asked = keys_of(*(np.stack(side) for side in zip(*sides, strict=True)))
        # missing, the level 0, is never chosen
        weights = np.prod([np.append(0.0, offered[place][1])[parts[place]] for place in free], axis=0)
        chosen = _by_weight(keys, weights, asked[some], rng)
        to, taken = rows[some[chosen >= 0]], chosen[chosen >= 0]
        for place in free:
            put(offered[place][0].take(parts[place][taken] - 1), drawn[joint.determinants[place]], to)


def _levels_given_out(levels: np.ndarray | None, encoder: ColumnEncoder) -> tuple[Values, np.ndarray]:
    """(L,) levels of a joint rule's determinant, and (L,) how frequent each is, of a number whether it comes back as it is; 0 where it may
    not be given out."""
    if isinstance(encoder, CategoryEncoder):
        return _labels(encoder)
    assert levels is not None
    values, rng = Values(np.zeros(len(levels), bool), numbers=levels), np.random.default_rng(0)
    codes, residuals = encoder.encode(values, rng)
    back = encoder.decode(codes, residuals, rng).numbers
    return values, (back == levels) & ~encoder.column.interval[codes]


def _offered(rules: Sequence[Rule], encoder: ColumnEncoder, rng: np.random.Generator) -> tuple[Values, np.ndarray]:
    """(L,) values that may be given out, and (L,) how frequent each is."""
    if isinstance(encoder, CategoryEncoder):
        return _labels(encoder)
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


def _labels(encoder: CategoryEncoder) -> tuple[Values, np.ndarray]:
    """(L,) all labels, and (L,) how frequent each is, 0 where it is to be hidden."""
    values = Values(
        np.zeros(len(encoder.levels), bool), codes=np.arange(len(encoder.levels), dtype=np.int32), levels=encoder.levels
    )
    hidden = encoder.rare & (encoder.settings.rare_categories == "hide")
    return values, np.where(hidden, 0, encoder.counts)


def _alike(first: Values, second: Values) -> tuple[np.ndarray, np.ndarray]:
    """Whole numbers from 0, the same where two columns of one kind hold the same; 0 where a cell is missing."""
    if first.codes is not None:
        assert second.codes is not None
        found = first.codes.astype(np.int64), second.codes.astype(np.int64)
    else:
        places = np.unique(np.append(first.as_numbers, second.as_numbers), return_inverse=True)[1]
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
