"""What a twin does with what it was fitted with: calibrated rows, saved and loaded."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest

import lookalike
from conftest import quick_fit
from lookalike.errors import InputError, LookalikeWarning, SettingsError
from lookalike.refine import FilterSettings


@pytest.fixture(scope="module")
def valley() -> pd.DataFrame:
    """y = |x|: a relation that a Gaussian copula cannot hold."""
    x = np.random.default_rng(0).uniform(-1, 1, 2000)
    return pd.DataFrame({"x": x.round(3), "y": abs(x).round(1).astype(str)})


def far_off(table: pd.DataFrame) -> float:
    """The share of rows well away from the valley."""
    return float((abs(abs(table.x) - table.y.astype(float)) > 0.25).mean())


@pytest.fixture(scope="module")
def calibrated(valley):
    return quick_fit(valley, engine="copula", calibrate=True, pool=10)


def test_calibration_mends_what_the_engine_cannot(valley, calibrated):
    plain = quick_fit(valley, engine="copula")
    assert far_off(calibrated.sample(seed=1)) < 0.5 * far_off(plain.sample(seed=1))
    notes = calibrated.information["notes"]["calibrated"]
    assert notes["sweeps"] > 0 and notes["held_out"]["after"] < notes["held_out"]["before"]


@pytest.mark.parametrize("rows", [0, 1, 30, 2500])
def test_the_count_is_exact(calibrated, rows):
    assert len(calibrated.sample(rows, seed=3)) == rows


def test_a_calibrated_twin_is_the_same_after_a_file(calibrated, tmp_path):
    calibrated.save(tmp_path / "v.twin")
    pd.testing.assert_frame_equal(
        lookalike.load(tmp_path / "v.twin").sample(200, seed=4), calibrated.sample(200, seed=4)
    )


def test_a_twin_says_whether_calibration_met_rows_held_back_better(calibrated, valley):
    assert "passes over all pairs of columns: " in repr(calibrated)
    noise = pd.DataFrame(np.random.default_rng(0).integers(0, 20, (150, 3)), columns=list("abc"))
    idle = quick_fit(noise, engine="copula", calibrate=True)
    assert not idle.calibration.sweeps and "left out, as it met rows held back no better" in repr(idle)


def test_a_twin_says_what_learned_weights_gave_each_member(valley):
    mixed = {"engine": "ensemble", "members": ["copula", "trees"], "cache": False, "run": lookalike.Run()}
    learned = lookalike.fit(valley, weights="learned", **mixed)
    assert re.search(r"weights   1-copula \d+\.\d %, 2-trees \d+\.\d %\n", repr(learned))
    assert lookalike.fit(valley, weights="equal", **mixed).weighed is None


def test_what_was_asked_for_goes_before_calibration(calibrated):
    with pytest.warns(LookalikeWarning, match="drawn without it"):
        assert (calibrated.sample(50, seed=5, where={"y": "0.9"}).y == "0.9").all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"pool": 7}, "pool: it only matters with calibrate=True.*Add calibrate=True"),
        ({"outlier_z": 3.0}, "outliers='keep'. Add outliers=z"),
        ({"max_modes": 5}, "intervals='quantiles'. Add intervals=modes"),
        ({"max_bins": 50, "intervals": "modes"}, "intervals='modes'"),
        ({"max_discrete": 64}, "above max_bins, however: max_discrete=64 and max_bins=100"),
        ({"enforce_min_max_values": False}, "no number here is kept as its distance from another. Add intervals=modes"),
        (
            {"engine": "ensemble", "members": ["trees", "copula"], "weights": [0.4, 0.6]},
            r"given with each member, however: weights=\[0.4, 0.6\]",
        ),
        ({"engine": "ensemble", "members": ["trees", "copula"], "epochs": 7}, "epochs=7 and none of them does"),
        ({"engine": "tvae", "patience": 3}, "patience.*early_stopping=False. Add early_stopping=True"),
        ({"engine": "autoregressive", "refit_rows": 9, "early_stopping": False}, "refit_rows.*early_stopping=False"),
        (
            {"engine": "ensemble", "members": ["trees", {"engine": "ctgan", "settings": {"patience": 3}}]},
            r"member 2 \(ctgan\): patience",
        ),
        (
            {"engine": "ensemble", "members": ["tvae", {"engine": "copula", "weight": 2}], "weights": "equal"},
            r"member 2 \(copula\) has weight=2 and weights='equal'",
        ),
    ],
)
def test_a_setting_that_would_change_nothing_is_refused(valley, settings, message):
    with pytest.raises(SettingsError, match=message):
        quick_fit(valley, **{"engine": "copula", **settings})


def test_a_filter_keeps_its_settings(calibrated, valley):
    with pytest.raises(SettingsError, match="has its settings already"):
        calibrated.filter(calibrated.filter(valley), FilterSettings(min_distance=0.2))


def test_too_few_rows_and_wrong_settings_are_refused_before_training(valley):
    with pytest.raises(SettingsError, match="calibration needs 100 rows"):
        quick_fit(valley.head(80), engine="copula", calibrate=True)
    with pytest.raises(SettingsError, match="pool"):
        quick_fit(valley, engine="copula", calibrate=True, pool=1)
    with pytest.raises(InputError):
        quick_fit(valley.head(1), engine="copula", calibrate=True)
