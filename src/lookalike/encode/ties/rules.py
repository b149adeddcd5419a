"""What one column settles about another: a city lies in one state, a store's number in one town, a date on one day of the week.

Such rules are found here, and kept by construction, not learned (:mod:`lookalike.encode.ties.settle`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import blake2b
from typing import Any

import numpy as np
import pyarrow as pa

from lookalike.dependence import MOST_BANDS, MOST_LEVELS, Bands, repeats, settled, surprising
from lookalike.encode.base import ColumnEncoder
from lookalike.encode.category import CategoryEncoder
from lookalike.encode.numeric import NumericEncoder
from lookalike.schema import Values
from lookalike.schema.identity import MANY_IDENTITIES
from lookalike.schema.parts import Part, parts_of
from lookalike.schema.values import places_in

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
        (L,) sorted: the determinant's values where it is a number, or those of the part of it that settles; None where it is a
        label, whose levels its encoder counts.
    counts
        (L,) rows of each level of a number, 0 where levels are ends of stretches that settle the same throughout; None of a label.
    part
        Which part of a date it is that settles; None where it is the value itself.
    """

    determinant: str
    dependent: str
    codes: np.ndarray
    values: Values
    levels: np.ndarray | None = None
    counts: np.ndarray | None = None
    part: Part | None = None

    @property
    def determinants(self) -> tuple[str, ...]:
        return (self.determinant,)

    @property
    def banded(self) -> bool:
        """Whether it is stretches of an axis that settle, as incomes do their bracket."""
        return self.counts is not None and not self.counts.any()

    def places(self, values: Values) -> np.ndarray:
        """Return (n,) a level that settles the same as each value of the determinant does, −1 where none is known to.

        What lies between two levels that settle the same settles that, too.
        """
        if self.levels is None:
            assert values.codes is not None
            level = values.codes
        else:
            level = self._beside(values.as_numbers if self.part is None else self.part(values.as_numbers))
        return np.where(values.missing | (level < 0) | (self.codes[level] < 0), -1, level)

    def possible(self, values: Values) -> tuple[np.ndarray, np.ndarray]:
        """Return two levels (n,) each, of which each value settles the same as one: twice that of :meth:`places`, or, where stretches of an
        axis settle, those on either side of a value that lies between two."""
        level = self.places(values)
        if not self.banded:
            return level, level
        assert self.levels is not None
        above, between = np.searchsorted(self.levels, values.as_numbers), (level < 0) & ~values.missing
        below, above = np.maximum(above - 1, 0), np.minimum(above, len(self.levels) - 1)
        return np.where(between, below, level), np.where(between, above, level)

    def codes_beside(self, numbers: np.ndarray) -> np.ndarray:
        """Return (n,) int32: the dependent's code beside each number of the determinant; −1 where it is not known."""
        level = self.places(Values(np.zeros(len(numbers), bool), numbers=numbers))
        return np.where(level >= 0, self.codes[level], -1)

    def _beside(self, numbers: np.ndarray) -> np.ndarray:
        assert self.levels is not None
        above = np.searchsorted(self.levels, numbers)
        level = np.minimum(above, len(self.levels) - 1)
        return np.where((self.levels[level] == numbers) | self._as_before[above], level, -1)

    @cached_property
    def _as_before(self) -> np.ndarray:
        """(L + 1,) bool: whether a level settles what the one before it does; False for the first, and beyond the last."""
        values = self.values
        alike = values.missing[1:] == values.missing[:-1]
        for part in (self.codes, values.numbers, values.codes):
            if part is not None:
                alike &= part[1:] == part[:-1]
        return np.concatenate([[False], alike, [False]])


@dataclass(frozen=True)
class Levels:
    """A column as levels: ``places`` (n,) from 1, 0 for missing; of a number, or a part of a date, the ``distinct`` values."""

    places: np.ndarray
    distinct: np.ndarray | None = None
    part: Part | None = None

    @cached_property
    def counts(self) -> np.ndarray:
        return np.bincount(self.places)

    @cached_property
    def held(self) -> int:
        return np.count_nonzero(self.counts)


def find_rules(
    encoders: Mapping[str, ColumnEncoder],
    columns: Mapping[str, Values],
    telling: Collection[str] = (),
    determinants: Collection[str] | None = None,
) -> list[Rule]:
    """Return the rules that all rows keep, such that applying them one after the other keeps them all.

    Columns that settle each other are settled by the first among them (a label, if there is one, else a date), which alone is then
    compared with others. What a part of a date settles the whole of it is not asked for. The finest determinants come first: what
    they settle may settle more. Columns ``telling`` whose rows they are settle nothing: a rule would hold what each real one is. Where
    ``determinants`` are given, those alone settle others.
    """
    asking = [name for name in columns if determinants is None or name in determinants]
    levels = {name: levels_of(values) for name, values in columns.items() if few(values)}
    alike: dict[bytes, str] = {}  # how columns part the rows, and the first of all that part them so
    first = {name: name for name in columns}
    for name in sorted(levels, key=lambda name: (name not in asking, _standing(encoders[name]))):
        first[name] = alike.setdefault(_parting(levels[name].places), name)
    ways_of = {
        name: ways
        for name in asking
        if first[name] == name
        and (
            ways := [
                way
                for way in _ways(encoders[name], columns[name], levels.get(name))
                if name not in telling or _tells_little(way)
            ]
        )
    }
    banded = Bands({name: level.places for name, level in levels.items() if level.held <= MOST_BANDS})
    rules: list[Rule] = []
    for determinant in [name for name in asking if first[name] == name][:MOST_DETERMINANTS]:
        asked = [
            name
            for name in levels
            if name != determinant and (first[name] in (name, determinant) or first[name] not in ways_of)
        ]
        for mine in ways_of.get(determinant, []):
            for dependent in list(asked):
                theirs = levels[dependent]
                if mine.held < theirs.held:
                    continue
                found = settled(mine.places, theirs.places, len(mine.counts))
                if found is not None and surprising(mine.counts, theirs.counts):
                    first_side, second_side = ((encoders[name], columns[name]) for name in (determinant, dependent))
                    rules.append(_rule(first_side, second_side, mine, theirs.distinct, found))
                    asked.remove(dependent)
        rules += _bands(determinant, asked, encoders, columns, levels, banded)
    return sorted(rules, key=lambda rule: -len(rule.codes))


def _bands(
    determinant: str,
    asked: Sequence[str],
    encoders: Mapping[str, ColumnEncoder],
    columns: Mapping[str, Values],
    levels: Mapping[str, Levels],
    banded: Bands,
) -> Iterator[Rule]:
    """What stretches of a number's axis settle."""
    encoder, values = encoders[determinant], columns[determinant]
    if not isinstance(encoder, NumericEncoder):
        return
    for dependent, ends, codes in banded.along(values.as_numbers, ~values.missing):
        if dependent in asked:
            nowhere = Levels(np.zeros(1, np.int64), ends)
            theirs = encoders[dependent], columns[dependent]
            yield _rule((encoder, values), theirs, nowhere, levels[dependent].distinct, np.append(-1, codes))


def _standing(encoder: ColumnEncoder) -> int:
    return 0 if isinstance(encoder, CategoryEncoder) else 1 if encoder.spec.kind == "datetime" else 2


def _ways(encoder: ColumnEncoder, values: Values, levels: Levels | None) -> Iterator[Levels]:
    """What of a column may settle others: parts of a date, and the value itself."""
    if not isinstance(encoder, (CategoryEncoder, NumericEncoder)):
        return
    for part in parts_of(encoder.spec):
        own = _placed(part(values.as_numbers), values.missing, part)
        if repeats(own.counts) and own.held <= MOST_LEVELS:
            yield own
    if levels is not None and repeats(levels.counts):
        yield levels


def _tells_little(way: Levels) -> bool:
    """Whether it is no more of what tells whose rows they are than the weekday of a date of birth is."""
    return way.held < MANY_IDENTITIES


def _parting(codes: np.ndarray) -> bytes:
    """The same for two columns that settle each other: which row is the first of the level that a row has."""
    first: np.ndarray = np.zeros(int(codes.max(initial=0)) + 1, np.int64)
    first[codes[::-1]] = np.arange(len(codes))[::-1]  # what is written last stays
    return blake2b(first[codes].tobytes(), digest_size=16).digest()


def few(values: Values) -> bool:
    """Whether a column is of labels, or of a number of so few values that it may be one."""
    if values.numbers is None:
        return True
    parts = values.numbers[: 4 * MOST_LEVELS], values.numbers  # most amounts are told by their first rows
    return all(len(np.unique(part)) <= MOST_LEVELS for part in parts)


def levels_of(values: Values) -> Levels:
    """The column's values, or labels in the order in which they were parsed, as levels."""
    if values.codes is not None:
        return Levels(values.codes.astype(np.int64) + 1)
    return _placed(values.as_numbers, values.missing)


def _placed(numbers: np.ndarray, missing: np.ndarray, part: Part | None = None) -> Levels:
    if numbers.dtype.kind == "f":
        distinct, places = np.unique(numbers, return_inverse=True)
    else:  # whole numbers of few values are looked up in a tenth of the time that sorting takes
        coded = pa.array(numbers).dictionary_encode()
        distinct, rank = np.unique(coded.dictionary.to_numpy(), return_inverse=True)
        places = rank[coded.indices.to_numpy()]
    return Levels(np.where(missing, 0, places + 1), distinct, part)


def _rule(
    determinant: tuple[ColumnEncoder, Values],
    dependent: tuple[ColumnEncoder, Values],
    mine: Levels,
    numbers: np.ndarray | None,
    found: np.ndarray,
) -> Rule:
    """The rule over the levels that the determinant's encoder knows. ``found`` counts levels from 1, missing being 0; ``numbers``
    are the dependent's distinct ones."""
    (first, first_values), (second, second_values) = determinant, dependent
    size = len(mine.distinct) if mine.distinct is not None else len(first_values.levels or ())
    settles = np.append(found, np.full(size, -1))[1 : size + 1]
    if mine.distinct is None:
        assert first_values.levels is not None and isinstance(first, CategoryEncoder)
        settles = settles[places_in(first_values.levels, first.levels)]
    values, codes = beside(second, second_values, numbers, settles)
    counts = None if mine.distinct is None else np.append(mine.counts, np.zeros(size))[1 : size + 1].astype(np.int64)
    return Rule(first.spec.name, second.spec.name, codes, values, mine.distinct, counts, mine.part)


def beside(
    encoder: ColumnEncoder, values: Values, numbers: np.ndarray | None, settles: np.ndarray
) -> tuple[Values, np.ndarray]:
    """Return (L,) values and (L,) int32 codes of a dependent, of which ``settles`` (L,) counts the levels in ``values`` from 1, missing
    being 0; −1 where nothing is settled. ``numbers`` are its distinct ones."""
    missing, place = settles == 0, np.maximum(settles - 1, 0)
    if numbers is not None:
        found = Values(missing, numbers=np.where(missing | (settles < 0), numbers.dtype.type(0), numbers[place]))
    else:
        assert values.levels is not None and isinstance(encoder, CategoryEncoder)
        known = places_in(encoder.levels, values.levels)
        labels = np.where(settles > 0, known[place], -1).astype(np.int32)
        found = Values(missing, codes=labels, levels=encoder.levels)
    seen, codes = np.flatnonzero(settles >= 0), np.full(len(settles), -1, np.int32)
    _, first, again = np.unique(settles[seen], return_index=True, return_inverse=True)
    # the same code for the same value: where modes overlap one is drawn for every cell
    codes[seen] = encoder.encode(found.take(seen[first]), np.random.default_rng(0))[0][again]
    return found, codes


def values_state(values: Values) -> dict[str, Any]:
    """Values as JSON."""
    return {
        "missing": values.missing.tolist(),
        "numbers": None if values.numbers is None else values.numbers.tolist(),
        "labels": None if values.codes is None else values.codes.tolist(),
    }


def values_from(state: Mapping[str, Any], encoder: ColumnEncoder) -> Values:
    """What :func:`values_state` gave, of a column of this encoder."""
    missing = np.asarray(state["missing"], bool)
    if isinstance(encoder, CategoryEncoder):
        return Values(missing, codes=np.asarray(state["labels"], np.int32), levels=encoder.levels)
    assert isinstance(encoder, NumericEncoder)
    return Values(missing, numbers=np.asarray(state["numbers"], encoder.dtype))


def rules_state(rules: Sequence[Rule]) -> list[dict[str, Any]]:
    """The rules as JSON."""
    return [
        {
            "determinant": rule.determinant,
            "dependent": rule.dependent,
            "part": None if rule.part is None else rule.part.name,
            "levels": None if rule.levels is None else rule.levels.tolist(),
            "counts": None if rule.counts is None else rule.counts.tolist(),
            "codes": rule.codes.tolist(),
            **values_state(rule.values),
        }
        for rule in rules
    ]


def rules_from(state: list[dict[str, Any]], encoders: Mapping[str, ColumnEncoder]) -> list[Rule]:
    """What :func:`rules_state` gave."""
    found = []
    for one in state:
        values = values_from(one, encoders[one["dependent"]])
        first = encoders[one["determinant"]]
        part = None if one["part"] is None else Part.of(first.spec, one["part"])
        levels, counts = one["levels"], one["counts"]
        if levels is not None:
            assert isinstance(first, NumericEncoder)
            levels = np.asarray(levels, first.dtype if part is None else np.int64)
            counts = np.asarray(counts, np.int64)
        codes = np.asarray(one["codes"], np.int32)
        found.append(Rule(one["determinant"], one["dependent"], codes, values, levels, counts, part))
    return found
