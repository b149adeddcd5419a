"""Exact counts of rows that pass."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookalike.errors import SamplingError
from lookalike.refine import refill


class Below:
    def __init__(self, limit: float) -> None:
        self.limit, self.name = limit, f"below {limit}"

    def keep(self, table: pa.Table) -> np.ndarray:
        return table.column("x").to_numpy() < self.limit


def uniform(count: int, attempt: int) -> pa.Table:
    return pa.table({"x": np.random.default_rng(attempt).random(count)})


@given(rows=st.integers(0, 300), limit=st.floats(0.2, 1.0))
def test_the_count_is_exact_and_every_row_passes(rows, limit):
    table = refill(rows, uniform, [Below(limit)])
    assert table.num_rows == rows
    assert (table.column("x").to_numpy() < limit).all()


def test_without_checks_the_first_draw_is_the_result():
    assert refill(7, uniform).equals(uniform(7, 0))


def test_what_never_passes_ends_and_names_the_check():
    with pytest.raises(SamplingError, match=r"0 of 10 .* below 0.0 \("):
        refill(10, uniform, [Below(0.9), Below(0.0)], tries=5)
