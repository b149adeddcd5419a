"""A column that lies above or below others is encoded as its distance from them, so that no row can break the order."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

import numpy as np

from lookalike.encode.base import EncoderSettings
from lookalike.encode.clock import Clock, find_clock
from lookalike.encode.steps import Columns, Measured, fit_in, seen
from lookalike.schema import ColumnSpec, Schema, Values
from lookalike.schema.axis import SAFE, bound_on_axis, common_unit, decimals_of, grain_of, on_axis, on_grain, unit_of
from lookalike.schema.calendar import on_days
from lookalike.stats import middle

LARGEST_INT64 = 2**63 - 1
LEAST = -(2**62)
"""Before all dates: half of what an int64 holds, so that a week less is one, too."""


class Difference(Measured):
    """``target`` is at least (``sign`` 1) or at most (−1) each of its sources.

    Encoded is its distance from the greatest (least) source that is there, never negative: dates in the finest unit of
    the columns, decimals in units of the last place. Where no source is there, the column stands for itself, in a second
    encoded column; of dates a day or more apart, the time of day, and of those a week apart the weekday, in others. Decoding holds the
    column to the range that was seen, as every number is, and to its steps and decimals.

    Parameters
    ----------
    bounds
        (source, strict?) pairs.
    limits
        The least and the greatest the target may be by declaration, in its own parsed unit; None: anything.
    """

    clock: Clock | None = None
    tells = True

    def __init__(
        self,
        target: str,
        bounds: Sequence[tuple[str, bool]],
        sign: int,
        names: tuple[str, str],
        schema: Schema,
        settings: EncoderSettings,
        limits: tuple[Any, Any] = (None, None),
        words: str = "",
    ) -> None:
        self.distance, alone = names
        super().__init__(target, tuple(name for name, _ in bounds), alone, schema, words)
        self.bounds, self.sign, self.settings, self.limits = list(bounds), sign, settings, limits
        self.columns = {name: schema[name] for name in (target, *self.sources)}
        self.unit = common_unit(list(self.columns.values()))
        places = [decimals_of(spec) for spec in self.columns.values()]
        known = [count for count in places if count is not None]
        self.decimals = max(known) if len(known) == len(places) and settings.enforce_rounding else None

    # ---------------------------------------------------------------------------------------------------------- fitting

    def fit(self, columns: Columns) -> None:
        own = columns[self.target]
        self.low, self.high = seen(own)
        distance, there = self._distances(columns)
        self._learn_alone(own, there)
        self.wide = self.unit is not None and bool(max(distance.tolist(), default=0) > LARGEST_INT64)
        distance = self._stored(distance)
        self.fill = middle(distance[there & ~own.missing])
        self.clock = self._find_clock(columns)

    def _find_clock(self, columns: Columns) -> Clock | None:
        """What stands beside the distance: when things happen is not told by how long after another they do."""
        own = columns[self.target]
        others = [values for name, values in columns.items() if name != self.target]
        clock = find_clock(own, self.spec, 0, others, columns) if not self.wide and self.unit is not None else None
        if clock is None:
            return None
        days = int(self.fill) // (self._factor(self.spec) * clock.day)
        clock = replace(clock, weekday=clock.weekday if days >= 7 else None)
        return clock if days >= 1 and clock.parts else None

    def _base(self, columns: Columns) -> tuple[np.ndarray, np.ndarray]:
        """(n,) the least the target may be (sign −1: the greatest) on the common axis, and where there is any such bound."""
        base, there = None, np.zeros(len(columns[self.sources[0]]), bool)
        for name, strict in self.bounds:
            values = columns[name]
            numbers = on_axis(values, self.columns[name], self.unit)
            if strict:
                numbers = numbers + self.sign * self._gap
            outer = np.maximum if self.sign > 0 else np.minimum
            both = numbers if base is None else outer(base, numbers)
            base = numbers if base is None else np.where(values.missing, base, np.where(there, both, numbers))
            there |= ~values.missing
        assert base is not None
        return base, there

    @property
    def _gap(self) -> Any:
        """How far apart two different cells are at least."""
        if self.unit is not None:
            return 1
        return 0.0 if self.decimals is None else 10.0**-self.decimals

    def _distances(self, columns: Columns) -> tuple[np.ndarray, np.ndarray]:
        """(n,) distances from the base, 0 at least, and where there is a base; anything where there is none."""
        base, there = self._base(columns)
        own = columns[self.target]
        numbers = on_axis(own, self.spec, self.unit)
        distance = np.where(there & ~own.missing, (numbers - base) * self.sign, 0)
        distance = np.maximum(distance, 0)
        if self.unit is not None:
            return distance, there
        distance = distance.astype(np.float64)
        return (
            self._exact(distance, base, numbers) if self.decimals is None else np.round(distance, self.decimals)
        ), there

    def _exact(self, distance: np.ndarray, base: np.ndarray, numbers: np.ndarray) -> np.ndarray:
        """Floats without decimals: the neighbouring float where only that leads back to the very cell."""
        off = base + self.sign * distance != numbers
        for direction in (np.inf, -np.inf):
            other = np.nextafter(distance, direction)
            better = off & (base + self.sign * other == numbers) & (other >= 0)
            distance = np.where(better, other, distance)
        return distance

    def _stored(self, distance: np.ndarray) -> np.ndarray:
        if self.unit is None:
            return distance
        most = 2 * LARGEST_INT64 + 1 if self.wide else LARGEST_INT64
        return np.minimum(distance, most).astype(np.uint64 if self.wide else np.int64)

    def specs(self) -> list[ColumnSpec]:
        if self.unit is None:
            one = ColumnSpec(
                name=self.distance,
                kind="float",
                storage="double",
                decimals=self._kept,
                step=self._step,
                minimum=0,
            )
        else:
            storage = "uint64" if self.wide else "int64"
            one = ColumnSpec(name=self.distance, kind="integer", storage=storage, step=self._step, minimum=0)
        return [one, *self._alone_specs(), *([] if self.clock is None else self.clock.specs(self.spec))]

    @property
    def _kept(self) -> int | None:
        return None if self.decimals is None else min(self.decimals, 30)

    @property
    def _step(self) -> int:
        """What every distance is a multiple of, on the common axis: of floats, in units of their last place."""
        if any(strict for _, strict in self.bounds) or (self.unit is None and self._kept is None):
            return 1
        return int(np.gcd.reduce([spec.step * self._factor(spec) for spec in self.columns.values()], dtype=object))

    def _factor(self, spec: ColumnSpec) -> int:
        """How many common units one of the column's own is."""
        if self.unit is None:
            return 10 ** max((self._kept or 0) - (decimals_of(spec) or 0), 0)
        own = unit_of(spec)
        assert own is not None
        return int(own / self.unit)

    # ------------------------------------------------------------------------------------------------------ there, back

    def forward(self, columns: Columns) -> dict[str, Values]:
        own = columns[self.target]
        distance, there = self._distances(columns)
        stored = np.where(there, self._stored(distance), self.fill)
        found = {self.distance: Values(own.missing, numbers=np.where(own.missing, stored.dtype.type(0), stored))}
        found |= self._alone_cells(own, there)
        return found if self.clock is None else found | self.clock.beside(own)

    def backward(self, drawn: Columns, done: Columns) -> dict[str, Values]:
        distance = drawn[self.distance]
        base, there = self._base(done)
        numbers = (
            self._floats(base, distance.as_numbers)
            if self.unit is None
            else self._whole(base, distance.as_numbers, drawn)
        )
        missing = distance.missing if self.has_alone else distance.missing | ~there
        return self._written(self._with_alone(numbers, there, drawn), missing)

    def told_by(
        self, columns: Columns, drawn: Columns, written: Columns, clocks: Mapping[str, Clock]
    ) -> dict[str, Values]:
        """The nearest bound, the distance drawn away from the target: a date on the nearest day and at the time that were drawn for it. Others are
        as they were drawn, but within the target, once that bound is there."""
        distance, own, found = drawn[self.distance], columns[self.target], {}
        nearest = columns[self.bounds[0][0]].missing
        for name, strict in self.bounds if not self.wide else ():
            theirs, spec, other = columns[name], self.columns[name], written[name]
            first = name == self.bounds[0][0]
            there = theirs.missing & ~own.missing & (~distance.missing if first else ~nearest & ~other.missing)
            edge = on_axis(own, self.spec, self.unit) - (self.sign * self._gap if strict else 0)
            numbers = edge - self.sign * distance.as_numbers
            if self.unit is None:
                edge, numbers = self._inward(edge, spec), self._inward(numbers, spec)
            else:
                edge, numbers = (self._whole_units(part, self._factor(spec)) for part in (edge, numbers))
            if not first:
                numbers = (np.minimum if self.sign > 0 else np.maximum)(other.as_numbers, edge)
            elif name in clocks:
                numbers = clocks[name].near(numbers, drawn, *((LEAST, edge) if self.sign > 0 else (edge, -LEAST)))
            found[name] = Values(~there, numbers=np.where(there, numbers, 0).astype(theirs.as_numbers.dtype))
        return found

    def _inward(self, numbers: np.ndarray, spec: ColumnSpec) -> np.ndarray:
        """(n,) floats, rounded to a source's decimals such that they stay on their side."""
        if spec.decimals is None:
            return numbers
        scale, fine = 10.0**spec.decimals, 1e-6
        whole = np.floor(numbers * scale + fine) if self.sign > 0 else np.ceil(numbers * scale - fine)
        return whole / scale

    def _whole_units(self, ticks: np.ndarray, factor: int) -> np.ndarray:
        """(n,) numbers on the common axis in a source's own unit, on their side of what they were."""
        return ticks // factor if self.sign > 0 else -(-ticks // factor)

    def held(self, values: Values, columns: Columns) -> Values:
        """The target's ``values``, moved to its bounds where they lie beyond them."""
        base, there = self._base(columns)
        spec, numbers = self.spec, values.numbers
        assert numbers is not None
        outer = np.maximum if self.sign > 0 else np.minimum
        factor = self._factor(spec)
        bound = base if self.unit is None else -(-base // factor) if self.sign > 0 else base // factor
        return Values(values.missing, numbers=np.where(there, outer(numbers, bound), numbers).astype(numbers.dtype))

    def _in_range(
        self,
        numbers: np.ndarray,
        base: np.ndarray,
        counted: Callable[[Any], Any],
        beside_base: Callable[[Any], Any] | None = None,
    ) -> np.ndarray:
        """(n,) numbers held to the range, but for an end that the base itself lies beyond; an end in the unit of the numbers, as ``counted``
        gives it, and in that of the base where it is another."""
        for end, beyond in zip(self._range(), (np.less, np.greater), strict=True):
            if end is not None:
                edge, bound = counted(end), (beside_base or counted)(end)
                held = np.asarray((base <= bound) if self.sign > 0 else (base >= bound), bool)
                numbers = np.where(np.asarray(beyond(numbers, edge), bool) & held, edge, numbers)
        return numbers

    def _range(self) -> tuple[Any, Any]:
        """The least and the greatest the target may be, in its own unit: as declared and, unless not asked for, as seen."""
        own = unit_of(self.spec)
        low, high = self.limits
        for declared, up in ((self.spec.minimum, True), (self.spec.maximum, False)):
            if declared is not None:
                exact = float(declared) if own is None or self.spec.kind == "datetime" else bound_on_axis(declared, own)
                low, high = (_outer(max, low, exact), high) if up else (low, _outer(min, high, exact))
        if self.settings.enforce_min_max_values:
            low, high = _outer(max, low, self.low.item()), _outer(min, high, self.high.item())
        return low, high

    def _whole(self, base: np.ndarray, distance: np.ndarray, drawn: Columns) -> np.ndarray:
        factor = self._factor(self.spec)
        grain = factor * (self.spec.step if self.settings.enforce_rounding else 1)
        offset = int(self.low) * factor % grain
        big = base.dtype == object or (len(distance) and int(distance.max()) > SAFE)
        raw = (base.astype(object) if big else base) + self.sign * (distance.astype(object if big else np.int64))
        # the nearest of the column's own steps, or the one after it where that lies beyond the bound
        over = (raw - offset) % grain
        raw = raw - over + np.where(2 * over >= grain, grain, 0)
        raw = raw + np.where(np.asarray(raw < base if self.sign > 0 else raw > base, bool), self.sign * grain, 0)
        raw = self._on_days(raw, base, factor)
        if self.clock is not None and not big:
            raw = self._by_clock(raw, base, factor, self.clock, drawn)
        raw = self._in_range(raw, base, lambda edge: int(edge) * factor)
        return fit_in(raw // factor, self.spec, self.dtype)

    def _on_days(self, raw: np.ndarray, base: np.ndarray, factor: int) -> np.ndarray:
        """(n,) numbers at the days that the column's dates fall on, none of them on the base's other side."""
        if self.spec.falls_on is None or not self.settings.enforce_rounding:
            return raw
        least, most = (-(-base // factor), None) if self.sign > 0 else (None, base // factor)
        own = np.clip(raw // factor, -LARGEST_INT64, LARGEST_INT64).astype(np.int64)
        return on_days(own, self.spec, least, most).astype(raw.dtype) * factor

    def _by_clock(self, raw: np.ndarray, base: np.ndarray, factor: int, clock: Clock, drawn: Columns) -> np.ndarray:
        """(n,) numbers at the time of day, and on the weekday, that were drawn, none of them on the base's other side."""
        low, high = (int(end) for end in (self.low, self.high))
        least, most = (
            (np.maximum(-(-base // factor), low), high) if self.sign > 0 else (low, np.minimum(base // factor, high))
        )
        return clock.near(raw // factor, drawn, least, most) * factor

    def _floats(self, base: np.ndarray, distance: np.ndarray) -> np.ndarray:
        raw = base + self.sign * distance
        if self.settings.enforce_rounding and self.spec.decimals is not None:
            raw = on_grain(raw, self.spec)
            short = raw < base if self.sign > 0 else raw > base
            raw = np.where(short, on_grain(raw + self.sign * grain_of(self.spec), self.spec), raw)
        elif any(strict for _, strict in self.bounds) and self.decimals is None:
            raw = np.where(raw == base, np.nextafter(base, self.sign * np.inf), raw)
        if unit_of(self.spec) is not None:  # a whole number or a decimal beside floats
            return self._back_to_whole(raw, base)
        return self._in_range(raw, base, lambda edge: edge)

    def _back_to_whole(self, raw: np.ndarray, base: np.ndarray) -> np.ndarray:
        own = unit_of(self.spec)
        assert own is not None
        scale = float(1 / own)
        whole = np.rint(raw * scale)
        short = whole / scale < base if self.sign > 0 else whole / scale > base
        whole = np.where(short, whole + self.sign, whole)
        whole = self._in_range(whole, base, float, lambda edge: float(edge) / scale)
        return fit_in(whole, self.spec, self.dtype)

    def carrier(self) -> str | None:
        return self.distance

    def state(self) -> dict[str, Any]:
        return {
            "dtype": str(self.dtype),
            "low": self.low.item(),
            "high": self.high.item(),
            "has_alone": self.has_alone,
            "fill_alone": self.fill_alone.item(),
            "wide": self.wide,
            "fill": self.fill.item(),
            "clock": None if self.clock is None else asdict(self.clock),
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.dtype = np.dtype(state["dtype"])
        self.low, self.high = self.dtype.type(state["low"]), self.dtype.type(state["high"])
        self.has_alone, self.wide = state["has_alone"], state["wide"]
        self.fill_alone = self.dtype.type(state["fill_alone"])
        kind = np.dtype(np.float64 if self.unit is None else np.uint64 if self.wide else np.int64)
        self.fill = kind.type(state["fill"])
        self.clock = None if state["clock"] is None else Clock(**state["clock"])


def _outer(pick: Any, one: Any, other: Any) -> Any:
    return other if one is None else pick(one, other)
