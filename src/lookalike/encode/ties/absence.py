"""Cells that are missing where another column says so: what was not sent was not delivered, who pays nothing has no receipt."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from lookalike.dependence import follows
from lookalike.encode.base import ColumnEncoder
from lookalike.encode.ties.rules import Rule
from lookalike.schema import EncodedColumn, EncodedTable, Values

MOST_CODES = 50
"""Codes of a column, at most, that may each say whether another's cells are missing; of any other only whether its own are."""
GLANCE = 2_000
"""Rows that tell most columns that say nothing about each other."""
EXPECTED = 20
"""Cells that would be missing (or there) among a code's rows by chance, at least, for none to be so to say anything: e⁻²⁰."""


@dataclass(frozen=True)
class Absence:
    """What the codes of a column say about whether another one's cells are missing.

    Attributes
    ----------
    determinant, dependent
        Names of the columns.
    due
        (K,) int8: 1 beside a code in whose rows all cells of the dependent are missing, 0 where none is, −1 where some are.
    """

    determinant: str
    dependent: str
    due: np.ndarray

    def state(self) -> dict[str, Any]:
        return {"determinant": self.determinant, "dependent": self.dependent, "due": self.due.tolist()}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> Absence:
        return cls(state["determinant"], state["dependent"], np.asarray(state["due"], np.int8))


def find_absences(
    encoders: Mapping[str, ColumnEncoder], columns: Mapping[str, Values], rules: Sequence[Rule]
) -> list[Absence]:
    """Return what holds in every row, such that applying one after the other keeps all.

    What says most is kept first, as long as it says something of rows that those before it do not, and is not itself said by what it
    says. What a rule settles is left to it.
    """
    settled = {rule.dependent for rule in rules}
    gaps = {
        name: values.missing
        for name, values in columns.items()
        if name not in settled and values.missing.any() and not values.missing.all()
    }
    if not gaps:
        return []
    codes = {name: _codes(encoders[name], columns[name]) for name in columns}
    maybe = _at_a_glance(codes, gaps)
    offers = [
        (int((due[codes[determinant]] >= 0).sum()), dependent, determinant, due)
        for dependent, missing in gaps.items()
        for determinant in codes
        if determinant != dependent
        and dependent in maybe[determinant]
        and (due := _due(codes[determinant], missing, float(missing.mean()))) is not None
    ]
    found: list[Absence] = []
    sources: dict[str, list[str]] = {name: [] for name in gaps}
    unsaid = {name: np.ones(len(missing), bool) for name, missing in gaps.items()}
    for _, dependent, determinant, due in sorted(offers, key=lambda offer: -offer[0]):
        said = due[codes[determinant]] >= 0
        if (said & unsaid[dependent]).sum() >= EXPECTED and not follows(determinant, dependent, sources):
            unsaid[dependent] &= ~said
            sources[dependent].append(determinant)
            found.append(Absence(determinant, dependent, _by_code(due, encoders[determinant])))
    return list(_in_order(found))


def _by_codes(column: EncodedColumn) -> bool:
    """Whether each of its codes may say something; of any other column, whether its cell is missing."""
    return column.cardinality <= MOST_CODES and not column.interval.any()


def _codes(encoder: ColumnEncoder, values: Values) -> np.ndarray:
    """(n,) codes of a column of few; of any other 1 where a cell is missing, else 0."""
    if _by_codes(encoder.column):
        return encoder.encode(values, np.random.default_rng(0))[0].astype(np.int64)
    return values.missing.astype(np.int64)


def _at_a_glance(codes: Mapping[str, np.ndarray], gaps: Mapping[str, np.ndarray]) -> dict[str, set[str]]:
    """Which columns' gaps each column may say something about: of some rows of one of its codes all are missing, or none."""
    step = -(-len(next(iter(codes.values()))) // GLANCE)
    missing = np.stack([gap[::step] for gap in gaps.values()], axis=1)
    names, found = np.array(list(gaps), object), {}
    for determinant, code in codes.items():
        order = np.argsort(code[::step], kind="stable")
        starts = np.flatnonzero(np.diff(code[::step][order], prepend=-1))
        counts = np.add.reduceat(missing[order], starts, axis=0, dtype=np.int64)
        rows = np.diff(np.append(starts, len(order)))[:, None]
        found[determinant] = set(names[((counts == 0) | (counts == rows)).any(0)])
    return found


def _due(codes: np.ndarray, missing: np.ndarray, share: float) -> np.ndarray | None:
    """(K,) as :class:`Absence` has it; None where no code says anything."""
    rows, gaps = np.bincount(codes), np.bincount(codes[missing], minlength=int(codes.max()) + 1)
    due = np.full(len(rows), -1, np.int8)
    due[(gaps == rows) & (rows * (1 - share) >= EXPECTED)] = 1
    due[(gaps == 0) & (rows * share >= EXPECTED)] = 0
    if {0, 1} <= set(due.tolist()) and ((gaps == 0) | (gaps == rows)).all():
        due[rows > 0] = gaps[rows > 0] > 0  # where every code says something, those of few rows are believed, too
    return due if (due >= 0).any() else None


def _by_code(due: np.ndarray, encoder: ColumnEncoder) -> np.ndarray:
    """(K,) for every code of the column, where it was known for whether its cells are missing alone."""
    column = encoder.column
    if _by_codes(column):
        return np.append(due, np.full(column.cardinality - len(due), -1, np.int8))
    every = np.full(column.cardinality, due[0], np.int8)
    if encoder.missing is not None and len(due) > 1:
        every[encoder.missing] = due[1]
    return every


def _in_order(found: Sequence[Absence]) -> Iterator[Absence]:
    """All of a dependent together, after those that its determinants depend on."""
    left = list(found)
    while left:
        waiting = {absence.dependent for absence in left}
        held_up = {absence.dependent for absence in left if absence.determinant in waiting}
        yield from sorted((one for one in left if one.dependent not in held_up), key=lambda one: one.dependent)
        left = [absence for absence in left if absence.dependent in held_up]


def against_absences(
    absences: Sequence[Absence], encoders: Mapping[str, ColumnEncoder], table: EncodedTable, known: np.ndarray
) -> np.ndarray:
    """Return the rows of which a ``known`` (n, d) cell is missing where what was drawn beside it says that it is there, or there where that
    says that it is missing."""
    places, found = {name: place for place, name in enumerate(encoders)}, np.zeros(len(table), bool)
    for absence in absences:
        source, place = places[absence.determinant], places[absence.dependent]
        due, gone = absence.due[table.codes[:, source]], table.codes[:, place] == encoders[absence.dependent].missing
        found |= known[:, place] & ~known[:, source] & (due >= 0) & (gone != (due == 1))
    return np.flatnonzero(found)


def settle_absences(
    absences: Sequence[Absence],
    encoders: Mapping[str, ColumnEncoder],
    table: EncodedTable,
    known: np.ndarray | None = None,
) -> EncodedTable:
    """Return the table with cells missing where they are to be, and there where they are to be there; ``known`` (n, d) cells are left
    alone.

    A cell that is to be there is as in the next row of the same code that has one, on the other side of the middle of its interval.
    Where one column says that it is missing and another that it is not, it is.
    """
    if not absences:
        return table
    places = {name: place for place, name in enumerate(encoders)}
    codes, residuals = table.codes.copy(), table.residuals.copy()
    for dependent, group in groupby(absences, lambda absence: absence.dependent):
        place, gap, own = places[dependent], encoders[dependent].missing, list(group)
        assert gap is not None
        due = np.stack([absence.due[codes[:, places[absence.determinant]]] for absence in own])
        free = np.ones(len(codes), bool) if known is None else ~known[:, place]
        gone = (due == 1).any(0)
        codes[gone & free, place], residuals[gone & free, place] = gap, 0.0
        for absence, says in zip(own, due, strict=True):
            there = codes[:, place] != gap
            rows = np.flatnonzero((says == 0) & ~gone & ~there & free)
            source = places[absence.determinant]
            kinds = codes[:, source] if _by_codes(table.columns[source]) else says
            for kind in np.unique(kinds[rows]):
                like, lacking = np.flatnonzero(there & (kinds == kind)), rows[kinds[rows] == kind]
                if len(like):
                    next_one = like[np.searchsorted(like, lacking) % len(like)]
                    codes[lacking, place], residuals[lacking, place] = (
                        codes[next_one, place],
                        -residuals[next_one, place],
                    )
    return EncodedTable(table.columns, codes, residuals)
