"""Laws of the floor's statistics, against slow and obvious versions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lookalike import stats

numbers = st.lists(st.floats(-1e9, 1e9, allow_nan=False), min_size=1, max_size=30).map(np.array)


@settings(max_examples=60)
@given(numbers, numbers)
def test_kolmogorov_smirnov_is_the_largest_gap(first, second):
    points = np.concatenate([first, second])
    slow = max(abs((first <= point).mean() - (second <= point).mean()) for point in points)
    assert stats.kolmogorov_smirnov(first, second) == pytest.approx(slow)
    assert stats.kolmogorov_smirnov(first, first) == 0


@given(st.lists(st.floats(-1e4, 1e4), min_size=1, max_size=20), st.floats(0.01, 1e4), st.data())
def test_counts_are_put_onto_the_nearest_that_add_up(counts, total, data):
    """No other counts that are none negative and add up lie nearer to what noise left."""
    counts = np.array(counts)
    found = stats.onto_total(counts, total)
    assert (found >= 0).all() and found.sum() == pytest.approx(total, rel=1e-9, abs=1e-7)
    shares = np.array(data.draw(st.lists(st.floats(0.01, 1), min_size=len(counts), max_size=len(counts))))
    other = total * shares / shares.sum()
    assert np.linalg.norm(found - counts) <= np.linalg.norm(other - counts) + 1e-6


@given(st.lists(st.integers(-5, 5), max_size=20), st.lists(st.integers(-5, 5), max_size=20))
def test_values_are_found_where_they_first_stand(values, known):
    known = sorted(known)
    wanted = [known.index(value) if value in known else -1 for value in values]
    assert stats.places_among(np.array(values, np.int64), np.array(known, np.int64)).tolist() == wanted


def test_a_person_of_most_rows_is_held_out_in_part():
    groups = np.repeat([1, 2, 3], [60, 20, 20])
    for seed in range(20):
        others, aside = stats.hold_out(100, 10, np.random.default_rng(seed), groups)
        assert (
            len(aside) in (10, 20) and len(others) + len(aside) == 100
        )  # a whole one of 20, or 10 rows of the one of 60


def test_empty_input_is_nan_and_not_a_warning():
    empty = np.array([])
    for value in (stats.total_variation(empty, empty), stats.kolmogorov_smirnov(empty, empty), stats.mean([])):
        assert math.isnan(value)
