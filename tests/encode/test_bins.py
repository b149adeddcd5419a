"""Quantile bins: nothing lost on the way there and back, frequencies kept, no piece between two single rows."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lookalike.encode.base import EncoderSettings
from lookalike.encode.bins import PIECES, ROWS_A_BIN, ROWS_A_PIECE, fit_bins, recurring
from lookalike.encode.numeric import NumericEncoder
from lookalike.schema import ColumnSpec, Values
from lookalike.stats import kolmogorov_smirnov, total_variation

NUMBERS = st.lists(st.integers(-(10**6), 10**6), min_size=1, max_size=300)


@given(numbers=NUMBERS, maximum=st.integers(1, 50))
@settings(max_examples=100)
def test_numbers_come_back_from_bin_and_residual(numbers, maximum):
    axis = np.array(numbers, float)
    bins = fit_bins(axis, maximum=maximum, grain=1.0, rare=5)
    places, residuals = bins.assign(axis, np.random.default_rng(0))
    assert 1 <= len(bins) <= maximum
    assert (np.abs(residuals) <= 1).all() and (np.diff(bins.means) > 0).all()
    back = np.round(bins.values(places, residuals))
    moved = back != axis
    distinct, counts = np.unique(axis, return_counts=True)
    often = distinct[counts >= 5]
    assert np.isin(back[moved], often).all() and not np.isin(axis[moved], often).any()
    between = [((often > min(pair)) & (often < max(pair))).any() for pair in zip(axis[moved], back[moved], strict=True)]
    assert not any(between)


@given(numbers=NUMBERS)
@settings(max_examples=100)
def test_bins_and_pieces_hold_the_rows_they_should(numbers):
    axis = np.array(numbers, float)
    bins = fit_bins(axis, maximum=100, grain=0.0, rare=5)
    places, _ = bins.assign(axis, np.random.default_rng(0))
    rows = np.bincount(places, minlength=len(bins))
    assert (rows >= min(ROWS_A_BIN, len(axis))).all()
    pieces = np.diff(bins.shares) * np.repeat(rows, np.diff(bins.starts))[:-1]
    whole = np.delete(pieces, bins.starts[1:-1] - 1)
    assert (whole[whole > 0] >= min(ROWS_A_PIECE, len(axis)) - 1e-9).all()
    alone = np.diff(bins.positions) == 0
    assert len(bins.positions) <= len(bins) * (PIECES + 1) + 3 * alone.sum()


def test_uniform_residuals_give_the_distribution_back():
    rng = np.random.default_rng(0)
    real = rng.lognormal(3, 1, 20_000)
    bins = fit_bins(real, maximum=20, grain=0.0, rare=5)
    made = bins.values(rng.integers(0, len(bins), 20_000), rng.uniform(-1, 1, 20_000))
    assert kolmogorov_smirnov(real, made) < 0.02


def test_values_of_a_grid_come_back_at_their_frequencies():
    """Even numbers are twice as frequent: rounding to the grain must keep that."""
    rng = np.random.default_rng(0)
    real = rng.integers(0, 400, 40_000)
    real = np.where(rng.random(40_000) < 1 / 3, real // 2 * 2, real).astype(float)
    bins = fit_bins(real, maximum=40, grain=1.0, rare=5)
    places, _ = bins.assign(real, rng)
    made = np.round(bins.values(places, rng.uniform(-1, 1, len(real))))
    even = [np.bincount(numbers.astype(int) % 2) for numbers in (real, made)]
    assert total_variation(*even) < 0.01


def test_no_real_value_is_drawn_for_certain():
    """Values that may lie anywhere do not come back: what is drawn lies between them."""
    rng = np.random.default_rng(0)
    real = rng.normal(size=500)
    bins = fit_bins(real, maximum=100, grain=0.0, rare=5)
    places, _ = bins.assign(real, rng)
    assert not np.isin(bins.values(places, rng.uniform(-1, 1, 500)), real).any()


FARES = np.sort(np.random.default_rng(1).uniform(4, 300, 250).round(4))


def test_values_that_recur_come_back_as_they_are():
    """Fares: 250 of them, where rounding leaves three million, of five rows and more, and of fewer."""
    rng = np.random.default_rng(0)
    real = rng.choice(FARES, 4_000, p=np.arange(250) / np.arange(250).sum())
    bins = fit_bins(real, maximum=100, grain=1e-4, rare=5)
    places, residuals = bins.assign(real, rng)
    common = np.isin(
        real, [value for value, count in zip(*np.unique(real, return_counts=True), strict=True) if count >= 5]
    )
    assert (bins.values(places, residuals)[common] == real[common]).all()
    made = bins.values(places, rng.uniform(-1, 1, len(real)))
    assert np.isin(made, real[common]).mean() > 0.98
    assert not np.isin(made, np.setdiff1d(real, real[common])).any()
    counts = [(numbers[:, None] == FARES).sum(0) for numbers in (real, made)]
    assert total_variation(*counts) < 0.08


def test_what_recurs_by_chance_on_a_dense_grid_is_left_alone():
    real = np.random.default_rng(0).integers(0, 1_000, 3_000).astype(float)
    distinct, counts = np.unique(real, return_counts=True)
    assert (counts >= 5).sum() > 100
    assert recurring(distinct, counts, grain=1.0, rare=5).sum() < 20


@pytest.mark.parametrize("numbers", [[7.0], [7.0] * 40, [1.0] * 20 + [2.0] * 20])
def test_few_values_make_few_bins(numbers):
    bins = fit_bins(np.array(numbers), maximum=100, grain=1.0, rare=5)
    assert len(bins) == len(set(numbers))


def test_one_beside_many_does_not_share_their_rows():
    """One record of four years beside eighty of five, in a bin of both."""
    real = np.repeat([4.0, 5.0, 6.0, 7.0], [1, 80, 80, 80])
    bins = fit_bins(real, maximum=100, grain=1.0, rare=5)
    places, _ = bins.assign(real, np.random.default_rng(0))
    made = np.round(bins.values(places, np.random.default_rng(1).uniform(-1, 1, len(real))))
    assert (made == 4).sum() == 0 and 70 <= (made == 5).sum() <= 90


def test_a_range_that_rows_fill_thinly_is_not_cut_down_to_its_frequent_values():
    """Ages of 400 people: many have one that fewer than five have, and all ages between come back."""
    real = np.random.default_rng(0).integers(18, 95, 400)
    real[:150] = 40
    encoder = NumericEncoder(ColumnSpec(name="age", kind="integer"), EncoderSettings(intervals="quantiles"))
    values = Values(np.zeros(len(real), bool), numbers=real)
    encoder.fit(values, np.random.default_rng(0))
    codes, _ = encoder.encode(values, np.random.default_rng(0))
    made = encoder.decode(codes, np.random.default_rng(1).uniform(-1, 1, len(codes)), np.random.default_rng(2)).numbers
    distinct, counts = np.unique(real, return_counts=True)
    assert counts[counts < 5].sum() > 100
    assert len(np.unique(made)) > 0.85 * len(distinct) and abs((made == 40).mean() - (real == 40).mean()) < 0.03


@pytest.mark.parametrize(("pair", "shown"), [((0, 7_654_321), False), ((0, 1), True), ((1, 2), True)])
def test_of_two_values_that_of_one_person_is_shown_where_it_is_a_flag(pair, shown):
    real = np.repeat(pair, [600, 1])
    encoder = NumericEncoder(ColumnSpec(name="bonus", kind="integer"), EncoderSettings(intervals="quantiles"))
    encoder.fit(Values(np.zeros(601, bool), numbers=real), np.random.default_rng(0))
    assert (pair[1] in encoder.spikes) == shown and not (pair[1] in np.atleast_1d(encoder.high) and not shown)
