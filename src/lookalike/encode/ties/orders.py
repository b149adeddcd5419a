"""Columns in order but far apart: where two cells of a row came out the wrong way round, by little mostly, they change places.

An engine that draws one in June and the other in the same month's bin has them in order half of the time. Were such rows drawn again, those
whose cells lie close together would be too few (Aids2, of whose rows one in thirteen was: accuracy ÷ fresh .997 → .990, AUC .562 → .585).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np

from lookalike.encode.base import ColumnEncoder
from lookalike.schema import ColumnSpec, Schema, Values
from lookalike.schema.axis import unit_of
from lookalike.schema.constraints import Inequality


def orders_of(schema: Schema, encoders: Mapping[str, ColumnEncoder]) -> list[tuple[str, str]]:
    """Return neighbours in orders that are kept by choice, written in the same way, so that a cell of one may stand in the other."""
    return [
        (low, high)
        for order in schema.constraints
        if isinstance(order, Inequality) and order.kept_by == "choice"
        for low, high in pairwise(order.columns)
        if low in encoders and high in encoders and _alike(encoders[low].spec, encoders[high].spec)
    ]


def _alike(one: ColumnSpec, other: ColumnSpec) -> bool:
    same = [(spec.kind, unit_of(spec), spec.decimals, spec.step) for spec in (one, other)]
    return same[0] == same[1]


def put_in_order(
    orders: Sequence[tuple[str, str]], drawn: Mapping[str, Values], known: Mapping[str, np.ndarray]
) -> None:
    """Exchange the decoded cells of each pair where the first is above the second; ``known`` (n,) cells of a column stay."""
    for low, high in orders:
        one, other = drawn[low], drawn[high]
        free = ~(one.missing | other.missing | known[low] | known[high])
        wrong = np.flatnonzero(free & (one.as_numbers > other.as_numbers))
        one.as_numbers[wrong], other.as_numbers[wrong] = other.as_numbers[wrong], one.as_numbers[wrong]
