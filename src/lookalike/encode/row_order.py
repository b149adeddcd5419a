"""The order in which rows stand: a log by its moments, lines by their orders, readings by meter and then by day.

No engine knows of it, as each row is drawn by itself. Rows made are put in the order of the real ones last, batch by batch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from lookalike.dependence import DEPENDENCY_SURPRISE, by_chance, in_order
from lookalike.schema import ColumnSpec, Schema, parse
from lookalike.schema.values import numbered, ranks_of, widen

Way = Literal["rising", "falling", "gathered"]
MOST_STEPS = 4
"""Columns that tell the order one after the other, at most."""
GLANCE = 1_000
"""First rows, which tell most columns that stand in no order."""


@dataclass(frozen=True)
class RowOrder:
    """What the rows of a table are sorted by.

    Attributes
    ----------
    steps
        Columns and how their cells stand where those of all columns before are the same: rising, falling, or those that are the same together.
    rising_keys
        Keys whose cells never fall from row to row; new ones are handed to the rows so.

    >>> from lookalike.schema.infer import infer_schema
    >>> day, meter = (cells.ravel() for cells in np.meshgrid(np.arange(40), np.arange(3), indexing="ij"))
    >>> table = pa.table({"meter": [f"m{i}" for i in meter], "day": day})
    >>> order = RowOrder.find(table, infer_schema(table))
    >>> order.steps
    (('day', 'rising'), ('meter', 'rising'))
    >>> order.sort(table.take(np.arange(120)[::-1]), infer_schema(table)).equals(table)
    True
    """

    steps: tuple[tuple[str, Way], ...] = ()
    rising_keys: tuple[str, ...] = ()

    @classmethod
    def find(cls, table: pa.Table, schema: Schema) -> RowOrder:
        """Return what all rows are sorted by, as chance would hardly have it: numbers and dates are tried first, then labels, then keys."""
        if table.num_rows < 2:
            return cls()
        late = {"category": 1, "ordinal": 1, "boolean": 1, "key": 2}
        may = [spec for spec in schema.kept if spec.repeated or spec.kind not in ("key", "constant", "text")]
        left = {spec.name: spec for spec in sorted(may, key=lambda spec: late.get(spec.kind, 0))}
        first = {spec.name: _ranks(table.slice(0, GLANCE), spec) for spec in schema.kept}
        ranks = cache(lambda name: _ranks(table, schema[name]))
        steps: list[tuple[str, Way]] = []
        whole = groups = np.zeros(table.num_rows, np.int64)
        keys = [spec for spec in may if spec.repeated and _stands(first[spec.name], whole[:GLANCE], spec) is not None]
        gathered = [spec.name for spec in keys if _way(ranks(spec.name), whole, spec) is not None]
        while len(steps) < MOST_STEPS:
            glance = ((name, spec, _stands(first[name], groups[:GLANCE], spec)) for name, spec in left.items())
            ways = ((name, _way(ranks(name), groups, spec)) for name, spec, may_be in glance if may_be is not None)
            # real orders may have no moment in common, made ones do: their lines stand together all the same
            key: tuple[str, Way] | None = next(
                ((name, "gathered") for name in gathered if steps and name in left), None
            )
            step = key or next(((name, way) for name, way in ways if way is not None), None)
            if step is None:
                break
            steps.append(step)
            del left[step[0]]
            groups = _stretches(ranks(step[0]), groups)
        named = [spec.name for spec in schema.kept if spec.kind == "key" and spec.refers is None]
        alike = (name for name in named if in_order(first[name], whole[:GLANCE]))
        rising = [name for name in alike if _way(ranks(name), whole, schema[name]) == "rising"]
        return cls(tuple(steps), tuple(rising))

    def sort(self, table: pa.Table, schema: Schema) -> pa.Table:
        """Return the rows in order, and rising keys in that of the rows."""
        if self.steps:
            by = [self._sorted_by(table, schema[name], way) for name, way in self.steps]
            table = table.take(pa.array(np.lexsort(by[::-1])))
        for name in self.rising_keys:
            cells = table.column(name).combine_chunks().dictionary_encode()
            table = table.set_column(table.column_names.index(name), name, cells.dictionary.sort().take(cells.indices))
        return table

    @staticmethod
    def _sorted_by(table: pa.Table, spec: ColumnSpec, way: Way) -> np.ndarray:
        if way == "gathered":
            return numbered(widen(table.column(spec.name).combine_chunks()))
        ranks = _ranks(table, spec)
        return ranks if way == "rising" else -ranks

    def state(self) -> dict[str, Any]:
        """What was found, as JSON."""
        return {"steps": [list(step) for step in self.steps], "rising_keys": list(self.rising_keys)}

    @classmethod
    def from_state(cls, state: Mapping[str, Any]) -> RowOrder:
        """Take up what :meth:`state` gave."""
        return cls(tuple((name, way) for name, way in state["steps"]), tuple(state["rising_keys"]))


def _ranks(table: pa.Table, spec: ColumnSpec) -> np.ndarray:
    """(n,) whole numbers in the order of the cells, as texts where they are no numbers; −1 where one is missing."""
    cells = table.column(spec.name).combine_chunks()
    if spec.numeric:
        return ranks_of(parse(cells, spec))
    coded = widen(cells).dictionary_encode()
    levels = coded.dictionary
    order = levels if pa.types.is_boolean(levels.type) else levels.sort()
    return np.asarray(pc.index_in(levels, order).take(coded.indices).fill_null(-1).to_numpy(), np.int64)


def _stands(cells: np.ndarray, groups: np.ndarray, spec: ColumnSpec) -> Way | None:
    """How (n,) cells stand within groups (n,) of rows; None where in no way, or where one is missing."""
    if (cells < 0).any():
        return None
    if in_order(cells, groups):
        return "rising"
    if in_order(-cells, groups):
        return "falling"
    pairs = np.unique(groups * (int(cells.max()) + 1) + cells)
    return "gathered" if not spec.numeric and len(pairs) == _stretches(cells, groups)[-1] + 1 else None


def _way(cells: np.ndarray, groups: np.ndarray, spec: ColumnSpec) -> Way | None:
    """As :func:`_stands`, where chance would hardly have it."""
    way = _stands(cells, groups, spec)
    if way == "gathered":
        return None if _gathered_by_chance(cells, groups) else way
    return None if way is None or by_chance(cells, groups) else way


def _stretches(cells: np.ndarray, groups: np.ndarray) -> np.ndarray:
    """(n,) which stretch of the same cell within the same group each row is of, from 0."""
    return np.append(0, np.cumsum((groups[1:] != groups[:-1]) | (cells[1:] != cells[:-1])))


def _gathered_by_chance(cells: np.ndarray, groups: np.ndarray) -> bool:
    """Whether the same (n,) cells may stand together within groups (n,) by chance: of all orders of a group's cells, so many have them so."""
    stretches = _stretches(cells, groups)
    lengths = [
        np.bincount(groups),
        np.bincount(stretches),
        np.bincount(groups[np.flatnonzero(np.diff(stretches, prepend=-1))]),
    ]
    size, same, kinds = (sum(math.lgamma(count + 1) for count in part.tolist()) for part in lengths)
    return size - same - kinds < DEPENDENCY_SURPRISE
