"""Rows that share a key agree on what is the key's: a customer has one name and one town in all of their orders.

Keys are not modelled, so nothing ties the rows of one to each other. Here rows that are alike are given to one key, and what a key
settles is made the same in all its rows.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import pyarrow as pa

from lookalike.dependence import by_chance, in_order, repeats, settled, surprising
from lookalike.encode.stream import KeyStream
from lookalike.encode.ties.apart import exchanged
from lookalike.encode.ties.joint import JointRule
from lookalike.encode.ties.rules import Rule, levels_of
from lookalike.schema import Values
from lookalike.schema.identity import MANY_IDENTITIES
from lookalike.schema.values import numbered, ranks_of

COUNTED = 20
"""Rows after the first of their keys, at least, for a column to count them."""
TELLING_SHARE = 0.5
"""Values a key, at least, of a column that tells whose rows they are."""
KEYS_A_GROUP = 5
"""Keys that a group of rows has room for on average, at least, for its rows to be kept from keys of another group."""


@dataclass(frozen=True)
class Entity:
    """A key of several rows each, and what it settles.

    Attributes
    ----------
    key
        The key's column.
    holds
        Columns that have one value in all rows of a key, those of few values first.
    made_of
        The finer key that settles it, whose rows stay together: a customer has whole orders. None where it is of single rows.
    alias
        Whether that key is settled by it, too, and so another name of the same thing.
    counts
        Columns that count a key's rows, and where they begin: the lines of an order from 1.
    rises
        Numbers and dates that never fall as the first of these goes on: the days of a patient's visits.
    apart
        Columns that no two rows of a key have the same cell of.
    """

    key: str
    holds: tuple[str, ...]
    made_of: str | None = None
    alias: bool = False
    counts: tuple[tuple[str, int], ...] = ()
    rises: tuple[str, ...] = ()
    apart: tuple[str, ...] = ()

    def state(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Entity:
        counts = tuple((name, int(start)) for name, start in state["counts"])
        named = {name: tuple(state.get(name, ())) for name in ("holds", "rises", "apart")}
        return cls(**{**state, **named, "counts": counts})


def find_telling(keys: Mapping[str, pa.Array], columns: Mapping[str, Values]) -> dict[str, np.ndarray]:
    """Return the columns that tell whose rows they are, as a name does, and one row of each key, with those of none: a key settles them, and at least every
    second one has a value of its own."""
    found: dict[str, np.ndarray] = {}
    shared = [places for places in map(numbered, keys.values()) if repeats(np.bincount(places)[1:])]
    levels = {name: levels_of(values) for name, values in columns.items()} if shared else {}
    for places in shared:
        rows = np.flatnonzero(places)
        mine, size = places[rows], int(places.max()) + 1
        for name, level in levels.items():
            fine = level.held >= max(MANY_IDENTITIES, TELLING_SHARE * (size - 1))
            if fine and settled(mine, level.places[rows], size) is not None:
                found[name] = np.append(rows[np.unique(mine, return_index=True)[1]], np.flatnonzero(places == 0))
    return found


def find_counts(keys: Mapping[str, pa.Array], columns: Mapping[str, Values]) -> dict[str, dict[str, int]]:
    """Return by key the columns that count its rows, and where they begin; each column is whole numbers, all of them there.

    >>> lines = Values(np.zeros(60, bool), numbers=np.tile([1, 2, 3], 20))
    >>> find_counts({"order": pa.array(np.repeat(np.arange(20), 3))}, {"line": lines})
    {'order': {'line': 1}}
    """
    found: dict[str, dict[str, int]] = {}
    for key, cells in keys.items():
        places = numbered(cells)
        rows = np.flatnonzero(places)
        begins = {name: _begins(places[rows], values.take(rows)) for name, values in columns.items()}
        found[key] = {name: start for name, start in begins.items() if start is not None}
    return found


def find_entities(
    keys: Mapping[str, pa.Array],
    columns: Mapping[str, Values],
    counts: Mapping[str, Mapping[str, int]],
    apart: Mapping[str, Sequence[str]],
    rules: Sequence[Rule],
    joints: Sequence[JointRule] = (),
) -> list[Entity]:
    """Return what each of several keys settles in every row, fine keys first; nothing of keys that settle nothing. ``counts`` as in
    :func:`find_counts`; of keys in ``apart`` no two rows have the same cell of some columns.

    A column that another one settles, or that settles another, is held only together with it; one that several settle only together
    with all of them.
    """
    places = {name: numbered(cells) for name, cells in keys.items()}
    shared = [name for name in keys if repeats(np.bincount(places[name])[1:])]
    levels = {name: levels_of(values) for name, values in columns.items()}
    ties: list[Rule | JointRule] = [*rules, *joints]
    tied = {name for rule in ties for name in (*rule.determinants, rule.dependent)}
    found: list[Entity] = []
    for key in sorted(shared, key=lambda name: -places[name].max()):
        rows = np.flatnonzero(places[key])
        mine, size = places[key][rows], int(places[key].max()) + 1
        sizes = np.bincount(mine)
        # in the table's order: that of a set is another one in every process
        holds = [
            name
            for name, level in levels.items()
            if settled(mine, level.places[rows], size) is not None and surprising(sizes, level.counts)
        ]
        while torn := _torn(set(holds), rules, joints):
            holds = [name for name in holds if name not in torn]
        finer = [one.key for one in found if _settles(places[one.key], places[key])]
        made_of = finer[-1] if finer else None
        few_first = tuple(sorted(holds, key=lambda name: levels[name].held))
        alias = made_of is not None and _settles(places[key], places[made_of])
        counting = tuple((name, start) for name, start in counts.get(key, {}).items() if name not in tied)
        rises: tuple[str, ...] = ()
        if counting and not alias:
            free = {name: columns[name] for name in columns if name not in {*holds, *tied, *counts[key]}}
            rises = _rising(mine, columns[counting[0][0]].take(rows), {one: free[one].take(rows) for one in free})
        theirs = tuple(name for name in apart.get(key, ()) if name not in dict(counting))
        if alias:
            found = [replace(one, apart=(*one.apart, *theirs)) if one.key == made_of else one for one in found]
        found.append(Entity(key, few_first, made_of, alias, () if alias else counting, rises, () if alias else theirs))
    needed = {*apart, *(one.made_of for one in found)}
    return [one for one in found if one.holds or one.counts or one.made_of is not None or one.key in needed]


def _torn(holds: set[str], rules: Sequence[Rule], joints: Sequence[JointRule]) -> set[str]:
    """Which of the columns that a key holds are not held together with what they settle, or are settled by."""
    apart = {
        rule.dependent if rule.dependent in holds else rule.determinant
        for rule in rules
        if (rule.dependent in holds) != (rule.determinant in holds)
    }
    return apart | {
        joint.dependent for joint in joints if joint.dependent in holds and not holds.issuperset(joint.determinants)
    }


def _begins(keys: np.ndarray, values: Values) -> int | None:
    """Where a column begins to count the rows of each key (n,), 0 or 1; None where it counts none."""
    if values.numbers is None or values.numbers.dtype.kind not in "iu" or values.missing.any():
        return None
    order = np.lexsort([values.numbers, keys])
    begins = np.unique(values.numbers[order].astype(np.int64) - _turns(keys[order]))
    again = np.bincount(keys)
    enough = (again[again > 1] - 1).sum() >= COUNTED
    return int(begins[0]) if len(begins) == 1 and begins[0] in (0, 1) and enough else None


def _rising(keys: np.ndarray, counted: Values, columns: Mapping[str, Values]) -> tuple[str, ...]:
    """Columns without a missing cell whose numbers never fall as the rows of each key (n,) are counted, which chance would hardly do."""
    if counted.numbers is None:
        return ()
    order = np.lexsort([counted.numbers, keys])
    whose = keys[order]
    found = []
    for name, values in columns.items():
        if values.numbers is None or values.missing.any():
            continue
        numbers = values.numbers[order]
        if in_order(numbers, whose) and not by_chance(numbers, whose):
            found.append(name)
    return tuple(found)


def _turns(keys: np.ndarray) -> np.ndarray:
    """(n,) which row of its key each is, from 0, where the rows of a key stand together."""
    starts = np.flatnonzero(np.append(True, keys[1:] != keys[:-1]))
    return np.arange(len(keys)) - np.repeat(starts, np.diff(np.append(starts, len(keys))))


def _settles(first: np.ndarray, second: np.ndarray) -> bool:
    """Whether rows of one key all have the same other key, as far as they have any."""
    rows = np.flatnonzero(first)
    return settled(first[rows], second[rows], int(first.max()) + 1) is not None


def group(
    entities: Sequence[Entity],
    drawn: Mapping[str, Values],
    streams: Mapping[str, KeyStream],
    rng: np.random.Generator,
    firm: Sequence[str] = (),
) -> tuple[dict[str, Values], dict[str, pa.Array]]:
    """Give rows that are alike to one key, and each row what the first one of its key has; count them where that is counted.

    Rows, or those of a finer key as one, are laid in the order of what is to be held, columns of few values first, and cut into runs
    as long as keys have rows. No run reaches over two values of the first of these columns, nor of those that are ``firm``.

    Returns
    -------
    The columns, and the keys' cells.
    """
    columns, keys = dict(drawn), {}
    rows = len(next(iter(drawn.values())))
    runs: dict[str | None, np.ndarray] = {None: np.arange(rows)}  # (n,) which of a key's runs each row is in
    for entity in entities:
        stream, parts = streams[entity.key], runs[entity.made_of]
        if entity.alias:
            runs[entity.key] = parts
        else:
            first, sizes = (part for part in np.unique(parts, return_index=True, return_counts=True)[1:])
            held = sorted(entity.holds, key=lambda name: name not in firm)
            ranks = [ranks_of(columns[name].take(first)) for name in held]
            fixed = sum(name in firm for name in held)
            order, cuts = _laid(ranks, fixed, sizes, stream.mean_rows, rng)
            middles = np.cumsum(sizes[order]) - sizes[order] / 2
            ends = np.searchsorted(middles, np.cumsum(stream.lengths(rows)))  # where a part begins that is nearest
            starts = np.union1d(cuts, np.append(0, ends))
            starts = starts[starts < len(order)]
            run = np.empty(len(order), np.int64)
            run[order] = np.searchsorted(starts, np.arange(len(order)), side="right") - 1
            if entity.apart and entity.made_of is None:
                cells = [ranks_of(columns[name])[order] for name in entity.apart]
                run[order] = exchanged(run[order], np.searchsorted(cuts, np.arange(len(order)), side="right"), cells)
            runs[entity.key] = run[parts]
            leader = first[order[starts]][runs[entity.key]]
            columns |= {name: columns[name].take(leader) for name in held}
            _count(entity, columns, runs[entity.key], firm, rng)
        keys[entity.key] = stream.shared(runs[entity.key], parts)
    return columns, keys


def taken_from(there: np.ndarray, owners: np.ndarray) -> np.ndarray:
    """Return (n,) the row that each takes a cell from: the first of its owner's in which it is ``there`` (n,) where it is not there itself,
    else its own. ``owners`` (n,) count from 1, 0 being nobody.

    >>> taken_from(np.array([False, True, False, False]), np.array([1, 1, 2, 0])).tolist()
    [1, 1, 2, 3]
    """
    first = np.full(int(owners.max(initial=0)) + 1, -1)
    rows = np.flatnonzero(there & (owners > 0))[::-1]
    first[owners[rows]] = rows
    return np.where(~there & (first[owners] >= 0), first[owners], np.arange(len(owners)))


def held_alike(
    entities: Sequence[Entity],
    drawn: dict[str, Values],
    owners: Mapping[str, np.ndarray],
    known: Mapping[str, np.ndarray],
) -> None:
    """Give all rows of a key that was given what was drawn for the first of them, of what a key holds; ``known`` (n,) cells are left alone.

    ``owners`` (n,) say by key whose each row is, counted from 1, 0 where it is nobody's.
    """
    for entity in entities:
        if entity.key in owners:
            mine = owners[entity.key]
            leads = np.zeros(len(mine), bool)
            leads[np.unique(mine, return_index=True)[1]] = True
            for name in entity.holds:
                drawn[name] = drawn[name].take(taken_from(leads | known[name], mine))


def _count(
    entity: Entity, columns: dict[str, Values], runs: np.ndarray, firm: Sequence[str], rng: np.random.Generator
) -> None:
    """Count the rows of each run (n,) in the order of what was drawn of the first column that rises with them, else of what counts them; others
    that rise are put in this order."""
    rising = [name for name in entity.rises if name not in firm]
    for name, start in entity.counts:
        if name not in firm:
            order = np.lexsort([rng.random(len(runs)), *(columns[by].as_numbers for by in (name, *rising[:1])), runs])
            numbers = np.empty_like(columns[name].as_numbers)
            numbers[order] = start + _turns(runs[order])
            columns[name] = Values(np.zeros(len(runs), bool), numbers=numbers)
            for other in rising[1:]:
                numbers = columns[other].as_numbers.copy()
                numbers[order] = numbers[np.lexsort([numbers, runs])]
                columns[other] = Values(columns[other].missing, numbers=numbers)


def counted(keys: np.ndarray, values: Values, start: int) -> Values:
    """Count the rows of each key (n,) from ``start`` in the order in which they were counted; those of none, which has 0, stay.

    >>> counted(np.array([1, 2, 1, 0]), Values(np.zeros(4, bool), numbers=np.array([4, 2, 2, 3])), 1).numbers.tolist()
    [2, 1, 1, 3]
    """
    numbers = values.as_numbers.copy()
    order = np.lexsort([numbers, keys])
    order = order[keys[order] > 0]
    numbers[order] = start + _turns(keys[order])
    return Values(values.missing, numbers=numbers)


def renewed(keys: pa.ChunkedArray, distinct: Callable[[int], pa.Array], part: np.ndarray | None = None) -> pa.Array:
    """Return other keys in place of each: new ones from ``distinct``, shared where the old ones were, within a ``part`` (n,) of the
    rows."""
    old = keys.combine_chunks().dictionary_encode()
    there = old.is_valid().to_numpy(zero_copy_only=False)
    entities = old.indices.fill_null(0).to_numpy().astype(np.int64)
    if part is not None:
        entities += part * max(len(old.dictionary), 1)
    seen, places = np.unique(entities[there], return_inverse=True)
    which = np.zeros(len(old), np.int64)
    which[there] = places
    return distinct(len(seen)).take(pa.array(which, mask=~there))


def _laid(
    ranks: list[np.ndarray], fixed: int, sizes: np.ndarray, mean_rows: float, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """The order of (k,) parts of ``sizes`` rows, and the places in it where no run goes on: wherever one of the ``fixed`` first
    columns changes, or one of those that follow them while groups have room for several keys."""
    order = np.lexsort([rng.random(len(sizes)), *reversed(ranks)])
    changed = np.zeros(max(len(sizes) - 1, 0), bool)
    for place, column in enumerate(ranks):
        further = changed | (np.diff(column[order]) != 0)
        if place >= fixed and (further.sum() + 1) * KEYS_A_GROUP * mean_rows > sizes.sum():
            break
        changed = further
    return order, np.flatnonzero(changed) + 1
