"""Numbers that end alike come back ending so, as often as real ones do; others are left to plain bins."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lookalike.encode.base import EncoderSettings
from lookalike.encode.bins import Bins
from lookalike.encode.endings import ByEnding, Ending, find_endings, fit_by_ending
from lookalike.encode.numeric import NumericEncoder
from lookalike.schema import ColumnSpec, Values


def prices(rows: int, seed: int = 0) -> np.ndarray:
    """Cents: seven in ten end in .99, two in .50, one anyhow."""
    rng = np.random.default_rng(seed)
    whole = np.exp(rng.normal(9, 1.5, rows)).astype(np.int64) * 100
    return (
        whole
        + rng.choice([99, 50, -1], rows, p=[0.7, 0.2, 0.1])
        + np.where(rng.random(rows) < 0.1, rng.integers(0, 100, rows), 0)
    )


def drawn(cut: Bins | ByEnding, numbers: np.ndarray) -> np.ndarray:
    """Numbers from the real ones' bins and residuals drawn anew."""
    rng = np.random.default_rng(1)
    places, _ = cut.assign(numbers, rng)
    return cut.values(places, rng.uniform(-1, 1, len(numbers)))


@pytest.mark.parametrize(
    ("numbers", "endings"),
    [
        (prices(4_000) // 100 * 100 + 99, [Ending(100, 99)]),
        (np.random.default_rng(0).integers(1, 10**6, 3_000) * 1_000, [Ending(1_000, 0)]),
        (np.random.default_rng(0).integers(0, 10**7, 3_000), []),
        (np.random.default_rng(0).normal(0, 300, 3_000).round().astype(np.int64), []),
        ((100 * np.random.default_rng(0).lognormal(6, 1, 3_000)).round().astype(np.int64), []),
        (np.zeros(3_000, np.int64), []),
        (np.zeros(0, np.int64), []),
    ],
    ids=["prices", "thousands", "anyhow", "narrow", "skewed", "one value", "none"],
)
def test_what_numbers_end_in_is_found(numbers, endings):
    assert find_endings(numbers) == endings


def test_longer_endings_go_before_those_they_end_in():
    rng = np.random.default_rng(0)
    budgets = rng.integers(1, 5_000, 4_000) * np.where(rng.random(4_000) < 0.5, 10**6, 10**3)
    assert find_endings(budgets)[0].modulus == 10**6 and find_endings(budgets)[-1] == Ending(1_000, 0)


@given(
    numbers=st.lists(st.tuples(st.integers(-(10**5), 10**5), st.sampled_from([1, 5, 100])), min_size=1, max_size=400),
    maximum=st.integers(1, 50),
    grain=st.sampled_from([1.0, 0.25]),
)
@settings(max_examples=150)
def test_numbers_come_back_from_bin_and_residual(numbers, maximum, grain):
    axis = grain * np.array([number // tens * tens for number, tens in numbers], float)
    cut = fit_by_ending(axis, maximum=maximum, grain=grain, rare=5)
    places, residuals = cut.assign(axis, np.random.default_rng(0))
    assert (np.abs(residuals) <= 1).all() and places.min() >= 0 and places.max() < len(cut) == len(cut.means)
    assert (np.rint(cut.values(places, residuals) / grain) == axis / grain).all()


def test_endings_come_back_as_often_as_they_came():
    real = prices(8_000).astype(float)
    cut = fit_by_ending(real, maximum=100, grain=1.0, rare=5)
    made = drawn(cut, real)
    assert isinstance(cut, ByEnding)
    for ending in (99, 50):
        assert np.mean(made % 100 == ending) == np.mean(real % 100 == ending)
    assert abs(np.median(made) / np.median(real) - 1) < 0.02
    assert np.mean(np.isin(made, real)) < 0.5  # of 8,000 prices some are met by chance


def test_values_that_bins_tell_apart_are_left_to_them():
    dense = np.random.default_rng(0).integers(0, 300, 6_000) // 2 * 2
    assert isinstance(fit_by_ending(dense.astype(float), maximum=100, grain=1.0, rare=5), Bins)
    assert isinstance(fit_by_ending(prices(2_000).astype(float), maximum=100, grain=0.0, rare=5), Bins)


def test_a_number_without_a_known_ending_has_a_code():
    cut = fit_by_ending(prices(2_000).astype(float) // 100 * 100 + 99, maximum=100, grain=1.0, rare=5)
    assert isinstance(cut, ByEnding) and len(cut.parts) == 1
    places, residuals = cut.assign(np.array([812_345.0]), np.random.default_rng(0))
    assert abs(cut.values(places, residuals)[0] - 812_345) <= 50


@pytest.mark.parametrize("kind", ["integer", "float"])
def test_an_encoder_keeps_them_through_a_file(kind: str):
    numbers = prices(3_000) if kind == "integer" else prices(3_000) / 100
    encoder = NumericEncoder(
        ColumnSpec(name="price", kind=kind, decimals=None if kind == "integer" else 2),
        EncoderSettings(intervals="quantiles"),
    )
    values, rng = Values(missing=np.zeros(len(numbers), bool), numbers=numbers), np.random.default_rng(0)
    encoder.fit(values, rng)
    again = NumericEncoder(encoder.spec, encoder.settings)
    again.restore(json.loads(json.dumps(encoder.state())))
    codes, residuals = again.encode(values, rng)
    assert isinstance(again.intervals, ByEnding)
    assert (again.decode(codes, residuals, rng).numbers == numbers).all()
    made = again.decode(codes, np.where(residuals != 0, rng.uniform(-1, 1, len(codes)), 0.0), rng).numbers
    cents = np.rint(made * (1 if kind == "integer" else 100)).astype(np.int64)
    assert np.mean(cents % 100 == 99) == pytest.approx(np.mean(prices(3_000) % 100 == 99), abs=0.002)


def test_moments_keep_to_full_hours_and_days():
    rng = np.random.default_rng(0)
    at = rng.integers(0, 10**8, 4_000)
    at = (
        np.where(rng.random(4_000) < 0.3, at // 86_400 * 86_400, np.where(rng.random(4_000) < 0.5, at // 900 * 900, at))
        * 1_000
    )
    encoder = NumericEncoder(
        ColumnSpec(name="at", kind="datetime", storage="timestamp[ms]", step=1_000),
        EncoderSettings(intervals="quantiles"),
    )
    values = Values(missing=np.zeros(len(at), bool), numbers=at)
    encoder.fit(values, rng)
    codes, residuals = encoder.encode(values, rng)
    made = encoder.decode(codes, np.where(residuals != 0, rng.uniform(-1, 1, len(at)), 0.0), rng).numbers
    for every in (86_400_000, 900_000, 1_000):
        assert abs(np.mean(made % every == 0) - np.mean(at % every == 0)) < 0.005
