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


def uniform(sizes: list[int], attempt: int) -> tuple[pa.Table, np.ndarray]:
    rng = np.random.default_rng(attempt)
    part = rng.permutation(np.repeat(np.arange(len(sizes)), sizes))
    return pa.table({"x": rng.random(len(part)), "part": part}), part


@given(rows=st.integers(0, 300), limit=st.floats(0.2, 1.0))
def test_the_count_is_exact_and_every_row_passes(rows, limit):
    table = refill([rows], uniform, [Below(limit)])
    assert table.num_rows == rows
    assert (table.column("x").to_numpy() < limit).all()


def test_without_checks_the_first_draw_is_the_result():
    assert refill([7, 2], uniform).equals(uniform([7, 2], 0)[0])


@given(sizes=st.lists(st.integers(0, 60), min_size=1, max_size=5), limit=st.floats(0.05, 1.0))
def test_every_part_has_its_count(sizes, limit):
    class Harder:
        name = "lower in later parts"

        def keep(self, table):
            return table.column("x").to_numpy() < limit / (1 + table.column("part").to_numpy())

    part = refill(sizes, uniform, [Harder()]).column("part").to_numpy()
    assert np.bincount(part, minlength=len(sizes)).tolist() == sizes


def test_what_seldom_passes_is_found():
    assert refill([500], uniform, [Below(0.002)]).num_rows == 500


@pytest.mark.parametrize("rows", [40, 2_000])
def test_rows_that_come_once_each_are_drawn_to_the_last(rows):
    """The last one of them passes once in as many draws as there are."""

    class Once:
        name = "once"

        def __init__(self):
            self.seen: set[int] = set()

        def keep(self, table):
            new = [not (x in self.seen or self.seen.add(x)) for x in (table.column("x").to_numpy() * rows).astype(int)]
            return np.array(new, bool)

    made = refill([rows], uniform, [Once()]).column("x").to_numpy()
    assert len(set((made * rows).astype(int))) == rows


def test_what_would_take_more_draws_than_there_are_is_given_up_early():
    draws: list[int] = []

    def counted(sizes: list[int], attempt: int) -> tuple[pa.Table, np.ndarray]:
        draws.append(sum(sizes))
        return uniform(sizes, attempt)

    with pytest.raises(SamplingError, match=r"of 2,000 did among"):
        refill([2_000], counted, [Below(0.0001)])
    assert sum(draws) < 200_000


def test_what_never_passes_ends_and_names_the_check():
    with pytest.raises(SamplingError, match=r"0 of 10 .* below 0.0 \("):
        refill([10], uniform, [Below(0.9), Below(0.0)], tries=5)
