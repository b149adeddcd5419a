"""Numbers that follow from others, by a formula or as one of few shares: they are computed, not modelled."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa

from lookalike.encode.bins import at_nearest
from lookalike.encode.clock import Clock
from lookalike.encode.steps import Columns, Measured, fit_in
from lookalike.errors import InputError
from lookalike.schema import ColumnSpec, Schema, Values
from lookalike.schema.axis import as_floats, decimals_of, natural_of, on_axis, rounding_of, unit_of
from lookalike.schema.breaches import allowance
from lookalike.schema.calendar import ticks_a_day
from lookalike.schema.constraints import Formula, Share
from lookalike.schema.grain import LARGEST_WHOLE
from lookalike.schema.values import as_kept
from lookalike.stats import FEW_PEOPLE

EXACT = float(np.finfo(np.float64).eps)
"""How far apart neighbouring floats of 64 bits lie, in proportion."""
MILLISECONDS_A_DAY = 86_400_000
SAME = 16
"""How many of its neighbours may lie between two floats that are the same number, computed in two ways."""


class Computed(Measured):
    """A number that a formula gives: not modelled, but computed from the others and rounded as the real one is.

    Where real cells are missing though the formula is known, or known though it is not, those two facts are modelled.
    """

    def __init__(self, constraint: Formula | Share, known: str, alone: str, schema: Schema) -> None:
        super().__init__(constraint.column, constraint.names[1:], alone, schema, constraint.words)
        self.constraint, self.known, self.schema = constraint, known, schema
        self.as_stored = False
        self.recurring: np.ndarray = np.zeros(0)

    def fit(self, columns: Columns) -> None:
        own = columns[self.target]
        self.dtype = own.as_numbers.dtype
        self.as_stored = self._is_nearer_as_stored(columns)
        self.recurring = self._recurring(own)
        due, unknown = self._due(columns)
        self._learn_alone(own, ~unknown)
        self.has_known = bool((own.missing & ~unknown).any()) or (self.has_alone and bool(own.missing.any()))
        both = ~unknown & ~own.missing
        real = own.as_numbers if unit_of(self.spec) is not None else on_axis(own, self.spec, None)
        hits = {up: int((self._rounded(due[both], up) == real[both]).sum()) for up in (False, True)}
        self.half_up = hits[True] > hits[False]

    def _recurring(self, own: Values) -> np.ndarray:
        """(k,) sorted: values that several people have, of a float without a last decimal. What a formula gives differs from them in its last place
        where they were computed or read otherwise, so it is taken for the one that it means."""
        if unit_of(self.spec) is not None or decimals_of(self.spec) is not None:
            return np.zeros(0)
        distinct, counts = np.unique(own.present, return_counts=True)
        return distinct[counts >= FEW_PEOPLE]

    def _is_nearer_as_stored(self, columns: Columns) -> bool:
        """Whether more cells are just what comes of floats of 32 bits as they are stored than of the decimals that those stand for:
        3.9100000858 is squared, not 3.91."""
        specs = [self.schema[name] for name in self.sources]
        if not any(spec.decimals is not None and rounding_of(spec) > EXACT for spec in specs):
            return False
        hits, self.recurring = list[int](), np.zeros(0)  # which would make both ways equal
        for self.as_stored in (False, True):
            due, unknown = self._due(columns)
            there = ~unknown & ~columns[self.target].missing
            found = as_kept(Values(~there, numbers=self._rounded(np.where(there, due, 0), False)), self.spec)
            hits.append(int(((found.numbers == columns[self.target].numbers) & there).sum()))
        return hits[1] > hits[0]

    def _due(self, columns: Columns) -> tuple[np.ndarray, np.ndarray]:
        """(n,) what the formula gives, int64 or float64, and where it is unknown."""
        assert isinstance(self.constraint, Formula)
        specs = {
            name: self.schema[name].replace(decimals=None) if self.as_stored else self.schema[name]
            for name in self.sources
        }
        parts = {name: natural_of(columns[name], spec) for name, spec in specs.items()}
        found = self.constraint.expression.evaluate(parts)
        return found.fill_null(0).to_numpy(), found.is_null().to_numpy(zero_copy_only=False)

    def solved(self, columns: Columns) -> dict[str, Values]:
        """The columns, the one source that a row lacks in it beside the target and all others, where the formula is a straight line in it, or one
        divided by it: the part of a sum that is left over, a price from what five cost, the hours of what was paid by the hour, a day by
        how long after another it is. And the target, where all others are there, unless it may be missing all the same."""
        found = dict(columns)
        due, unknown = self._due(found)
        lacking = found[self.target].missing & ~unknown
        if lacking.any() and not self.has_known:
            own, numbers = found[self.target], self._rounded(due, self.half_up)
            numbers = np.where(lacking, numbers, own.as_numbers).astype(self.dtype)
            found[self.target] = Values(own.missing & ~lacking, numbers=numbers)
        for name in self.sources:
            lacking, spec = found[name].missing & ~columns[self.target].missing, self.schema[name]
            if lacking.any() and spec.kind in ("integer", "float", "datetime") and not spec.span:
                found[name] = self._solved_for(name, lacking, found, divided=False)
                left = lacking & found[name].missing
                if left.any() and spec.kind != "datetime":
                    found[name] = self._solved_for(name, left, found, divided=True)
        return found

    def _solved_for(self, name: str, lacking: np.ndarray, columns: dict[str, Values], *, divided: bool) -> Values:
        """One source, in the ``lacking`` (n,) rows what gives the target, if that is so when it is computed from it. The line is laid through what
        two of its values give; through one ``divided`` by that."""
        assert isinstance(self.constraint, Formula)
        gap, spec, mine = columns[name], self.schema[name], as_floats(natural_of(columns[self.target], self.spec))
        own = unit_of(spec)
        one = ticks_a_day(spec) if spec.kind == "datetime" else gap.as_numbers.dtype.type(1 if own is None else 1 / own)
        (start, unknown), (after, _) = (
            self._due(
                columns | {name: Values(np.zeros(len(gap), bool), numbers=np.full_like(gap.as_numbers, step * one))}
            )
            for step in ((1, 2) if divided else (0, 1))
        )
        with np.errstate(divide="ignore", invalid="ignore"):
            wanted, start, after = (1 / part if divided else part for part in (mine, start, after))
            numbers = (wanted - start) / (after - start) + divided
        numbers = np.where(np.isfinite(numbers), numbers, np.inf)
        coarse = max(int(one) // MILLISECONDS_A_DAY, 1) if spec.kind == "datetime" else 1  # floats hold no nanoseconds
        if own is not None:
            numbers = np.round(numbers * (one // coarse if coarse > 1 else one))
        elif spec.decimals is not None:
            numbers = np.round(numbers, spec.decimals)
        fits = lacking & ~unknown & (np.abs(numbers) < LARGEST_WHOLE)
        cells = np.where(fits, numbers, 0).astype(gap.as_numbers.dtype) * gap.as_numbers.dtype.type(coarse)
        told, unknown = self._due(columns | {name: Values(~fits, numbers=cells)})
        fits &= ~unknown & (np.abs(told - mine) <= allowance(self.constraint.tolerance, self.spec, told))
        return Values(gap.missing & ~fits, numbers=np.where(fits, cells, gap.as_numbers).astype(cells.dtype))

    def _rounded(self, due: np.ndarray, half_up: bool) -> np.ndarray:
        """In the target's own unit and decimals, held to what its type can store."""
        own = unit_of(self.spec)
        if own is not None and due.dtype.kind == "i" and own == 1:
            return fit_in(due, self.spec, self.dtype)
        scale = 10.0 ** (decimals_of(self.spec) or 0)
        if own is None and self.spec.decimals is None:
            return self._at_recurring(due.astype(np.float64))
        # 2.345 is a little less than that in floats: what is a tie on paper is rounded as one
        whole = np.floor(due * scale + (0.5 + 1e-7)) if half_up else np.rint(due * scale)
        return whole / scale if own is None else fit_in(whole, self.spec, self.dtype)

    def _at_recurring(self, due: np.ndarray) -> np.ndarray:
        if not len(self.recurring):
            return due
        nearest = at_nearest(due, self.recurring)
        return np.where(np.abs(nearest - due) <= SAME * rounding_of(self.spec) * np.abs(due), nearest, due)

    def specs(self) -> list[ColumnSpec]:
        found = [ColumnSpec(name=self.known, kind="boolean", storage="bool")] if self.has_known else []
        return [*found, *self._alone_specs()]

    def forward(self, columns: Columns) -> dict[str, Values]:
        own, found = columns[self.target], {}
        if self.has_known:
            flags = pa.array([False, True])
            found[self.known] = Values(own.missing, codes=np.where(own.missing, -1, 1).astype(np.int32), levels=flags)
        return found | self._alone_cells(own, ~self._due(columns)[1])

    def backward(self, drawn: Columns, done: Columns) -> dict[str, Values]:
        due, unknown = self._due(done)
        missing = np.zeros(len(unknown), bool) if self.has_alone else unknown
        if self.has_known:
            missing = missing | drawn[self.known].missing
        return self._written(self._with_alone(self._rounded(due, self.half_up), ~unknown, drawn), missing)

    def carrier(self) -> str | None:
        return self.known if self.has_known else None

    def state(self) -> dict[str, Any]:
        return {
            "dtype": str(self.dtype),
            "has_known": self.has_known,
            "has_alone": self.has_alone,
            "fill": self.fill_alone.item(),
            "half_up": self.half_up,
            "as_stored": self.as_stored,
            "recurring": self.recurring.tolist(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        self.dtype = np.dtype(state["dtype"])
        self.has_known, self.has_alone = state["has_known"], state["has_alone"]
        self.half_up, self.as_stored = state["half_up"], state["as_stored"]
        self.recurring = np.array(state["recurring"], np.float64)
        self.fill_alone = self.dtype.type(state["fill"])


class Shared(Computed):
    """A number that is one of few shares of another: which share it is is modelled, the number computed and rounded.

    Where the other number is nought every share fits: it is taken for the commonest. Where it is missing and its share is not, that is
    modelled alone, and whether it is.
    """

    tells = True

    def __init__(self, constraint: Share, share: str, known: str, alone: str, schema: Schema) -> None:
        super().__init__(constraint, known, alone, schema)
        self.share, self.shares = share, np.sort(np.array(constraint.shares))
        self.levels = pa.array([f"{share:.12g}" for share in self.shares])
        self.commonest = 0

    def fit(self, columns: Columns) -> None:
        fits = self._fitting(columns)
        alone = fits[:, fits.sum(0) == 1]  # rows that tell
        self.commonest = int((alone if alone.size else fits).sum(1).argmax())
        super().fit(columns)
        self.has_known = self.has_alone and bool((columns[self.target].missing & np.isnan(self._whole(columns))).any())

    def solved(self, columns: Columns) -> dict[str, Values]:
        """The columns as they are: a number does not say which share of what it is."""
        return dict(columns)

    def _whole(self, columns: Columns) -> np.ndarray:
        """(n,) what it is a share of, NaN where that is missing."""
        (name,) = self.sources
        return as_floats(natural_of(columns[name], self.schema[name]))

    def _fitting(self, columns: Columns) -> np.ndarray:
        """(s, n) bool: which shares give each cell."""
        mine, due = as_floats(natural_of(columns[self.target], self.spec)), self.shares[:, None] * self._whole(columns)
        return np.asarray(np.abs(mine - due) <= allowance(None, self.spec, due))

    def _places(self, columns: Columns) -> np.ndarray:
        """(n,) which share each cell is; −1 where it is missing, or what it is a share of."""
        fits = self._fitting(columns)
        there = ~columns[self.target].missing & ~np.isnan(self._whole(columns))
        if (there & ~fits.any(0)).any():
            raise InputError(
                f"every cell must have a code, however: {int((there & ~fits.any(0)).sum())} cells of column {self.target!r} are no "
                f"share of the fitted table ({self.words}). Fit again with them."
            )
        return np.where(there, np.where(fits[self.commonest], self.commonest, fits.argmax(0)), -1)

    def _due(self, columns: Columns) -> tuple[np.ndarray, np.ndarray]:
        return self._of(self._places(columns), columns)

    def _of(self, places: np.ndarray, columns: Columns) -> tuple[np.ndarray, np.ndarray]:
        due = self.shares[places] * self._whole(columns)
        unknown = (places < 0) | np.isnan(due)
        return np.where(unknown, 0.0, due), unknown

    def specs(self) -> list[ColumnSpec]:
        levels = tuple(self.levels.to_pylist())
        return [ColumnSpec(name=self.share, kind="ordinal", levels=levels), *super().specs()]

    def forward(self, columns: Columns) -> dict[str, Values]:
        places = self._places(columns)
        own = Values(places < 0, codes=places.astype(np.int32), levels=self.levels)
        return {self.share: own, **super().forward(columns)}

    def backward(self, drawn: Columns, done: Columns) -> dict[str, Values]:
        own = drawn[self.share]
        assert own.codes is not None
        due, missing = self._of(np.where(own.missing, -1, own.codes), done)
        told = ~np.isnan(self._whole(done))
        if self.has_alone:
            missing = np.where(told, missing, drawn[self.known].missing if self.has_known else False)
        return self._written(self._with_alone(self._rounded(due, self.half_up), told, drawn), missing)

    def told_by(
        self, columns: Columns, drawn: Columns, written: Columns, clocks: Mapping[str, Clock]
    ) -> dict[str, Values]:
        """What it is a share of, by the share that was drawn, or the commonest one that fits; as it was drawn where the share is nought."""
        (name,) = self.sources
        own, theirs, other, share = columns[self.target], columns[name], written[name], drawn[self.share]
        assert share.codes is not None
        mine, shares = as_floats(natural_of(own, self.spec)), self.shares[share.codes]
        nought = (np.nan_to_num(mine) == 0) & (shares == 0) & ~share.missing
        usual = self.shares[self.commonest] or self.shares[self.shares != 0][0]
        whole = mine / np.where(share.missing | (shares == 0), usual, shares)
        spec, unit = self.schema[name], unit_of(self.schema[name])
        scale = 10.0 ** (decimals_of(spec) or 0) if unit is None else 1 / float(unit)
        rounded = whole if unit is None and spec.decimals is None else np.rint(whole * scale)
        numbers = fit_in(np.nan_to_num(rounded), spec, theirs.as_numbers.dtype) if unit is not None else rounded / scale
        missing = ~theirs.missing | own.missing | (nought & other.missing)
        numbers = np.where(nought, other.as_numbers, np.nan_to_num(numbers)).astype(theirs.as_numbers.dtype)
        return {name: Values(missing, numbers=np.where(missing, 0, numbers).astype(theirs.as_numbers.dtype))}

    def carrier(self) -> str | None:
        return None if self.has_alone else self.share

    def state(self) -> dict[str, Any]:
        return {**super().state(), "commonest": self.commonest}

    def restore(self, state: dict[str, Any]) -> None:
        super().restore(state)
        self.commonest = state["commonest"]
