"""Rows held to what columns settle about each other: their codes, and once they are decoded, their values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from lookalike.encode.base import ColumnEncoder
from lookalike.encode.category import CategoryEncoder
from lookalike.encode.mixture import Modes
from lookalike.encode.numeric import NumericEncoder
from lookalike.encode.ties.joint import JointRule
from lookalike.encode.ties.reach import Spans, reach
from lookalike.encode.ties.rules import Rule
from lookalike.schema import EncodedTable, Values
from lookalike.schema.values import same_cells


def in_order(rules: Sequence[Rule | JointRule]) -> list[Rule | JointRule]:
    """Return the rules such that each comes after those that settle what it is told by, and else as they were."""
    left, ordered = list(rules), list[Rule | JointRule]()
    while left:
        waiting = {rule.dependent for rule in left}
        held_up = [not waiting.isdisjoint(rule.determinants) for rule in left]
        if all(held_up):
            return ordered + left  # a circle: whichever goes last is kept
        ordered += [rule for rule, waits in zip(left, held_up, strict=True) if not waits]
        left = [rule for rule, waits in zip(left, held_up, strict=True) if waits]
    return ordered


class Due:
    """Which code of its dependent a rule settles. What each code of a determinant says is worked out once, for all rows that come.

    Attributes
    ----------
    sources, place
        Positions of the determinants, and of the dependent.
    """

    def __init__(self, rule: Rule | JointRule, encoders: Mapping[str, ColumnEncoder]) -> None:
        names = list(encoders)
        self.sources, self.place = [names.index(name) for name in rule.determinants], names.index(rule.dependent)
        self._rule, self._encoders = rule, encoders
        self._tables = (
            rule.levels_of_codes(encoders)
            if isinstance(rule, JointRule)
            else [settled_codes(rule, encoders[rule.determinant])]
        )

    def beside(self, codes: np.ndarray) -> np.ndarray:
        """Return (n,) the dependent's code as (n, d) ``codes`` settle it; −1 where they do not."""
        found = [table[codes[:, source]] for table, source in zip(self._tables, self.sources, strict=True)]
        return self._rule.due(found, self._encoders) if isinstance(self._rule, JointRule) else found[0]


def settle(dues: Sequence[Due], table: EncodedTable, known: np.ndarray | None = None) -> EncodedTable:
    """Return the table with every dependent code as its determinants settle it; ``known`` (n, d) cells are left alone.

    A code whose levels settle different things settles nothing here: which of them a cell gets is drawn later
    (:func:`lookalike.encode.ties.choose.choose_values`).
    """
    if not dues:
        return table
    codes, residuals = table.codes.copy(), table.residuals.copy()
    for one in dues:
        due, place = one.beside(codes), one.place
        moved = (due >= 0) & (due != codes[:, place])
        if known is not None:
            moved &= ~known[:, place]
        codes[moved, place], residuals[moved, place] = due[moved], 0.0
    return EncodedTable(table.columns, codes, residuals)


def settled_codes(rule: Rule, encoder: ColumnEncoder) -> np.ndarray:
    """Return (K,) int32: the dependent's code beside each code of the determinant; −1 where its levels do not agree."""
    due = np.full(encoder.column.cardinality, -1, np.int32)
    if isinstance(encoder, CategoryEncoder):  # which level a pooled one becomes is drawn later
        due[: len(encoder.level_of_code)] = rule.codes[encoder.level_of_code]
        return due
    assert isinstance(encoder, NumericEncoder) and rule.levels is not None
    if rule.part is not None:
        agreed, codes = _agreed_dates(rule, encoder)
    elif rule.banded:
        agreed, codes = _agreed_bands(rule, encoder)
    else:
        agreed, codes = _agreed_levels(rule.levels, rule.codes, encoder)
    if isinstance(encoder.intervals, Modes):  # they overlap: a number may be of either
        agreed &= ~encoder.column.interval[: len(agreed)]
    due[: len(agreed)][agreed] = codes[agreed]
    return due


def _agreed_levels(levels: np.ndarray, settled: np.ndarray, encoder: NumericEncoder) -> tuple[np.ndarray, np.ndarray]:
    """Of each code: whether its levels settle the same, and what."""
    codes = _codes(levels, encoder)
    least, most = np.full((2, encoder.missing_code), np.iinfo(np.int32).max)
    np.minimum.at(least, codes, settled)
    np.minimum.at(most, codes, -settled)
    return least == -most, least


def _agreed_bands(rule: Rule, encoder: NumericEncoder) -> tuple[np.ndarray, np.ndarray]:
    """As :func:`_agreed_levels`, of codes that lie in one stretch."""
    codes = np.arange(encoder.missing_code)
    first, last = (rule.codes_beside(end) for end in reach(encoder, codes, np.zeros(len(codes))))
    return (first == last) & (first >= 0), first


def _agreed_dates(rule: Rule, encoder: NumericEncoder) -> tuple[np.ndarray, np.ndarray]:
    """As :func:`_agreed_levels`, of all days (or hours) that a code reaches over."""
    codes = np.arange(encoder.missing_code)
    first, last = reach(encoder, codes, np.zeros(len(codes)))
    settled = rule.codes_beside(first)
    agreed = (first == last) & (settled >= 0)
    assert rule.part is not None
    spans = Spans.of(encoder, rule.part)
    if spans is not None:
        beside = rule.codes_beside(spans.starts)
        changes = np.cumsum(np.append(0, beside[1:] != beside[:-1]))
        low, high = spans.place(first), spans.place(last)
        agreed |= (beside[low] >= 0) & (changes[low] == changes[high])
    return agreed, settled


def _codes(numbers: np.ndarray, encoder: NumericEncoder) -> np.ndarray:
    return encoder.encode(Values(np.zeros(len(numbers), bool), numbers=numbers), np.random.default_rng(0))[0]


def follow(
    rules: Sequence[Rule | JointRule],
    encoders: Mapping[str, ColumnEncoder],
    drawn: dict[str, Values],
    known: np.ndarray,
) -> None:
    """Give every dependent of the decoded values what its determinants settle; ``known`` (n, d) cells are left alone."""
    places = {name: place for place, name in enumerate(encoders)}
    for rule in rules:
        level = rule.places(drawn, encoders) if isinstance(rule, JointRule) else level_of(rule, drawn)
        rows = np.flatnonzero((level >= 0) & ~known[:, places[rule.dependent]])
        put(rule.values.take(level[rows]), drawn[rule.dependent], rows)


def level_of(rule: Rule, drawn: Mapping[str, Values]) -> np.ndarray:
    """Return (n,) the level that settles each row's dependent, −1 where none does: where stretches of an axis settle, and a number lies
    between two, it may be of either, and is of the nearer one where its row says neither's."""
    numbers, said = drawn[rule.determinant], drawn[rule.dependent]
    if not rule.banded:
        return rule.places(numbers)
    low, high = rule.possible(numbers)
    either = same_cells(rule.values.take(low), said) | same_cells(rule.values.take(high), said)
    assert rule.levels is not None
    nearer = np.where(numbers.as_numbers - rule.levels[low] <= rule.levels[high] - numbers.as_numbers, low, high)
    return np.where(low == high, low, np.where(either, -1, nearer))


def put(values: Values, into: Values, rows: np.ndarray) -> None:
    """Put the values into these ``rows`` of others."""
    into.missing[rows] = values.missing
    for part, other in ((into.numbers, values.numbers), (into.codes, values.codes)):
        if part is not None and other is not None:
            part[rows] = other
