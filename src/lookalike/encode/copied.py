"""A column that is the same as another in a part of the rows: whether it is is modelled, and what it is where it is not."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from lookalike.encode.clock import Clock
from lookalike.encode.steps import Columns, Step, fit_in, seen
from lookalike.schema import ColumnSpec, Schema, Values
from lookalike.schema.axis import common_unit, on_axis, on_grain, unit_of
from lookalike.schema.calendar import on_days
from lookalike.schema.constraints import Copy
from lookalike.schema.types import arrow_type, from_plain, to_plain
from lookalike.schema.values import as_kept
from lookalike.stats import middle


class Copied(Step):
    """``target`` is the same as its source in a part of the rows.

    Encoded are whether it is, and the column itself, where it is not: engines that draw its cells beside the source's would hardly ever draw
    the same. What is copied goes to the nearest that the column may hold, at its decimals, steps and days; where that is beyond what was seen in
    it, what was drawn for the cell stands there.
    """

    tells = True
    free = True

    def __init__(self, constraint: Copy, same: str, otherwise: str, schema: Schema) -> None:
        self.target, self.source = constraint.names
        self.targets, self.sources = (self.target,), (self.source,)
        self.words, self.same, self.otherwise = constraint.words, same, otherwise
        self.spec, self.theirs = schema[self.target], schema[self.source]
        self.levels: pa.Array | None = None

    def fit(self, columns: Columns) -> None:
        own = columns[self.target]
        self.levels = own.levels
        if own.numbers is not None:
            self.dtype = own.numbers.dtype
            self.low, self.high = seen(own)
            self.fill = middle(own.numbers[~own.missing & ~self._equal(columns)])
        else:
            assert own.codes is not None
            other = ~own.missing & ~self._equal(columns)
            counts = np.bincount(own.codes[other if other.any() else ~own.missing], minlength=1)
            self.fill = np.int32(counts.argmax() if counts.any() else -1)

    def _equal(self, columns: Columns) -> np.ndarray:
        """(n,) bool: where both are there, and the same."""
        own, theirs = columns[self.target], columns[self.source]
        there = ~own.missing & ~theirs.missing
        if own.numbers is None:
            assert own.levels is not None
            return np.asarray(there & (theirs.codes_in(own.levels) == own.codes))
        copied, shared = self._copied(theirs), common_unit([self.spec, self.theirs])
        kept = Values(theirs.missing, numbers=copied)
        there &= on_axis(theirs, self.theirs, shared) == on_axis(kept, self.spec, shared)
        return np.asarray(there & (copied == own.numbers))

    def _copied(self, theirs: Values) -> np.ndarray:
        """(n,) the source's numbers, as the column keeps its own: the nearest that it may hold."""
        own = unit_of(self.spec)
        if own is None:
            numbers = on_axis(theirs, self.theirs, None)
            numbers = numbers if self.spec.decimals is None else on_grain(numbers, self.spec)
            kept = as_kept(Values(theirs.missing, numbers=numbers), self.spec).numbers
            assert kept is not None
            return kept
        same = own == unit_of(self.theirs)
        numbers = theirs.as_numbers if same else np.rint(on_axis(theirs, self.theirs, None) / float(own))
        numbers = fit_in(numbers, self.spec, self.dtype)
        over = (numbers - self.low) % self.dtype.type(self.spec.step)
        return on_days(numbers - over, self.spec)

    def specs(self) -> list[ColumnSpec]:
        return [ColumnSpec(name=self.same, kind="boolean", storage="bool"), self.spec.replace(name=self.otherwise)]

    def forward(self, columns: Columns) -> dict[str, Values]:
        own, equal = columns[self.target], self._equal(columns)
        flags = Values(np.zeros(len(own), bool), codes=equal.astype(np.int32), levels=pa.array([False, True]))
        if own.numbers is not None:
            return {self.same: flags, self.otherwise: Values(own.missing, np.where(equal, self.fill, own.numbers))}
        assert own.codes is not None and own.levels is not None and self.levels is not None
        # another table numbers its labels otherwise, and may lack the one that stands in for those copied
        levels, place = own.levels, -1
        if self.fill >= 0:
            levels = pa.concat_arrays(
                [own.levels.cast(self.levels.type), self.levels.slice(int(self.fill), 1)]
            ).unique()
            place = levels.index(self.levels[int(self.fill)]).as_py()
        codes = np.where(equal, place, own.codes).astype(np.int32)
        return {self.same: flags, self.otherwise: Values(own.missing, codes=codes, levels=levels)}

    def backward(self, drawn: Columns, done: Columns) -> dict[str, Values]:
        own, theirs = drawn[self.otherwise], done[self.source]
        equal = self._flags(drawn) & ~theirs.missing & ~own.missing
        if own.numbers is not None:
            copied = self._copied(theirs)
            equal &= (copied >= self.low) & (copied <= self.high)
            numbers = np.where(equal, copied, own.numbers)
            return {self.target: Values(own.missing, numbers=numbers.astype(self.dtype))}
        assert self.levels is not None
        found = theirs.codes_in(self.levels)
        codes = np.where(equal & (found >= 0), found, own.codes_in(self.levels))
        return {self.target: Values(own.missing, codes=codes.astype(np.int32), levels=self.levels)}

    def told_by(
        self, columns: Columns, drawn: Columns, written: Columns, clocks: Mapping[str, Clock]
    ) -> dict[str, Values]:
        """The source, where it was drawn to be the same; where not, it is another one, to be drawn."""
        own, theirs = columns[self.target], columns[self.source]
        same = self._flags(drawn) & theirs.missing & ~own.missing
        if own.numbers is None:
            assert own.codes is not None
            return {self.source: Values(~same, codes=np.where(same, own.codes, np.int32(-1)), levels=own.levels)}
        mine, other = unit_of(self.spec), unit_of(self.theirs)
        numbers = own.numbers if mine == other else on_axis(own, self.spec, None)
        if other is not None and mine != other:
            numbers = fit_in(np.rint(numbers / float(other)), self.theirs, theirs.as_numbers.dtype)
        found = numbers.astype(theirs.as_numbers.dtype)
        same &= self._copied(Values(~same, numbers=found)) == own.numbers
        return {self.source: Values(~same, numbers=np.where(same, found, found.dtype.type(0)))}

    def _flags(self, drawn: Columns) -> np.ndarray:
        """(n,) bool: where it was drawn to be the same."""
        flags = drawn[self.same]
        assert flags.codes is not None and flags.levels is not None
        return np.append(flags.levels.to_numpy(zero_copy_only=False).astype(bool), False)[flags.codes]

    def carrier(self) -> str | None:
        return self.otherwise

    def state(self) -> dict[str, Any]:
        if self.levels is not None:
            return {"fill": int(self.fill), "type": str(self.levels.type), "levels": to_plain(self.levels)}
        ends = {"low": self.low.item(), "high": self.high.item()}
        return {"fill": self.fill.item(), "dtype": str(self.dtype), **ends}

    def restore(self, state: dict[str, Any]) -> None:
        if "levels" in state:
            self.levels = from_plain(state["levels"], arrow_type(state["type"]))
            self.fill = np.int32(state["fill"])
            return
        self.dtype = np.dtype(state["dtype"])
        self.fill, self.low, self.high = (self.dtype.type(state[name]) for name in ("fill", "low", "high"))
