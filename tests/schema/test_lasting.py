"""Spans of time that are text: read as seconds, written letter for letter, and no keys."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookalike import Run, fit
from lookalike.errors import InputError
from lookalike.schema import ColumnSpec, lasting, parse, spell
from lookalike.schema.infer import infer_column


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


def test_pandas_writes_them_like_that():
    seconds = np.arange(-200_000, 300_000, 977)
    texts = pa.array(pd.Series(pd.to_timedelta(seconds, unit="s")).astype(str))
    spec = ColumnSpec(name="ride", kind="integer", storage="string", format=lasting.detect(texts))
    assert parse(texts, spec).numbers.tolist() == seconds.tolist()


@pytest.mark.parametrize(
    ("texts", "format", "step"),
    [
        ([f"0 days {hour:02}:07:28" for hour in range(20)], "%D days %H:%M:%S", 1),
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


def test_another_format_names_the_column():
    spec = ColumnSpec(name="ride", kind="integer", storage="string", format="%H hours")
    with pytest.raises(InputError, match="'ride'"):
        parse(pa.array(["3 hours"]), spec)
    spec = ColumnSpec(name="ride", kind="integer", storage="string", format="%K:%M")
    with pytest.raises(InputError, match="1 of its cells"):
        parse(pa.array(["26:10", "soon", None]), spec)
