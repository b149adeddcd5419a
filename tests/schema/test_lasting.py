"""Spans of time that are text: read as seconds, written letter for letter, and no keys."""

from fractions import Fraction

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookalike import Run, fit
from lookalike.errors import InputError
from lookalike.report.axes import drawn_numbers
from lookalike.schema import ColumnSpec, lasting, parse, spell
from lookalike.schema.axis import unit_of
from lookalike.schema.infer import infer_column

FRACTIONS = "%D days %H:%M:%S.%f"


@given(st.sampled_from(lasting.FORMATS), st.lists(st.integers(0, 90_000_000), min_size=1), st.booleans())
def test_spans_come_back_as_they_were_written(format, seconds, backwards):
    if format.endswith("%M"):
        seconds = [second - second % 60 for second in seconds]
    if backwards and format.startswith("%D"):
        seconds = [-second for second in seconds]
    spec = ColumnSpec(name="ride", kind="integer", storage="string", format=format)
    texts = lasting.spell(np.array(seconds), np.zeros(len(seconds), bool), spec)
    assert parse(texts, spec).numbers.tolist() == seconds
    assert spell(parse(texts, spec), spec).equals(texts)


@pytest.mark.parametrize(("unit", "step"), [("s", 977), ("us", 977_250_000), ("us", 977_000_001)])
def test_pandas_writes_them_like_that(unit, step):
    ticks = np.arange(-200, 300) * step
    texts = pa.array(pd.Series(pd.to_timedelta(ticks, unit=unit)).astype(str))
    spec = ColumnSpec(name="ride", kind="integer", storage="string", format=lasting.detect(texts))
    assert parse(texts, spec).numbers.tolist() == ticks.tolist()
    assert unit_of(spec) == (1 if unit == "s" else Fraction(1, 10**6))


@pytest.mark.parametrize(
    ("texts", "format", "step"),
    [
        ([f"0 days {hour:02}:07:28" for hour in range(20)], "%D days %H:%M:%S", 1),
        (
            [f"0 days {hour:02}:07:28.{hour % 4 * 25:02}0000".replace(".000000", "") for hour in range(20)],
            FRACTIONS,
            1000,
        ),
        ([f"0 days {hour:02}:07:28.{hour % 4 * 25:02}0000" for hour in range(20)], "%D days %H:%M:%S.%6f", 1000),
        (["26:15:00", "07:30:00", "125:00:00"], "%K:%M:%S", 60),
        (["26:15", "7:30", "125:00"], "%-K:%M", 60),
    ],
)
def test_they_are_told_from_their_texts(texts, format, step):
    spec = infer_column("ride", pa.array(texts * 20))
    assert (spec.kind, spec.format, spec.step) == ("integer", format, step)


@pytest.mark.parametrize(
    "texts", [["16:9", "4:3", "21:9"], ["26:15", "30:00"], ["1 days", "2 days", "x"], ["26:75", "30:00", "31:00"]]
)
def test_what_is_no_span_stays_what_it_is(texts):
    assert infer_column("ride", pa.array(texts * 20)).format is None


def test_made_ones_are_spans_and_end_as_real_ones_do():
    rng = np.random.default_rng(0)
    rides = rng.integers(5, 4_000, 600) * 60
    table = pa.table({"ride": pd.Series(pd.to_timedelta(rides, unit="s")).astype(str), "long": rides > 90_000})
    made = fit(table, engine="copula", run=Run()).sample(300, seed=0)["ride"].to_pandas()
    again = pd.to_timedelta(made).dt.total_seconds()
    assert (again % 60 == 0).all() and rides.min() <= again.min() and again.max() <= rides.max()
    assert abs(again.mean() - rides.mean()) < rides.std() / 3


def test_made_ones_keep_their_fractions_and_stand_in_seconds_in_the_report():
    rng = np.random.default_rng(0)
    rides = rng.integers(5_000, 100_000_000, 600)
    table = pa.table({"ride": pd.Series(pd.to_timedelta(rides, unit="ms")).astype(str), "long": rides > 50_000_000})
    twin = fit(table, engine="copula", run=Run())
    again = pd.to_timedelta(twin.sample(300, seed=0)["ride"].to_pandas()).dt.total_seconds()
    assert (
        np.allclose(again * 1000, (again * 1000).round(), atol=1e-6)
        and (again % 1 > 0).any()
        and again.max() <= rides.max() / 1000
    )
    values = parse(table["ride"], twin.schema["ride"])
    assert drawn_numbers(values, twin.schema["ride"]).max() == rides.max() / 1000


def test_another_format_names_the_column():
    spec = ColumnSpec(name="ride", kind="integer", storage="string", format="%H hours")
    with pytest.raises(InputError, match="'ride'"):
        parse(pa.array(["3 hours"]), spec)
    spec = ColumnSpec(name="ride", kind="integer", storage="string", format="%K:%M")
    with pytest.raises(InputError, match="1 of its cells"):
        parse(pa.array(["26:10", "soon", None]), spec)
