"""Laws of the floor's statistics, against slow and obvious versions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from lookalike import stats

numbers = st.lists(st.floats(-1e9, 1e9, allow_nan=False), min_size=1, max_size=30).map(np.array)
codes = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2)), min_size=1, max_size=40).map(np.array)


@settings(max_examples=60, deadline=None)
@given(numbers, numbers)
def test_kolmogorov_smirnov_is_the_largest_gap(first, second):
    points = np.concatenate([first, second])
    slow = max(abs((first <= point).mean() - (second <= point).mean()) for point in points)
    assert stats.kolmogorov_smirnov(first, second) == pytest.approx(slow)
    assert stats.kolmogorov_smirnov(first, first) == 0


@settings(max_examples=60, deadline=None)
@given(codes)
def test_cramers_v_is_that_of_the_chi_squared_table(pairs):
    first, second = pairs.T
    cells, (counts,) = stats.joint_cells([(first, second)], (4, 3))
    table = counts.reshape(4, 3)
    table = table[table.sum(1) > 0][:, table.sum(0) > 0]
    ours = stats.cramers_v(cells, counts, 3)
    if min(table.shape) < 2:
        assert math.isnan(ours)
        return
    expected = np.outer(table.sum(1), table.sum(0)) / table.sum()
    chi_squared = ((table - expected) ** 2 / expected).sum()
    assert ours == pytest.approx(math.sqrt(chi_squared / table.sum() / (min(table.shape) - 1)), abs=1e-7)


@settings(max_examples=60, deadline=None)
@given(codes)
def test_sparse_and_dense_counts_agree(pairs):
    first, second = pairs.T
    dense = stats.joint_cells([(first, second), (second, second)], (4, 3))
    sparse = stats.joint_cells([(first, second), (second, second)], (4, 3 * 10**9))
    assert [counts[counts > 0].tolist() for counts in dense[1]] == [counts[counts > 0].tolist() for counts in sparse[1]]
    one, other = stats.cramers_v(dense[0], dense[1][0], 3), stats.cramers_v(sparse[0], sparse[1][0], 3 * 10**9)
    assert one == pytest.approx(other, nan_ok=True)


@settings(max_examples=60, deadline=None)
@given(numbers)
def test_pearson_is_symmetric_bounded_and_blind_to_scale(first):
    second = np.arange(len(first)) * 1.0
    value = stats.pearson(first, second)
    assert math.isnan(value) or -1 <= value <= 1
    assert stats.pearson(second, first) == pytest.approx(value, nan_ok=True)
    assert stats.pearson(first, -second) == pytest.approx(-value, nan_ok=True)


def test_pearson_survives_the_largest_and_smallest_floats():
    big = np.array([1e308, -1e308, 0.5e308])
    assert stats.pearson(big, np.array([1.0, -1.0, 0.5])) == pytest.approx(1)
    assert stats.pearson(np.array([0.0, 5e-324, 5e-324]), np.array([0.0, 1.0, 1.0])) == pytest.approx(1)


@settings(max_examples=60, deadline=None)
@given(codes)
def test_correlation_ratio_is_1_where_the_label_says_all(pairs):
    label, other = pairs.T
    assert stats.correlation_ratio(label, label * 2.0) == pytest.approx(1) if len(set(label.tolist())) > 1 else True
    value = stats.correlation_ratio(label, other * 1.0)
    assert math.isnan(value) or 0 <= value <= 1


@settings(max_examples=60, deadline=None)
@given(st.integers(1, 500), st.data())
def test_wilson_interval_holds_the_share(trials, data):
    hits = data.draw(st.integers(0, trials))
    low, high = stats.wilson_interval(hits, trials)
    assert 0 <= low <= hits / trials + 1e-12 and hits / trials - 1e-12 <= high <= 1


@pytest.mark.parametrize("trials", [10, 15, 16, 50])
def test_wilson_interval_stays_within_0_and_1_where_rounding_would_not(trials):
    assert stats.wilson_interval(0, trials)[0] == 0.0 and stats.wilson_interval(trials, trials)[1] <= 1.0


@pytest.mark.parametrize(("trials", "others"), [(30, 30), (200, 20), (60, 400)])
def test_the_interval_of_a_difference_holds_it_as_often_as_it_says(trials, others):
    """Every outcome there is, weighed by how likely it is: no draw decides."""
    covered = []
    for share, other in [(0.02, 0.02), (0.1, 0.05), (0.3, 0.3), (0.5, 0.2), (0.9, 0.7)]:
        likely = np.outer(
            binom.pmf(np.arange(trials + 1), trials, share), binom.pmf(np.arange(others + 1), others, other)
        )
        holds = np.zeros_like(likely)
        for hits, theirs in np.argwhere(likely > 1e-9):
            low, high = stats.difference_interval(int(hits), trials, int(theirs), others)
            holds[hits, theirs] = low <= share - other <= high
        covered.append(float((likely * holds).sum()))
    assert min(covered) > 0.93 and np.mean(covered) == pytest.approx(0.96, abs=0.02)


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
    for value in (
        stats.total_variation(empty, empty), stats.kolmogorov_smirnov(empty, empty), stats.pearson(empty, empty),
        stats.correlation_ratio(empty.astype(int), empty), stats.mean([]),
    ):  # fmt: skip
        assert math.isnan(value)
    assert stats.wilson_interval(0, 0) == (0.0, 1.0)
