"""Intervals hold what they are of as often as they say."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from lookalike.evaluate import confidence


@settings(max_examples=60)
@given(st.integers(1, 500), st.data())
def test_wilson_interval_holds_the_share(trials, data):
    hits = data.draw(st.integers(0, trials))
    low, high = confidence.wilson_interval(hits, trials)
    assert 0 <= low <= hits / trials + 1e-12 and hits / trials - 1e-12 <= high <= 1


@pytest.mark.parametrize("trials", [10, 15, 16, 50])
def test_wilson_interval_stays_within_0_and_1_where_rounding_would_not(trials):
    assert confidence.wilson_interval(0, trials)[0] == 0.0 and confidence.wilson_interval(trials, trials)[1] <= 1.0


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
            low, high = confidence.difference_interval(int(hits), trials, int(theirs), others)
            holds[hits, theirs] = low <= share - other <= high
        covered.append(float((likely * holds).sum()))
    assert min(covered) > 0.93 and np.mean(covered) == pytest.approx(0.96, abs=0.02)


def test_no_trial_says_nothing():
    assert confidence.wilson_interval(0, 0) == (0.0, 1.0)
