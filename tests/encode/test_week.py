"""Moments happen at the hours at which real ones do, though intervals are of days or months."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import quick_fit, scrambled
from lookalike.encode.base import EncoderSettings
from lookalike.encode.frame import TableEncoder
from lookalike.encode.week import FEWEST_MOMENTS, Week
from lookalike.schema.infer import infer_schema

DAY = 86_400


def moments(rows: int = 1500) -> np.ndarray:
    """Seconds since 1970, two years from 2023 on: Tuesdays to Saturdays from 9 to 17 o'clock, most of them at noon."""
    rng = np.random.default_rng(0)
    days = 19_358 + rng.integers(0, 700, 2 * rows)  # the first is a Monday, the sixth of seven that are not drawn
    days = days[np.isin((days + 3) % 7, [1, 2, 3, 4, 5])][:rows]
    hours = rng.triangular(9, 12, 17, rows)
    return days * DAY + (hours * 3600).astype(np.int64)


def encoder_of(table: pa.Table, intervals: str) -> TableEncoder:
    encoder = TableEncoder(infer_schema(table), EncoderSettings(intervals=intervals))
    encoder.fit(table, seed=0)
    return encoder


@pytest.mark.parametrize("intervals", ["quantiles", "modes"])
@pytest.mark.parametrize("unit", ["s", "ms", "us", "ns", "text"])
def test_made_moments_fall_where_real_ones_do(intervals, unit):
    real = pd.Series(moments().astype("datetime64[s]"))
    table = pa.table(
        {
            "at": pa.array(
                real.dt.strftime("%d.%m.%Y %H:%M:%S") if unit == "text" else real.astype(f"datetime64[{unit}]")
            )
        }
    )
    encoder = encoder_of(table, intervals)
    assert encoder.decode(encoder.encode(table, seed=0), seed=0).equals(table), "real rows come back to the second"
    made = encoder.decode(encoder.ties.settle(scrambled(encoder)), seed=1)
    again = TableEncoder.from_state(encoder.schema, json.loads(json.dumps(encoder.state())))
    assert made.equals(again.decode(again.ties.settle(scrambled(again)), seed=1))
    at = pd.to_datetime(made["at"].to_pandas(), format="%d.%m.%Y %H:%M:%S" if unit == "text" else None)
    assert at.between(real.min(), real.max()).all()
    closed = (at.dt.hour < 9) | (at.dt.hour >= 17) | at.dt.day_of_week.isin([0, 6])
    assert closed.mean() < 0.02
    assert abs(at.dt.hour.mean() - real.dt.hour.mean()) < 0.5


def test_an_engine_that_knows_codes_alone_keeps_the_hours():
    made = quick_fit(
        pa.table({"at": pa.array(moments().astype("datetime64[s]").astype("datetime64[us]"))}), engine="copula"
    ).sample(1000, seed=1)
    assert made["at"].to_pandas().dt.hour.between(9, 16).mean() > 0.98


@given(st.integers(-(10**9), 10**9), st.integers(0, 2**32), st.sampled_from([1, 1000, 10**6, 10**9]))
def test_the_axis_leads_there_and_back_and_keeps_the_order(start, seed, unit):
    rng = np.random.default_rng(seed)
    ticks = (start + np.sort(rng.integers(0, 400, 300)) * DAY + rng.integers(30_000, 60_000, 300)) * unit
    week = Week.of(ticks, int(ticks.min()), DAY * unit)
    assert week is not None
    distances = np.sort(np.concatenate([[0.0], (ticks - ticks.min()).astype(float), rng.random(50) * 400 * DAY * unit]))
    axis = week.there(distances)
    assert axis[0] == 0 and (np.diff(axis) >= 0).all()
    assert np.allclose(week.back(axis), distances, rtol=0, atol=1e-3 * unit)


@pytest.mark.parametrize(
    ("ticks", "day"),
    [
        (moments()[: FEWEST_MOMENTS - 1], DAY),
        (moments() % (20 * DAY), DAY),  # three weeks
        (moments() // DAY, 1),
    ],
)
def test_hours_of_few_moments_of_few_weeks_and_of_days_are_not_learned(ticks, day):
    assert Week.of(ticks, int(ticks.min()), day) is None
