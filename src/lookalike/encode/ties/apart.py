"""Rows that two columns tell apart together: a meter and a moment, a student and an exam, of which no two real rows have the same.

An engine draws rows one by one, so that some repeat. Of rows that share a key, which is given out anyway, one is given to another key; of others the
number or date moves to the nearest that is drawn for any row and free for this one. What is left is drawn again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from lookalike.schema import Schema, Values
from lookalike.schema.breaches import together
from lookalike.schema.constraints import Unique

REACH = 200
"""Rows before and after, in the order in which they are laid, that are looked through for one to exchange keys with."""


def keys_apart(schema: Schema, plain: Collection[str]) -> dict[str, list[str]]:
    """Return the keys of several rows each that tell rows apart with others, and the ``plain`` columns, encoded as they are, of which no two rows of
    one have the same cell.

    >>> from lookalike.schema import ColumnSpec
    >>> order, line = ColumnSpec(name="order", kind="key", repeated=True), ColumnSpec(name="line", kind="integer", storage="int64")
    >>> keys_apart(Schema([order, line], constraints=[Unique(columns=("order", "line"))]), {"line"})
    {'order': ['line']}
    """
    found: dict[str, list[str]] = {}
    for names in _unique(schema):
        for key in [name for name in names if schema[name].repeated]:
            others = [name for name in names if name != key]
            found[key] = [*found.get(key, ()), *(others if len(others) == 1 and others[0] in plain else ())]
    return found


def columns_apart(schema: Schema, plain: Collection[str]) -> list[tuple[str, ...]]:
    """Return the columns that tell rows apart together, all of them ``plain``, and so no key among them."""
    return [names for names in _unique(schema) if len(names) > 1 and {*plain}.issuperset(names)]


def _unique(schema: Schema) -> list[tuple[str, ...]]:
    return [rule.columns for rule in schema.constraints if isinstance(rule, Unique)]


def exchanged(runs: np.ndarray, segments: np.ndarray, cells: Sequence[np.ndarray]) -> np.ndarray:
    """Return the (n,) runs, rising, of rows of which some near each other in the same segment (n,) have changed runs, so that no two of a run
    are the same in any of the ``cells`` (n,) as far as that can be; −1 is the same as nothing. The first row of each run stays.

    >>> exchanged(np.array([0, 0, 0, 1, 1, 1]), np.zeros(6, int), [np.array([7, 7, 8, 9, 6, 5])]).tolist()
    [0, 1, 0, 1, 0, 1]
    """
    runs = runs.copy()
    leads = np.append(True, runs[1:] != runs[:-1])[: len(runs)]
    rows = list(zip(*(column.tolist() for column in cells), strict=True))
    held = Counter(
        (run, place, cell) for run, row in zip(runs.tolist(), rows, strict=True) for place, cell in enumerate(row)
    )

    def fits(row: int, run: int, instead: int) -> bool:
        """Whether a row may stand in a run in place of one that is there."""
        return all(
            cell < 0 or held[run, place, cell] <= (rows[instead][place] == cell) for place, cell in enumerate(rows[row])
        )

    for row in np.flatnonzero(~leads).tolist():
        mine = int(runs[row])
        if all(cell < 0 or held[mine, place, cell] < 2 for place, cell in enumerate(rows[row])):
            continue
        for step in range(1, REACH):
            other = next(
                (
                    one
                    for one in (row + step, row - step)
                    if 0 <= one < len(runs)
                    and segments[one] == segments[row]
                    and runs[one] != mine
                    and not leads[one]
                    and fits(row, int(runs[one]), one)
                    and fits(one, mine, row)
                ),
                None,
            )
            if other is not None:
                theirs = int(runs[other])
                for place, (cell, taken) in enumerate(zip(rows[row], rows[other], strict=True)):
                    held.update({(theirs, place, cell): 1, (mine, place, taken): 1})
                    held.subtract({(mine, place, cell): 1, (theirs, place, taken): 1})
                runs[row], runs[other] = theirs, mine
                break
    return runs


def put_apart(
    pairs: Sequence[Sequence[str]], drawn: Mapping[str, Values], known: Mapping[str, np.ndarray], fixed: Collection[str]
) -> None:
    """Move the finest number or date of each of several groups of columns that tell rows apart where two rows have the same cells, but for
    columns that are ``fixed``, as others settle them; ``known`` (n,) cells of a column stay."""
    for names in pairs:
        free = {name: drawn[name].numbers for name in names if name not in fixed}
        movable = {name: len(np.unique(numbers)) for name, numbers in free.items() if numbers is not None}
        if movable:
            mover = max(movable, key=lambda name: movable[name])
            others = np.stack([together([drawn[name]]) for name in names if name != mover], 1)
            there = (others > 0).all(1) & ~drawn[mover].missing
            groups = np.unique(others, axis=0, return_inverse=True)[1].reshape(-1)
            numbers = drawn[mover].as_numbers
            rows = np.flatnonzero(there)
            numbers[rows] = moved(groups[rows], numbers[rows], ~known[mover][rows])


def moved(groups: np.ndarray, numbers: np.ndarray, free: np.ndarray) -> np.ndarray:
    """Return (n,) numbers of which none stands twice in a group (n,), as far as rows are ``free`` (n,) and there are enough numbers: each
    that would goes to the nearest number of any group that is not there yet.

    >>> moved(np.array([0, 0, 0, 1]), np.array([5, 5, 6, 7]), np.ones(4, bool)).tolist()
    [5, 7, 6, 7]
    """
    levels, places = np.unique(numbers, return_inverse=True)
    order = np.lexsort([free, places, groups])  # those that stay come first
    again = np.zeros(len(order), bool)
    again[1:] = (groups[order[1:]] == groups[order[:-1]]) & (places[order[1:]] == places[order[:-1]])
    starts = np.flatnonzero(np.append(True, groups[order[1:]] != groups[order[:-1]])[: len(order)]).tolist()
    for start, end in zip(starts, [*starts[1:], len(order)], strict=True):
        twice = order[start:end][again[start:end] & free[order[start:end]]]
        if not len(twice):
            continue
        taken = np.zeros(len(levels), bool)
        taken[places[order[start:end]]] = True
        for row in twice.tolist():
            nearest = _nearest(taken, int(places[row]))
            if nearest is None:
                break
            places[row], taken[nearest] = nearest, True
    return levels[places]


def _nearest(taken: np.ndarray, place: int) -> int | None:
    """The place nearest to one that is not taken; None where all are."""
    width = 8
    while True:
        low, high = max(place - width, 0), min(place + width + 1, len(taken))
        found = low + np.flatnonzero(~taken[low:high])
        if len(found):
            return int(found[np.argmin(np.abs(found - place))])
        if low == 0 and high == len(taken):
            return None
        width *= 4
