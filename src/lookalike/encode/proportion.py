"""A number that is about in proportion to another is encoded by what it is to that: what was paid by the hour, the dead of a million people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from lookalike.encode.clock import Clock
from lookalike.encode.steps import Columns, Measured, fit_in, seen
from lookalike.schema import ColumnSpec, Schema, Values
from lookalike.schema.axis import on_axis, on_grain, unit_of
from lookalike.schema.constraints import Formula
from lookalike.stats import middle


class Proportion(Measured):
    """``target`` by what it is to its source, as a formula that gives their quotient says that it is looked at.

    Where the source is missing or nought the column stands for itself, in a second encoded column. Decoding rounds it, and holds it to the
    range that was seen: what lies beyond goes to as far within, as an end itself is one person's.
    """

    tells = True

    def __init__(self, formula: Formula, ratio: str, alone: str, schema: Schema) -> None:
        _, target, self.source = formula.names
        super().__init__(target, (self.source,), alone, schema, formula.words)
        self.ratio, self.theirs = ratio, schema[self.source]

    def fit(self, columns: Columns) -> None:
        own = columns[self.target]
        self.low, self.high = seen(own)
        ratios, there = self._ratios(columns)
        self._learn_alone(own, there)
        self.fill = float(middle(ratios[there & ~own.missing]))

    def _base(self, columns: Columns) -> tuple[np.ndarray, np.ndarray]:
        """(n,) the source, and where it is there and not nought."""
        theirs = columns[self.source]
        numbers = on_axis(theirs, self.theirs, None).astype(np.float64)
        there = ~theirs.missing & (numbers != 0)
        return np.where(there, numbers, 1.0), there

    def _ratios(self, columns: Columns) -> tuple[np.ndarray, np.ndarray]:
        """(n,) what the column is to its source, and where that is known."""
        base, there = self._base(columns)
        numbers = on_axis(columns[self.target], self.spec, None).astype(np.float64)
        return numbers / base, there

    def specs(self) -> list[ColumnSpec]:
        return [ColumnSpec(name=self.ratio, kind="float", storage="double"), *self._alone_specs()]

    def forward(self, columns: Columns) -> dict[str, Values]:
        own = columns[self.target]
        ratios, there = self._ratios(columns)
        found = {self.ratio: Values(own.missing, numbers=np.where(there & ~own.missing, ratios, self.fill))}
        return found | self._alone_cells(own, there)

    def backward(self, drawn: Columns, done: Columns) -> dict[str, Values]:
        ratios = drawn[self.ratio]
        base, there = self._base(done)
        numbers = self._with_alone(self._in_range(ratios.as_numbers * base), there, drawn)
        return self._written(numbers, ratios.missing if self.has_alone else ratios.missing | ~there)

    def _in_range(self, numbers: np.ndarray) -> np.ndarray:
        """(n,) numbers rounded, those beyond the range as many times less, or more, than its end as they were beyond it."""
        rounded, axis = _rounded(numbers, self.spec, self.dtype), float(unit_of(self.spec) or 1)
        for end, beyond in ((self.low, np.less), (self.high, np.greater)):
            out = np.asarray(beyond(rounded, end), bool) & (numbers * float(end) > 0)
            mirrored = _rounded((float(end) * axis) ** 2 / np.where(out, numbers, 1.0), self.spec, self.dtype)
            rounded = np.where(out, mirrored, rounded)
        return np.clip(rounded, self.low, self.high)

    def told_by(
        self, columns: Columns, drawn: Columns, written: Columns, clocks: Mapping[str, Clock]
    ) -> dict[str, Values]:
        """The source, by what the column was drawn to be to it; as it was drawn where that is nought."""
        own, theirs, other = columns[self.target], columns[self.source], written[self.source]
        ratios = drawn[self.ratio]
        mine = on_axis(own, self.spec, None).astype(np.float64)
        with np.errstate(divide="ignore", invalid="ignore"):
            base = mine / ratios.as_numbers
        tells = np.isfinite(base) & (base != 0) & ~ratios.missing
        found = _rounded(np.where(tells, base, 0), self.theirs, theirs.as_numbers.dtype)
        missing = ~theirs.missing | own.missing | (~tells & other.missing)
        return {self.source: Values(missing, numbers=np.where(tells, found, other.as_numbers).astype(found.dtype))}

    def carrier(self) -> str | None:
        return self.ratio

    def state(self) -> dict[str, Any]:
        ends = {"low": self.low.item(), "high": self.high.item(), "fill_alone": self.fill_alone.item()}
        return {"dtype": str(self.dtype), "has_alone": self.has_alone, "fill": self.fill, **ends}

    def restore(self, state: dict[str, Any]) -> None:
        self.dtype, self.has_alone, self.fill = np.dtype(state["dtype"]), state["has_alone"], state["fill"]
        self.low, self.high, self.fill_alone = (self.dtype.type(state[name]) for name in ("low", "high", "fill_alone"))


def _rounded(numbers: np.ndarray, spec: ColumnSpec, dtype: np.dtype) -> np.ndarray:
    """In a column's own unit, decimals and steps."""
    own = unit_of(spec)
    if own is None:
        return numbers if spec.decimals is None else on_grain(numbers, spec)
    return fit_in(np.rint(numbers / (spec.step * float(own))) * spec.step, spec, dtype)
