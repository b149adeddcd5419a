"""Rows held to what one column settles about another; values that share a code are chosen such that they fit their row."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from lookalike.encode.base import ColumnEncoder
from lookalike.encode.category import CategoryEncoder
from lookalike.encode.mixture import Modes
from lookalike.encode.numeric import NumericEncoder
from lookalike.encode.ties.joint import JointRule
from lookalike.encode.ties.rules import Rule
from lookalike.schema import EncodedTable, Values
from lookalike.schema.parts import Part

MOST_SPANS = 250_000
"""Days or hours that a column's dates may reach over for each to be looked at: 28 years of hours."""
TRIES = 8
"""How often a number is drawn elsewhere in its bin until it lies in the stretch that its row speaks of."""
WHOLE_BIN, MODE_REACH = 2.0, 0.25
"""How far from where a number lies in its bin, or mode, another may that stands in for it: anywhere, and a standard deviation."""


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
    (:func:`settle_values`).
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
    first, last = (_settled(rule, end) for end in _reach(encoder, codes, np.zeros(len(codes))))
    return (first == last) & (first >= 0), first


def _agreed_dates(rule: Rule, encoder: NumericEncoder) -> tuple[np.ndarray, np.ndarray]:
    """As :func:`_agreed_levels`, of all days (or hours) that a code reaches over."""
    codes = np.arange(encoder.missing_code)
    first, last = _reach(encoder, codes, np.zeros(len(codes)))
    settled = _settled(rule, first)
    agreed = (first == last) & (settled >= 0)
    assert rule.part is not None
    spans = Spans.of(encoder, rule.part)
    if spans is not None:
        beside = _settled(rule, spans.starts)
        changes = np.cumsum(np.append(0, beside[1:] != beside[:-1]))
        low, high = spans.place(first), spans.place(last)
        agreed |= (beside[low] >= 0) & (changes[low] == changes[high])
    return agreed, settled


def _codes(numbers: np.ndarray, encoder: NumericEncoder) -> np.ndarray:
    return encoder.encode(Values(np.zeros(len(numbers), bool), numbers=numbers), np.random.default_rng(0))[0]


def _settled(rule: Rule, numbers: np.ndarray) -> np.ndarray:
    """(n,) the dependent's code beside each number; −1 where it is not known."""
    level = rule.places(Values(np.zeros(len(numbers), bool), numbers=numbers))
    return np.where(level >= 0, rule.codes[level], -1)


def _reach(encoder: NumericEncoder, codes: np.ndarray, residuals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n,) the least and the greatest number that may stand in for one of a code: any of its bin, or those near it in its mode."""
    ends = _residuals_near(encoder, residuals)
    low, high = (encoder.decode(codes, end, np.random.default_rng(0)).numbers for end in ends)
    assert low is not None and high is not None
    return low, high


def _residuals_near(encoder: NumericEncoder, residuals: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(n,) the least and the greatest residual between which another number may stand in for one."""
    reach = MODE_REACH if isinstance(encoder.intervals, Modes) else WHOLE_BIN
    return np.clip(residuals - reach, -1, 1), np.clip(residuals + reach, -1, 1)


@dataclass(frozen=True)
class Spans:
    """The days, or hours, from a column's first date to its last.

    Attributes
    ----------
    width
        Parsed units in one.
    first, count
        Which is the first, counted from 1970, and how many there are.
    """

    width: int
    first: int
    count: int

    @classmethod
    def of(cls, encoder: NumericEncoder, part: Part) -> Spans | None:
        """The spans within which a part does not change; None where they are too many to be looked at one by one."""
        width = max(int(part.width / part.unit), 1)
        first, last = (int(end) // width for end in (encoder.low.item(), encoder.high.item()))
        return cls(width, first, last - first + 1) if last - first < MOST_SPANS else None

    @property
    def starts(self) -> np.ndarray:
        return (self.first + np.arange(self.count, dtype=np.int64)) * self.width

    def place(self, numbers: np.ndarray) -> np.ndarray:
        """Return (n,) which each lies in, counted from the first."""
        return np.asarray(np.clip(numbers // self.width - self.first, 0, self.count - 1))


def settle_values(
    rules: Sequence[Rule | JointRule],
    encoders: Mapping[str, ColumnEncoder],
    table: EncodedTable,
    drawn: dict[str, Values],
    known: np.ndarray,
    rng: np.random.Generator,
) -> None:
    """Make the decoded values of ``table`` in ``drawn`` keep the rules, where several values share a code.

    A pooled level, a number in an interval, is drawn again among those that settle the dependent codes which its row has; then the
    dependents follow. Cells that are ``known`` (n, d) are left alone.
    """
    places = {name: place for place, name in enumerate(encoders)}
    alone = [rule for rule in rules if isinstance(rule, Rule)]
    for determinant in dict.fromkeys(rule.determinant for rule in alone):
        own = [rule for rule in alone if rule.determinant == determinant and _tells(encoders[rule.dependent])]
        if own:
            place = places[determinant]
            wanted = table.codes[:, [places[rule.dependent] for rule in own]].T
            cells = _Cells(own, wanted, table.codes[:, place], table.residuals[:, place], drawn[determinant], rng)
            cells.choose(encoders[determinant], ~known[:, place])
    follow(rules, encoders, drawn, known)


def follow(
    rules: Sequence[Rule | JointRule],
    encoders: Mapping[str, ColumnEncoder],
    drawn: dict[str, Values],
    known: np.ndarray,
) -> None:
    """Give every dependent of the decoded values what its determinants settle; ``known`` (n, d) cells are left alone."""
    places = {name: place for place, name in enumerate(encoders)}
    for rule in rules:
        level = rule.places(drawn, encoders) if isinstance(rule, JointRule) else _level(rule, drawn)
        rows = np.flatnonzero((level >= 0) & ~known[:, places[rule.dependent]])
        put(rule.values.take(level[rows]), drawn[rule.dependent], rows)


def _level(rule: Rule, drawn: Mapping[str, Values]) -> np.ndarray:
    """Return (n,) the level that settles each row's dependent, −1 where none does: where stretches of an axis settle, and a number lies
    between two, it may be of either, and is of the nearer one where its row says neither's."""
    numbers, said = drawn[rule.determinant], drawn[rule.dependent]
    if not rule.banded:
        return rule.places(numbers)
    low, high = rule.possible(numbers)
    either = _alike(rule.values.take(low), said) | _alike(rule.values.take(high), said)
    assert rule.levels is not None and numbers.numbers is not None
    nearer = np.where(numbers.numbers - rule.levels[low] <= rule.levels[high] - numbers.numbers, low, high)
    return np.where(low == high, low, np.where(either, -1, nearer))


def _alike(values: Values, others: Values) -> np.ndarray:
    """(n,) bool: which cells are the same."""
    alike = values.missing & others.missing
    for one, other in ((values.numbers, others.numbers), (values.codes, others.codes)):
        if one is not None and other is not None:
            alike |= (one == other) & ~values.missing & ~others.missing
    return alike


def put(values: Values, into: Values, rows: np.ndarray) -> None:
    """Put the values into these ``rows`` of others."""
    into.missing[rows] = values.missing
    for part, other in ((into.numbers, values.numbers), (into.codes, values.codes)):
        if part is not None and other is not None:
            part[rows] = other


def _tells(encoder: ColumnEncoder) -> bool:
    """Whether a code of the column says what a value is: of modes that overlap, either may be a number's."""
    return not (isinstance(encoder, NumericEncoder) and isinstance(encoder.intervals, Modes))


@dataclass(frozen=True)
class _Cells:
    """The cells of a column that settles others, as they were drawn.

    Attributes
    ----------
    rules
        What it settles.
    wanted
        (m, n) the code that each row has of each of their dependents.
    codes, residuals, values
        (n,) the cells, and what they were decoded to, which is changed in place.
    """

    rules: Sequence[Rule]
    wanted: np.ndarray
    codes: np.ndarray
    residuals: np.ndarray
    values: Values
    rng: np.random.Generator

    def choose(self, encoder: ColumnEncoder, free: np.ndarray) -> None:
        """Draw again those of the ``free`` (n,) cells whose code leaves a choice."""
        if isinstance(encoder, CategoryEncoder):
            if len(encoder.pool) and encoder.settings.rare_categories != "hide":
                self._choose_level(encoder, np.flatnonzero(free & encoder.is_pooled(self.codes)))
        elif isinstance(encoder, NumericEncoder):
            rows = np.flatnonzero(free & encoder.column.interval[self.codes] & ~self.values.missing)
            amiss, unknown = self._unfit(rows)
            rows, amiss = rows[amiss | unknown], amiss[amiss | unknown]
            exact = next((rule for rule in self.rules if rule.part is None and not rule.banded), None)
            if exact is not None:
                self._choose_number(encoder, exact, rows, amiss)
            elif all(rule.banded for rule in self.rules):
                self._try_again(encoder, rows)
            else:
                self._choose_date(encoder, rows)

    def _unfit(self, rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(r,) bool: whether a value settles what its row does not say, and whether it may settle nothing that is known."""
        amiss, unknown = np.zeros((2, len(rows)), bool)
        for rule, code in zip(self.rules, self.wanted[:, rows], strict=True):
            level = rule.places(self.values.take(rows))
            amiss |= (level >= 0) & (rule.codes[level] != code)
            unknown |= level < 0
        return amiss, unknown

    def _choose_level(self, encoder: CategoryEncoder, rows: np.ndarray) -> None:
        """A pooled level, by its frequency among those of its pool that fit; where none does, among all that do."""
        order = np.argsort(encoder.pool_of, kind="stable")
        levels = encoder.pool[order]
        offered = np.stack([rule.codes[levels] for rule in self.rules])
        ends = np.append(0, np.cumsum(np.bincount(encoder.pool_of, minlength=encoder.pools)))
        own = self.codes[rows] - encoder.pool_code
        chosen = self._fitting(
            offered, encoder.counts[levels], rows, ends[own], ends[own + 1], partly=np.zeros(len(rows), bool)
        )
        left = np.flatnonzero(chosen < 0)
        anywhere = np.zeros(len(left), np.int64), np.full(len(left), len(levels))
        chosen[left] = self._fitting(offered, encoder.counts[levels], rows[left], *anywhere)
        assert self.values.codes is not None
        self.values.codes[rows[chosen >= 0]] = levels[chosen[chosen >= 0]]

    def _choose_number(self, encoder: NumericEncoder, exact: Rule, rows: np.ndarray, amiss: np.ndarray) -> None:
        """One of the bin's levels, by its frequency."""
        assert exact.levels is not None and exact.counts is not None and self.values.numbers is not None
        enough = exact.counts >= encoder.settings.rare_rows  # what fewer rows have is not given out
        levels = exact.levels[enough]
        first, last = _reach(encoder, self.codes[rows], self.residuals[rows])
        low, beyond = np.searchsorted(levels, first), np.searchsorted(levels, last, side="right")
        offered = np.stack([_settled(rule, levels) for rule in self.rules])
        # a number that is no level breaks no rule: better that than a level which fits in part
        chosen = self._fitting(offered, exact.counts[enough], rows, low, beyond, partly=amiss)
        self.values.numbers[rows[chosen >= 0]] = levels[chosen[chosen >= 0]]

    def _choose_date(self, encoder: NumericEncoder, rows: np.ndarray) -> None:
        """A day (or hour) of the bin, at the same time of it."""
        finest = min((rule.part for rule in self.rules if rule.part is not None), key=lambda part: part.width)
        spans = Spans.of(encoder, finest)
        if spans is None:
            return
        offered = np.stack([_settled(rule, spans.starts) for rule in self.rules])
        seen = np.all(offered >= 0, axis=0).astype(np.int64)  # an hour at which nothing was ever sold is none
        low, last = (spans.place(end) for end in _reach(encoder, self.codes[rows], self.residuals[rows]))
        chosen = self._fitting(offered, seen, rows, low, last + 1)
        rows, chosen = rows[chosen >= 0], chosen[chosen >= 0]
        assert self.values.numbers is not None
        moved = spans.starts[chosen] + self.values.numbers[rows] % spans.width
        self.values.numbers[rows] = np.clip(moved, encoder.low, encoder.high)

    def _try_again(self, encoder: NumericEncoder, rows: np.ndarray) -> None:
        """Any number of the bin, or near it in its mode, until it lies in the stretches that the row speaks of."""
        assert self.values.numbers is not None
        for _ in range(TRIES):
            low, high = _residuals_near(encoder, self.residuals[rows])
            residuals = low + (high - low) * self.rng.random(len(rows))
            drawn = encoder.decode(self.codes[rows], residuals, self.rng).numbers
            assert drawn is not None
            settled = np.stack([_settled(rule, drawn) for rule in self.rules])
            fits = np.all(settled == self.wanted[:, rows], axis=0)
            self.values.numbers[rows[fits]] = drawn[fits]
            rows = rows[~fits]

    def _fitting(
        self,
        offered: np.ndarray,
        weights: np.ndarray,
        rows: np.ndarray,
        low: np.ndarray,
        beyond: np.ndarray,
        *,
        partly: np.ndarray | None = None,
    ) -> np.ndarray:
        """Return (r,) which of L values each row gets, drawn by their ``weights`` (L,) among those that settle what it says.

        Parameters
        ----------
        offered
            (m, L) the codes of the dependents that a value settles.
        low, beyond
            (r,) the first value that may stand in a row, and the first after it that may not.
        partly
            (r,) bool: rows for which, where no value settles all that they say, the dependent of the most codes is let go, or
            another one, then all but those of the fewest; all of them when left out.

        Where nothing fits it is −1.
        """
        found, left = np.full(len(rows), -1), np.arange(len(rows))
        finest_first = sorted(range(len(offered)), key=lambda i: -len(np.unique(offered[i])))
        for kept in _subsets(finest_first):
            keys, asked = _keys(offered[kept], self.wanted[kept][:, rows[left]])
            order = np.argsort(keys, kind="stable")
            ranks, running = keys[order] * len(keys) + order, np.append(0, np.cumsum(weights[order]))
            first = np.searchsorted(ranks, asked * len(keys) + low[left])
            last = np.searchsorted(ranks, asked * len(keys) + beyond[left])
            whole = running[np.maximum(last, first)] - running[first]
            some = whole > 0
            share = running[first[some]] + self.rng.random(int(some.sum())) * whole[some]
            found[left[some]] = order[np.searchsorted(running, share, side="right") - 1]
            left = left[~some & (True if partly is None else partly[left])]
            if not len(left):
                break
        return found


def _subsets(parts: list[int]) -> Iterator[list[int]]:
    """All, all but one, then ever fewer of the last.

    >>> list(_subsets([2, 0, 1]))
    [[2, 0, 1], [0, 1], [2, 1], [2, 0], [1]]
    """
    yield parts
    if len(parts) > 1:
        yield from ([part for part in parts if part != one] for one in parts)
    yield from (parts[first:] for first in range(2, len(parts)))


def _keys(offered: np.ndarray, wanted: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(L,) and (n,) whole numbers, alike where all codes of a column are: of (m, L) and (m, n)."""
    both = np.concatenate([offered, wanted], axis=1).astype(np.int64) + 1
    keys = both[0]
    for codes in both[1:]:
        keys = np.unique(keys * (codes.max(initial=0) + 1) + codes, return_inverse=True)[1]
    return keys[: offered.shape[1]], keys[offered.shape[1] :]
