"""What two or three columns settle together: a route its distance, an article and a size their price, a year and a quarter the period.

Found as :mod:`lookalike.joint` counts it, and kept as what one column settles is (:mod:`lookalike.encode.ties.settle`).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from lookalike.dependence import follows
from lookalike.encode.base import ColumnEncoder
from lookalike.encode.category import CategoryEncoder
from lookalike.encode.numeric import NumericEncoder
from lookalike.encode.ties.rules import Rule, beside, few, levels_of, values_from, values_state
from lookalike.joint import crossed, find_together
from lookalike.schema import Values
from lookalike.schema.values import places_in
from lookalike.stats import places_among


@dataclass(frozen=True)
class JointRule:
    """Rows that agree in all ``determinants`` have the same value in ``dependent``, in nearly all combinations learned from.

    Combinations are counted by the levels of each column, missing being 0, as digits of a number are.

    Attributes
    ----------
    determinants, dependent
        Names of two or three columns, and of another.
    levels
        For each determinant the sorted values of a number, None of a label, whose levels its encoder counts.
    combinations
        (k,) sorted: those whose rows all agree, of two rows or more.
    codes
        (k,) int32: the dependent's code beside each.
    values
        (k,) the dependent's value beside each.
    """

    determinants: tuple[str, ...]
    dependent: str
    levels: tuple[np.ndarray | None, ...]
    combinations: np.ndarray
    codes: np.ndarray
    values: Values

    def places(self, columns: Mapping[str, Values], encoders: Mapping[str, ColumnEncoder]) -> np.ndarray:
        """Return (n,) which combination each row of decoded columns has, −1 where it is none that is known."""
        return self._found(self.levels_held(columns), encoders)

    def parted(self, encoders: Mapping[str, ColumnEncoder]) -> list[np.ndarray]:
        """For each determinant (k,) the level that each combination has of it, counted from 1, 0 for missing."""
        parts, left = [], self.combinations
        for name, levels in reversed(list(zip(self.determinants, self.levels, strict=True))):
            left, part = np.divmod(left, _count(levels, encoders[name]))
            parts.append(part)
        return parts[::-1]

    def levels_held(self, columns: Mapping[str, Values]) -> list[np.ndarray]:
        """For each determinant (n,) the level that each decoded cell is, as :meth:`parted` counts; −1 where it is none that is known."""
        return [_places(columns[name], levels) for name, levels in zip(self.determinants, self.levels, strict=True)]

    def levels_of_codes(self, encoders: Mapping[str, ColumnEncoder]) -> list[np.ndarray]:
        """For each determinant (K,) the level that each of its codes stands for, as :meth:`parted` counts; −1 where it is several."""
        return [
            _places_of_codes(levels, encoders[name])
            for name, levels in zip(self.determinants, self.levels, strict=True)
        ]

    def due(self, held: Sequence[np.ndarray], encoders: Mapping[str, ColumnEncoder]) -> np.ndarray:
        """Return (n,) the dependent's code beside the level ``held`` (n,) by each determinant; −1 where they are no combination that is
        known."""
        found = self._found(held, encoders)
        return np.where(found >= 0, self.codes[found], -1)

    def _found(self, held: Sequence[np.ndarray], encoders: Mapping[str, ColumnEncoder]) -> np.ndarray:
        counts = [_count(levels, encoders[name]) for name, levels in zip(self.determinants, self.levels, strict=True)]
        wanted, known = crossed(list(zip(held, counts, strict=True))), np.all([place >= 0 for place in held], axis=0)
        return np.where(known, places_among(wanted, self.combinations), -1)

    def state(self) -> dict[str, Any]:
        return {
            "determinants": list(self.determinants),
            "dependent": self.dependent,
            "levels": [None if levels is None else levels.tolist() for levels in self.levels],
            "combinations": self.combinations.tolist(),
            "codes": self.codes.tolist(),
            **values_state(self.values),
        }

    @classmethod
    def from_state(cls, state: Mapping[str, Any], encoders: Mapping[str, ColumnEncoder]) -> JointRule:
        levels = []
        for name, cells in zip(state["determinants"], state["levels"], strict=True):
            encoder = encoders[name]
            levels.append(np.asarray(cells, encoder.dtype) if isinstance(encoder, NumericEncoder) else None)
        return cls(
            tuple(state["determinants"]),
            state["dependent"],
            tuple(levels),
            np.asarray(state["combinations"], np.int64),
            np.asarray(state["codes"], np.int32),
            values_from(state, encoders[state["dependent"]]),
        )


def find_joints(
    encoders: Mapping[str, ColumnEncoder],
    columns: Mapping[str, Values],
    rules: Sequence[Rule],
    telling: Collection[str] = (),
) -> list[JointRule]:
    """Return what columns settle together that none of them settles alone, such that each column is settled once, and by columns that do
    not follow from it, nor tell whose rows they are. Rare labels that are to be hidden are settled by nothing.
    """
    able = {
        name: encoder for name, encoder in encoders.items() if isinstance(encoder, (CategoryEncoder, NumericEncoder))
    }
    levels = {name: levels_of(columns[name]) for name in able if name not in telling and few(columns[name])}
    codes = {name: level.places for name, level in levels.items()}
    sources: dict[str, tuple[str, ...]] = {}
    for rule in rules:
        sources[rule.dependent] = (*sources.get(rule.dependent, ()), rule.determinant)
    found: list[JointRule] = []
    for together, dependent, rows, settles in find_together(codes):
        if dependent in sources or any(follows(name, dependent, sources) for name in together):
            continue
        sources[dependent] = together
        seen = np.flatnonzero(settles >= 0)
        first = np.unique(rows, return_index=True)[1][seen]
        found.append(_joint(together, dependent, encoders, columns, first, settles[seen]))
    return [joint for joint in found if len(joint.combinations)]


def _joint(
    together: tuple[str, ...],
    dependent: str,
    encoders: Mapping[str, ColumnEncoder],
    columns: Mapping[str, Values],
    rows: np.ndarray,
    settles: np.ndarray,
) -> JointRule:
    """The rule of combinations of which (k,) ``rows`` have one each."""
    levels, parts = [], []
    for name in together:
        own, encoder = levels_of(columns[name]), encoders[name]
        place = own.places[rows]
        if isinstance(encoder, CategoryEncoder):
            parsed = columns[name].levels
            assert parsed is not None
            place = np.append(0, places_in(encoder.levels, parsed) + 1)[place]
        levels.append(own.distinct)
        parts.append((place, _count(own.distinct, encoder)))
    combinations = crossed(parts)
    order = np.argsort(combinations)
    distinct = levels_of(columns[dependent]).distinct
    encoder = encoders[dependent]
    values, codes = beside(encoder, columns[dependent], distinct, settles[order])
    shown: np.ndarray = np.arange(len(codes))
    if isinstance(encoder, CategoryEncoder) and encoder.settings.rare_categories == "hide":
        shown = np.flatnonzero(~encoder.is_pooled(codes))
    return JointRule(together, dependent, tuple(levels), combinations[order][shown], codes[shown], values.take(shown))


def _count(levels: np.ndarray | None, encoder: ColumnEncoder) -> int:
    """How many places a column has, that of missing included."""
    if levels is not None:
        return len(levels) + 1
    assert isinstance(encoder, CategoryEncoder)
    return len(encoder.levels) + 1


def _places(values: Values, levels: np.ndarray | None) -> np.ndarray:
    """(n,) the level of each cell, from 1; 0 where it is missing, −1 where it is none that is known."""
    if levels is None:
        assert values.codes is not None
        place = values.codes.astype(np.int64) + 1
    else:
        found = places_among(values.as_numbers, levels)
        place = np.where(found >= 0, found + 1, -1)
    return np.where(values.missing, 0, place)


def _places_of_codes(levels: np.ndarray | None, encoder: ColumnEncoder) -> np.ndarray:
    """(K,) the level that each code stands for, from 1; 0 for missing, −1 where it stands for several."""
    found = np.full(encoder.column.cardinality, -1, np.int64)
    if isinstance(encoder, CategoryEncoder):
        found[: len(encoder.level_of_code)] = encoder.level_of_code + 1
    elif levels is not None and len(levels):
        codes, _ = encoder.encode(Values(np.zeros(len(levels), bool), numbers=levels), np.random.default_rng(0))
        alone = np.bincount(codes, minlength=len(found))[codes] == 1
        alone &= ~encoder.column.interval[codes]
        found[codes[alone]] = np.flatnonzero(alone) + 1
    if encoder.missing is not None:
        found[encoder.missing] = 0
    return found
