"""How strongly columns go together, against slow and obvious versions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lookalike.evaluate import associations

numbers = st.lists(st.floats(-1e9, 1e9, allow_nan=False), min_size=1, max_size=30).map(np.array)
codes = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), min_size=1, max_size=40).map(np.array)


@settings(max_examples=60)
@given(codes)
def test_cramers_v_is_that_of_the_chi_squared_table(pairs):
    first, second = pairs.T
    cells, (counts,) = associations.joint_cells([(first, second)], (4, 3))
    table = counts.reshape(4, 3)
    table = table[table.sum(1) > 0][:, table.sum(0) > 0]
    ours = associations.cramers_v(cells, counts, 3)
    if min(table.shape) < 2:
        assert math.isnan(ours)
        return
    expected = np.outer(table.sum(1), table.sum(0)) / table.sum()
    chi_squared = ((table - expected) ** 2 / expected).sum()
    assert ours == pytest.approx(math.sqrt(chi_squared / table.sum() / (min(table.shape) - 1)), abs=1e-7)


@settings(max_examples=60)
@given(codes)
def test_sparse_and_dense_counts_agree(pairs):
    first, second = pairs.T
    dense = associations.joint_cells([(first, second), (second, second)], (4, 3))
    sparse = associations.joint_cells([(first, second), (second, second)], (4, 3 * 10**9))
    assert [counts[counts > 0].tolist() for counts in dense[1]] == [counts[counts > 0].tolist() for counts in sparse[1]]
    one, other = (
        associations.cramers_v(dense[0], dense[1][0], 3),
        associations.cramers_v(sparse[0], sparse[1][0], 3 * 10**9),
    )
    assert one == pytest.approx(other, nan_ok=True)


@settings(max_examples=60)
@given(numbers)
def test_pearson_is_symmetric_bounded_and_blind_to_scale(first):
    second = np.arange(len(first)) * 1.0
    value = associations.pearson(first, second)
    assert math.isnan(value) or -1 <= value <= 1
    assert associations.pearson(second, first) == pytest.approx(value, nan_ok=True)
    assert associations.pearson(first, -second) == pytest.approx(-value, nan_ok=True)


def test_pearson_survives_the_largest_and_smallest_floats():
    big = np.array([1e308, -1e308, 0.5e308])
    assert associations.pearson(big, np.array([1.0, -1.0, 0.5])) == pytest.approx(1)
    assert associations.pearson(np.array([0.0, 5e-324, 5e-324]), np.array([0.0, 1.0, 1.0])) == pytest.approx(1)


@settings(max_examples=60)
@given(codes)
def test_correlation_ratio_is_1_where_the_label_says_all(pairs):
    label, other = pairs.T
    assert (
        associations.correlation_ratio(label, label * 2.0) == pytest.approx(1) if len(set(label.tolist())) > 1 else True
    )
    value = associations.correlation_ratio(label, other * 1.0)
    assert math.isnan(value) or 0 <= value <= 1


def test_empty_input_is_nan_and_not_a_warning():
    empty = np.array([])
    assert math.isnan(associations.pearson(empty, empty))
    assert math.isnan(associations.correlation_ratio(empty.astype(int), empty))
