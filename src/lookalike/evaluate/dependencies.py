"""What columns settle about another: a city lies in one state, a date has one weekday, an article and a size have one price.

Where every real row agrees on such a rule, a row that breaks it is impossible, however rare its cells are not. Trees see
that too, but do not say which rule it was.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Any

import numpy as np

from lookalike import stats
from lookalike.dependence import MOST_BANDS, MOST_LEVELS, Bands, repeats, settled, surprising
from lookalike.evaluate import confidence
from lookalike.evaluate.prepare import Codes, Column, Side, count_rows, pick
from lookalike.joint import crossed, find_together, settled_together
from lookalike.rng import generator
from lookalike.schema.parts import Part, parts_of
from lookalike.stats import hold_out

REAL_ROWS = 100_000
"""Real rows in which rules are looked for, and rows that are held against them, at most; a rule that holds in so many is
then confirmed on all of them."""
SHOWN = 50


@dataclass(frozen=True)
class Levels:
    """One column, a part of its dates, stretches of its axis, whether its cells are missing, or several columns ``together``, as levels:
    ``codes`` (n,) int64 a side in [0, size), missing being a level of its own."""

    name: str
    size: int
    codes: dict[str, np.ndarray]
    part: Part | None = None
    gaps: bool = False
    banded: bool = False
    together: tuple[Levels, ...] = ()

    @property
    def names(self) -> list[str]:
        return [level.name for level in self.together or (self,)]


@dataclass(frozen=True)
class Rule:
    """``settles[side][a]`` is the level of the dependent column that every row with level a is to have; −1 where that is open.

    It is what every real row with that level has; of a key, which is new in every table, what the first row of it has.
    """

    determinant: Levels
    dependent: Levels
    settles: Mapping[str, np.ndarray]

    def known(self, side: str) -> int:
        """Rows of a side that may break the rule."""
        return int((self.settles[side][self.determinant.codes[side]] >= 0).sum())

    def broken(self, side: str) -> np.ndarray:
        """Which rows of a side break the rule: (n,) bool."""
        due = self.settles[side][self.determinant.codes[side]]
        return np.asarray((due >= 0) & (due != self.dependent.codes[side]))


def dependencies(
    columns: list[Column], sides: list[str], seed: int, keys: Mapping[str, Codes] = MappingProxyType({})
) -> dict[str, Any]:
    """Rules that hold in every real row, and the share of rows that break them.

    ``sides`` are the tables besides the real one, ``keys`` those of several rows each, as
    :func:`~lookalike.evaluate.prepare.shared_keys` gives them. Returns {broken, fresh, excess, excess_interval, rules, rows, pairs}: ``broken`` is the
    share of synthetic rows that break any rule, in [0, 1], ``fresh`` that of holdout rows (None without one), ``excess`` how much more that is than in the holdout, with its 95 % interval (Newcombe), ``rules``
    how many were found, ``rows`` the synthetic rows looked at, ``pairs`` [{columns: [determinants …, dependent], part, gaps, levels,
    rows, broken, fresh}] worst first, at most 50: how many levels the rule covers, the rows of a known level, and the shares
    of them that break it. Where nothing depends on anything there is nothing to break, and both shares are 0.

    A rule is an exact functional dependency between labels, or numbers and dates of at most 5,000 values; also between a part of a
    date (year, month, weekday, hour, day …) and another column, named {part: "weekday"} (None otherwise), or between stretches of
    a number's axis and another, as an income settles its bracket ({part: "range"}); or between two or three columns together and another
    that none of them settles alone, in those of their combinations in which all real rows agree (:mod:`lookalike.joint`). A column that does not settle another may yet settle whether its cells are missing ({gaps: True}). A rule is counted only where it is no matter of
    course: levels that stand in one real row say nothing, half of the rows must have a level that repeats, the dependent column
    must vary, and chance would have broken it in at least 20 rows: a row whose level repeats is expected to differ from another
    of its level as often as two rows at random do, 1 − Σ p². A level that the real table does not hold cannot break a rule. Two columns that settle each other are two rules. Keys are new in every table: a
    row breaks what a key settles (a customer's town) where it differs from the first row of its key.

    Source: functional dependencies as in Codd, 1970; the limit of one row in a thousand is ours.
    """
    nothing: dict[str, Any] = {
        "broken": 0.0,
        "fresh": 0.0 if "holdout" in sides else None,
        "excess": 0.0,
        "excess_interval": [0.0, 0.0],
        "rules": 0,
        "pairs": [],
    }
    coarsest = min(keys.values(), key=lambda codes: int(codes["real"].max(initial=0)), default=None)
    picks = {
        side: _pick(count_rows(columns, side), None if coarsest is None else coarsest[side], seed, side)
        for side in ("real", *sides)
    }
    levels = [level for column in columns if (level := _levels(column, picks)) is not None]
    gaps = [_gaps(column, picks) for column in columns if 0 < column.sides["real"].missing.mean() < 1]
    found = _rules(columns, picks, levels, gaps)
    found += _rules_together(levels)
    shared = [_key(name, codes, picks) for name, codes in keys.items()]
    found = [rule for rule in found if not any(_only_repeated(rule, key) for key in shared)]
    found += [
        rule for key in shared for rule in _rules_of_key(key, [*levels, *(one for one in shared if one is not key)])
    ]
    if len(picks["real"]) < count_rows(columns, "real"):
        whole = _Whole(columns, keys)
        found = [held for rule in found if (held := whole.held(rule, picks["real"])) is not None]
    rows = len(picks["synthetic"])
    if not found or rows == 0:
        return {**nothing, "rows": rows}
    entries = [_entry(rule, sides) for rule in found]
    entries.sort(key=lambda entry: (-entry["broken"], entry["columns"]))
    broken, kept = _any_broken(found, "synthetic"), len(picks["holdout"]) if "holdout" in picks else 0
    fresh = _any_broken(found, "holdout") if kept else 0.0
    hits = round(broken * rows)
    interval = (
        confidence.difference_interval(hits, rows, round(fresh * kept), kept)
        if kept
        else confidence.wilson_interval(hits, rows)
    )
    return {
        "broken": broken,
        "fresh": fresh if kept else None,
        "excess": broken - fresh,
        "excess_interval": list(interval),
        "rules": len(found),
        "rows": rows,
        "pairs": entries[:SHOWN],
    }


def _pick(rows: int, keys: np.ndarray | None, seed: int, side: str) -> np.ndarray:
    """Positions of the rows to look at: where some share ``keys`` (n,), all rows of some keys."""
    if rows <= REAL_ROWS or keys is None:
        return pick(rows, REAL_ROWS, seed, "dependencies", side)
    return hold_out(rows, REAL_ROWS, generator(seed, "evaluate", "dependencies", side), keys)[1]


def _any_broken(rules: list[Rule], side: str) -> float:
    broken = rules[0].broken(side)
    for rule in rules[1:]:
        broken |= rule.broken(side)
    return float(broken.mean()) if len(broken) else math.nan


def _entry(rule: Rule, sides: list[str]) -> dict[str, Any]:
    shares = {}
    for side in sides:
        known = rule.known(side)
        shares[side] = float(rule.broken(side).sum()) / known if known else 0.0
    return {
        "columns": [*rule.determinant.names, rule.dependent.name],
        "part": "range"
        if rule.determinant.banded
        else None
        if rule.determinant.part is None
        else rule.determinant.part.name,
        "gaps": rule.dependent.gaps,
        "levels": int((rule.settles["real"] >= 0).sum()),
        "rows": rule.known("synthetic"),
        "broken": shares["synthetic"],
        "fresh": shares.get("holdout"),
    }


# ----------------------------------------------------------------------------------------------------------- columns


def _levels(column: Column, picks: dict[str, np.ndarray], part: Part | None = None) -> Levels | None:
    """The picked rows as levels; None where they are too many, or only one."""
    if not column.numeric:
        if len(np.unique(column.sides["real"].codes[picks["real"]])) - 1 not in range(1, MOST_LEVELS):
            return None
        return Levels(column.name, column.size, {name: column.sides[name].codes[rows] for name, rows in picks.items()})
    sides = {
        name: (_read(column.sides[name], part)[rows], column.sides[name].missing[rows]) for name, rows in picks.items()
    }
    numbers, missing = sides["real"]
    values = np.unique(numbers[~missing])
    if not 1 < len(values) + bool(missing.any()) <= MOST_LEVELS:
        return None
    # what the real table does not hold shares one level, and missing has the last
    codes = {}
    for name, (numbers, missing) in sides.items():
        place = stats.places_among(numbers, values)
        codes[name] = np.where(missing, len(values) + 1, np.where(place >= 0, place, len(values)))
    return Levels(column.name, len(values) + 2, codes, part)


def _parts(column: Column, picks: dict[str, np.ndarray]) -> Iterator[Levels]:
    """The parts of a column's dates as levels, those of few values first."""
    for part in parts_of(column.spec):
        if (levels := _levels(column, picks, part)) is not None:
            yield levels


def _stretches(column: Column, ends: np.ndarray, picks: dict[str, np.ndarray]) -> Levels:
    """Which stretch of the axis, between (2 L,) ``ends``, each picked number lies in; L where in none, L + 1 where it is missing."""
    count, codes = len(ends) // 2, {}
    for name, rows in picks.items():
        numbers, missing = _read(column.sides[name], None)[rows], column.sides[name].missing[rows]
        place = np.searchsorted(ends[1::2], numbers)
        inside = (place < count) & (ends[::2][np.minimum(place, count - 1)] <= numbers)
        codes[name] = np.where(missing, count + 1, np.where(inside, place, count))
    return Levels(column.name, count + 2, codes, banded=True)


def _gaps(column: Column, picks: dict[str, np.ndarray]) -> Levels:
    """Whether the picked cells are missing: 1, or 0."""
    missing = {name: column.sides[name].missing[rows].astype(np.int64) for name, rows in picks.items()}
    return Levels(column.name, 2, missing, gaps=True)


def _together(levels: tuple[Levels, ...]) -> Levels:
    """Combinations of columns that real rows have, in order; what they do not have shares the last code."""
    codes = {side: crossed([(level.codes[side], level.size) for level in levels]) for side in levels[0].codes}
    known = np.unique(codes["real"])
    for side, rows in codes.items():
        place = stats.places_among(rows, known)
        codes[side] = np.where(place >= 0, place, len(known))
    return Levels(" and ".join(level.name for level in levels), len(known) + 1, codes, together=levels)


def _key(name: str, codes: Codes, picks: dict[str, np.ndarray]) -> Levels:
    """A key's picked rows as levels: 0 where a row has none."""
    picked = {side: codes[side][rows] for side, rows in picks.items()}
    return Levels(name, max(int(one.max(initial=0)) for one in picked.values()) + 1, picked)


def _read(side: Side, part: Part | None) -> np.ndarray:
    return side.as_numbers if part is None else part(side.as_numbers)


# -------------------------------------------------------------------------------------------------------------- rules


def _rules(columns: list[Column], picks: dict[str, np.ndarray], levels: list[Levels], gaps: list[Levels]) -> list[Rule]:
    """What a column, first a part of its dates, at last stretches of its axis, settles: others, or where they have gaps."""
    whole = {level.name: level for level in levels}
    counts = [(level, np.bincount(level.codes["real"], minlength=level.size)) for level in (*levels, *gaps)]
    few = [np.count_nonzero(theirs) <= MOST_BANDS for _, theirs in counts]
    banded = Bands({place: counts[place][0].codes["real"] for place in np.flatnonzero(few).tolist()})
    found: dict[tuple[str, str], Rule] = {}
    for column in columns:
        name = column.name
        for determinant in [*_parts(column, picks), *(whole[one] for one in (name,) if one in whole)]:
            mine = np.bincount(determinant.codes["real"], minlength=determinant.size)
            if not repeats(mine):
                continue
            for dependent, theirs in counts:
                if dependent.name == name or (name, dependent.name) in found:
                    continue
                settles = settled(determinant.codes["real"], dependent.codes["real"], determinant.size)
                if settles is not None and surprising(mine, theirs):
                    settles[mine < 2] = -1
                    found[name, dependent.name] = Rule(determinant, dependent, dict.fromkeys(dependent.codes, settles))
        if not column.numeric:
            continue
        side, rows = column.sides["real"], picks["real"]
        for place, ends, codes in banded.along(_read(side, None)[rows], ~side.missing[rows]):
            dependent = counts[place][0]
            if dependent.name != name and (name, dependent.name) not in found:
                due = dict.fromkeys(dependent.codes, np.append(codes[::2], [-1, -1]))
                found[name, dependent.name] = Rule(_stretches(column, ends, picks), dependent, due)
    return list(found.values())


def _rules_together(levels: list[Levels]) -> list[Rule]:
    """What two or three columns settle together that none of them settles alone."""
    named = {level.name: level for level in levels}
    real = {name: level.codes["real"] for name, level in named.items()}
    found = []
    for together, dependent, _, settles in find_together(real):
        determinant, due = _together(tuple(named[name] for name in together)), np.append(settles, -1)
        found.append(Rule(determinant, named[dependent], dict.fromkeys(determinant.codes, due)))
    return found


def _rules_of_key(key: Levels, levels: list[Levels]) -> list[Rule]:
    """What a key settles in the real rows that have it, and what the first row of it has in each table."""
    rows = np.flatnonzero(key.codes["real"])
    mine = np.bincount(key.codes["real"][rows], minlength=key.size)
    if not repeats(mine):
        return []
    return [
        Rule(
            key,
            dependent,
            {side: _of_first_rows(codes, dependent.codes[side], key.size) for side, codes in key.codes.items()},
        )
        for dependent in levels
        if settled(key.codes["real"][rows], dependent.codes["real"][rows], key.size) is not None
        and surprising(mine, np.bincount(dependent.codes["real"]))
    ]


def _only_repeated(rule: Rule, key: Levels) -> bool:
    """Whether a rule is one by rows that a key repeats: an order's lines have one moment and one buyer, which tells nothing of moments. Of each
    key one row is counted, where it settles both sides."""
    places, mine, theirs = (level.codes["real"] for level in (key, rule.determinant, rule.dependent))
    rows = np.flatnonzero(places)
    if rule.determinant.banded or any(settled(places[rows], codes[rows], key.size) is None for codes in (mine, theirs)):
        return False
    once = np.append(rows[np.unique(places[rows], return_index=True)[1]], np.flatnonzero(places == 0))
    counts = np.bincount(mine[once])
    return not (repeats(counts) and surprising(counts, np.bincount(theirs[once])))


def _of_first_rows(keys: np.ndarray, dependent: np.ndarray, size: int) -> np.ndarray:
    """(size,) the level that the first row of each key has; −1 for keys of one row, and for none."""
    found = np.full(size, -1)
    found[keys[::-1]] = dependent[::-1]
    found[np.bincount(keys, minlength=size) < 2] = -1
    found[0] = -1
    return found


class _Whole:
    """All rows of the real table, held against rules that were found in some of them; each column is read once."""

    def __init__(self, columns: list[Column], keys: Mapping[str, Codes]) -> None:
        self._columns, self._keys = {column.name: column for column in columns}, keys
        self._rows = {"real": np.arange(count_rows(columns, "real"))}
        self._seen: dict[tuple[str, bool, str | None], Levels | None] = {}

    def held(self, rule: Rule, picked: np.ndarray) -> Rule | None:
        """The rule as far as rows that were not ``picked`` (p,) keep it as well; None where they do not."""
        if rule.determinant.together:
            return self._held_together(rule, picked)
        return rule if self._holds(rule) else None

    def _held_together(self, rule: Rule, picked: np.ndarray) -> Rule | None:
        """As :meth:`held`, but for those combinations in which other rows say otherwise."""
        levels = [self._levels(one) for one in (*rule.determinant.together, rule.dependent)]
        codes = [level.codes["real"] for level in levels if level is not None]
        found = settled_together(codes[:-1], codes[-1]) if len(codes) == len(levels) else None
        if found is None:
            return None
        rows, settles = found
        due = rule.settles["real"].copy()
        due[rule.determinant.codes["real"][settles[rows[picked]] < 0]] = -1
        return replace(rule, settles=dict.fromkeys(rule.settles, due))

    def _holds(self, rule: Rule) -> bool:
        """Whether all rows keep the rule."""
        dependent = self._levels(rule.dependent)
        if dependent is None:
            return False
        if rule.determinant.banded:  # a number of more values than a label may have, too
            side = self._columns[rule.determinant.name].sides["real"]
            return any(Bands({0: dependent.codes["real"]}).along(_read(side, None), ~side.missing))
        determinant = self._levels(rule.determinant)
        if determinant is None:
            return False
        codes = determinant.codes["real"]
        rows = np.flatnonzero(codes) if determinant.name in self._keys else slice(None)
        return settled(codes[rows], dependent.codes["real"][rows], determinant.size) is not None

    def _levels(self, side: Levels) -> Levels | None:
        """All rows as levels, as ``side`` has some of them; None where they are too many."""
        name = side.name
        asked = name, side.gaps, None if side.part is None else side.part.name
        if asked not in self._seen:
            self._seen[asked] = (
                _key(name, self._keys[name], self._rows)
                if name in self._keys
                else _gaps(self._columns[name], self._rows)
                if side.gaps
                else _levels(self._columns[name], self._rows, side.part)
            )
        return self._seen[asked]
