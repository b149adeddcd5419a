"""What one column settles about another: a city lies in one state, a store's number in one town. Such rules are kept by
construction, not learned."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any

import numpy as np
import pyarrow.compute as pc

from lookalike.encode.base import ColumnEncoder
from lookalike.encode.category import CategoryEncoder
from lookalike.encode.mixture import Modes
from lookalike.encode.numeric import NumericEncoder
from lookalike.schema import EncodedTable, Values
from lookalike.stats import repeats, settled, surprising

MOST_LEVELS = 5_000
"""A number of more distinct values is an amount, not a label."""
MOST_DETERMINANTS = 500
"""Columns that may settle others, at most: looking takes a glance at every pair."""


@dataclass(frozen=True)
class Rule:
    """Every row learned from that has a level of ``determinant`` has the same value in ``dependent``.

    Attributes
    ----------
    determinant, dependent
        Names of a column of labels, and of any other.
    codes
        (L,) int32: the dependent's code beside each level of the determinant; −1 beside a level never seen.
    values
        (L,) the dependent's value beside each level; labels as the dependent's encoder counts them.
    levels
        (L,) sorted: the determinant's values where it is a number; None where it is a label, whose levels its encoder counts.
    """

    determinant: str
    dependent: str
    codes: np.ndarray
    values: Values
    levels: np.ndarray | None = None

    def places(self, values: Values) -> np.ndarray:
        """Return (n,) the level of each value of the determinant, −1 where none is settled."""
        if self.levels is None:
            assert values.codes is not None
            level = values.codes
        else:
            assert values.numbers is not None
            level = np.minimum(np.searchsorted(self.levels, values.numbers), len(self.levels) - 1)
            level = np.where(self.levels[level] == values.numbers, level, -1)
        return np.where(values.missing | (level < 0) | (self.codes[level] < 0), -1, level)

    def due(self, encoder: ColumnEncoder) -> np.ndarray:
        """Return (K,) int32: the dependent's code beside each code of the determinant; −1 where its levels do not agree."""
        due = np.full(encoder.column.cardinality, -1, np.int32)
        if isinstance(encoder, CategoryEncoder):  # which level a pooled one becomes is drawn later
            due[: len(encoder.level_of_code)] = self.codes[encoder.level_of_code]
            return due
        assert isinstance(encoder, NumericEncoder) and self.levels is not None
        numbers = Values(np.zeros(len(self.levels), bool), numbers=self.levels)
        codes, _ = encoder.encode(numbers, np.random.default_rng(0))
        least, most = np.full((2, len(due)), np.iinfo(np.int32).max)
        np.minimum.at(least, codes, self.codes)
        np.minimum.at(most, codes, -self.codes)
        agreed = least == -most
        if isinstance(encoder.intervals, Modes):  # they overlap: a number may be of either
            agreed &= ~encoder.column.interval
        due[agreed] = least[agreed]
        return due


def find_rules(encoders: Mapping[str, ColumnEncoder], columns: Mapping[str, Values]) -> list[Rule]:
    """Return the rules that all rows keep, such that applying them one after the other keeps them all.

    Columns that settle each other are settled by the first among them (a label, if there is one), which alone is then compared
    with others. The finest determinants come first: what they settle may settle more.
    """
    levels = {name: _levels(values) for name, values in columns.items() if _few(values)}
    counts = {name: np.bincount(codes) for name, (codes, _) in levels.items()}
    alike: dict[bytes, str] = {}  # how columns part the rows, and the first of all that part them so
    first = {}
    for name in sorted(levels, key=lambda name: not isinstance(encoders[name], CategoryEncoder)):
        first[name] = alike.setdefault(_parting(levels[name][0]), name)
    telling = [
        name
        for name in levels
        if first[name] == name
        and isinstance(encoders[name], (CategoryEncoder, NumericEncoder))
        and repeats(counts[name])
    ][:MOST_DETERMINANTS]
    settling = set(telling)
    held = {name: np.count_nonzero(count) for name, count in counts.items()}
    rules: list[Rule] = []
    for determinant in telling:
        size = len(counts[determinant])
        for dependent in levels:
            settled_by_its_like = first[dependent] in settling and first[dependent] not in (dependent, determinant)
            if dependent == determinant or settled_by_its_like or size < held[dependent]:
                continue
            found = settled(levels[determinant][0], levels[dependent][0], size)
            if found is not None and surprising(counts[determinant], counts[dependent]):
                mine, theirs = ((encoders[name], columns[name], levels[name][1]) for name in (determinant, dependent))
                rules.append(_rule(*mine, *theirs, found))
    return sorted(rules, key=lambda rule: -len(rule.codes))


def _parting(codes: np.ndarray) -> bytes:
    """The same for two columns that settle each other: which row is the first of the level that a row has."""
    _, first, places = np.unique(codes, return_index=True, return_inverse=True)
    return blake2b(first[places].astype(np.int64).tobytes(), digest_size=16).digest()


def _few(values: Values) -> bool:
    if values.numbers is None:
        return True
    parts = values.numbers[: 4 * MOST_LEVELS], values.numbers  # most amounts are told by their first rows
    return all(len(np.unique(part)) <= MOST_LEVELS for part in parts)


def _levels(values: Values) -> tuple[np.ndarray, np.ndarray | None]:
    """(n,) levels from 1, 0 for missing, and of a number the value of each."""
    if values.codes is not None:
        return values.codes.astype(np.int64) + 1, None
    assert values.numbers is not None
    distinct, places = np.unique(values.numbers, return_inverse=True)
    return np.where(values.missing, 0, places + 1), distinct


def _rule(
    first: ColumnEncoder,
    determinant: Values,
    levels: np.ndarray | None,
    second: ColumnEncoder,
    dependent: Values,
    numbers: np.ndarray | None,
    found: np.ndarray,
) -> Rule:
    """The rule over the levels that the first encoder knows. ``found`` counts levels from 1, missing being 0; ``levels`` and
    ``numbers`` are the two columns' distinct numbers."""
    size = len(levels) if levels is not None else len(determinant.levels or ())
    beside = np.append(found, np.full(size, -1))[1 : size + 1]
    if levels is None:
        assert determinant.levels is not None and isinstance(first, CategoryEncoder)
        beside = beside[pc.index_in(first.levels, determinant.levels.cast(first.levels.type)).to_numpy()]
    missing, place = beside == 0, np.maximum(beside - 1, 0)
    if numbers is not None:
        values = Values(missing, numbers=np.where(missing | (beside < 0), numbers.dtype.type(0), numbers[place]))
    else:
        assert dependent.levels is not None and isinstance(second, CategoryEncoder)
        known = pc.index_in(dependent.levels.cast(second.levels.type), second.levels).to_numpy()
        labels = np.where(beside > 0, known[place], -1).astype(np.int32)
        values = Values(missing, codes=labels, levels=second.levels)
    seen = np.flatnonzero(beside >= 0)
    codes = np.full(len(beside), -1, np.int32)
    codes[seen], _ = second.encode(values.take(seen), np.random.default_rng(0))
    return Rule(first.spec.name, second.spec.name, codes, values, levels)


def settle(
    rules: Sequence[Rule], encoders: Mapping[str, ColumnEncoder], table: EncodedTable, known: np.ndarray | None = None
) -> EncodedTable:
    """Return the table with every dependent code as its determinant settles it; ``known`` (n, d) cells are left alone.

    A code whose levels settle different things settles nothing here: which of them a cell gets is drawn later
    (:func:`settle_values`).
    """
    if not rules:
        return table
    places = {name: place for place, name in enumerate(encoders)}
    codes, residuals = table.codes.copy(), table.residuals.copy()
    for rule in rules:
        due = rule.due(encoders[rule.determinant])[codes[:, places[rule.determinant]]]
        place = places[rule.dependent]
        moved = (due >= 0) & (due != codes[:, place])
        if known is not None:
            moved &= ~known[:, place]
        codes[moved, place], residuals[moved, place] = due[moved], 0.0
    return EncodedTable(table.columns, codes, residuals)


def settle_values(
    rules: Sequence[Rule],
    encoders: Mapping[str, ColumnEncoder],
    table: EncodedTable,
    drawn: dict[str, Values],
    rng: np.random.Generator,
) -> None:
    """Make the decoded values of ``table`` in ``drawn`` keep the rules, where several values share a code.

    A pooled level is drawn again among those that settle the dependent code its row has; then the dependent follows.
    """
    places = {name: place for place, name in enumerate(encoders)}
    for determinant in dict.fromkeys(rule.determinant for rule in rules):
        encoder, values = encoders[determinant], drawn[determinant]
        if not isinstance(encoder, CategoryEncoder):
            continue
        assert values.codes is not None
        if not len(encoder.pool) or encoder.settings.rare_categories == "hide":
            continue
        own = [rule for rule in rules if rule.determinant == determinant]
        telling = max(own, key=lambda rule: len(np.unique(rule.codes[encoder.pool])))
        pooled = np.flatnonzero(table.codes[:, places[determinant]] == len(encoder.level_of_code))
        beside = table.codes[pooled, places[telling.dependent]]
        for code in np.unique(beside):
            fitting = encoder.pool[telling.codes[encoder.pool] == code]
            if len(fitting):
                shares = encoder.counts[fitting] / encoder.counts[fitting].sum()
                rows = pooled[beside == code]
                values.codes[rows] = rng.choice(fitting, len(rows), p=shares)
    for rule in rules:
        theirs, level = drawn[rule.dependent], rule.places(drawn[rule.determinant])
        rows = np.flatnonzero(level >= 0)
        due = rule.values.take(level[rows])
        theirs.missing[rows] = due.missing
        for part, settled_part in ((theirs.numbers, due.numbers), (theirs.codes, due.codes)):
            if part is not None and settled_part is not None:
                part[rows] = settled_part


def rules_state(rules: Sequence[Rule]) -> list[dict[str, Any]]:
    """The rules as JSON."""
    return [
        {
            "determinant": rule.determinant,
            "dependent": rule.dependent,
            "levels": None if rule.levels is None else rule.levels.tolist(),
            "codes": rule.codes.tolist(),
            "missing": rule.values.missing.tolist(),
            "numbers": None if rule.values.numbers is None else rule.values.numbers.tolist(),
            "labels": None if rule.values.codes is None else rule.values.codes.tolist(),
        }
        for rule in rules
    ]


def rules_from(state: list[dict[str, Any]], encoders: Mapping[str, ColumnEncoder]) -> list[Rule]:
    """What :func:`rules_state` gave."""
    found = []
    for one in state:
        second, missing = encoders[one["dependent"]], np.asarray(one["missing"], bool)
        if isinstance(second, CategoryEncoder):
            values = Values(missing, codes=np.asarray(one["labels"], np.int32), levels=second.levels)
        else:
            assert isinstance(second, NumericEncoder)
            values = Values(missing, numbers=np.asarray(one["numbers"], second.dtype))
        levels, first = one["levels"], encoders[one["determinant"]]
        if levels is not None:
            assert isinstance(first, NumericEncoder)
            levels = np.asarray(levels, first.dtype)
        found.append(Rule(one["determinant"], one["dependent"], np.asarray(one["codes"], np.int32), values, levels))
    return found
