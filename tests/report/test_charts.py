"""Pictures show aggregates of real people, never a person."""

from __future__ import annotations

import json
import warnings

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from lookalike.report import charts
from lookalike.schema import ColumnSpec, Schema
from report import cases


def chart(real, synthetic=None, **spec):
    spec = ColumnSpec(name="x", **spec)
    return charts.column_chart(
        pa.chunked_array([real]), pa.chunked_array([real if synthetic is None else synthetic]), spec
    )


def test_a_label_few_real_rows_hold_is_pooled_even_where_the_synthetic_table_is_full_of_it():
    real = pa.array(["common"] * 50 + ["rare"] * 4)
    found = chart(real, pa.array(["rare"] * 40), kind="category", storage="string")
    assert [bar["label"] for bar in found["bars"]] == ["common", "other (1)"]
    assert found["bars"][1]["synthetic"] == 1.0


def test_a_number_few_real_rows_hold_is_printed_nowhere():
    real = pa.array([*range(100, 300), cases.LONELY])
    found = chart(real, kind="integer", storage="int64")
    assert str(cases.LONELY) not in json.dumps(found)
    assert max(found["edges"]) < 400 and max(tick["at"] for tick in found["ticks"]) < 400


def test_neither_rare_labels_nor_extremes_reach_the_summary():
    summary = dict(cases.scorecard()._full())
    summary.pop("preview")  # rows of the synthetic table, which is released anyway
    text = json.dumps(summary)
    assert cases.RARE not in text and str(cases.LONELY) not in text


def test_shared_values_and_missing_stand_beside_the_curve():
    real = pa.array([0.0] * 60 + [None] * 20 + [float(place) for place in range(1, 21)])
    found = chart(real, kind="float", storage="double")
    assert [bar["label"] for bar in found["bars"]] == ["= 0", "missing"]
    assert [bar["real"] for bar in found["bars"]] == [0.6, 0.2]
    assert sum(found["real"]) + 0.8 == pytest.approx(1, abs=0.25)  # rounded to multiples of 5 rows
    assert sum(found["synthetic"]) + 0.8 == pytest.approx(1)


def test_long_tails_are_drawn_in_powers():
    real = pa.array((10 ** np.linspace(0, 6, 2000)).tolist())
    found = chart(real, kind="float", storage="double")
    assert found["log"] and found["ticks"][0]["label"] in {"1", "10"}
    assert not chart(pa.array(np.linspace(5, 9, 2000)), kind="float", storage="double")["log"]


@pytest.mark.parametrize(
    ("storage", "array", "expected"),
    [
        ("date32[day]", pa.array([place * 30 for place in range(300)], pa.date32()), "19"),
        ("timestamp[ns]", pa.array([place * 86_400 * 10**9 for place in range(300)], pa.timestamp("ns")), "1970-"),
        (
            "timestamp[us, tz=Europe/Vienna]",
            pa.array([place * 86_400 * 10**6 for place in range(300)], pa.timestamp("us", "Europe/Vienna")),
            "1970-",
        ),
    ],
)
def test_dates_are_marked_as_dates(storage, array, expected):
    found = chart(array, kind="datetime", storage=storage)
    assert all(tick["label"].startswith(expected) for tick in found["ticks"])


def test_durations_and_times_of_day_are_marked_in_their_units():
    durations = pa.array([place * 3600 for place in range(300)], pa.duration("s"))
    times = pa.array([place * 60 for place in range(300)], pa.time32("s"))
    assert chart(durations, kind="integer", storage="duration[s]")["ticks"][-1]["label"].endswith(" d")
    assert ":" in chart(times, kind="integer", storage="time32[s]")["ticks"][0]["label"]


@settings(max_examples=80)
@given(
    st.lists(st.none() | st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=60),
    st.lists(st.none() | st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=60),
)
def test_any_numbers_make_a_chart(real, synthetic):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = chart(pa.array(real, pa.float64()), pa.array(synthetic, pa.float64()), kind="float", storage="double")
    edges = np.array(found["edges"])
    assert len(edges) == 0 or (len(edges) == len(found["real"]) + 1 and (np.diff(edges) > 0).all() and len(edges) < 700)


@settings(max_examples=40)
@example([2**52 - 6] * 4 + [2**52 + 2], 1)
@given(st.lists(st.integers(-(2**63), 2**63 - 1), min_size=1, max_size=60), st.sampled_from([1, 10**6]))
def test_any_integers_make_a_chart(cells, divisor):
    array = pa.array([cell // divisor for cell in cells], pa.int64())
    found = chart(array, kind="integer", storage="int64")
    edges = np.array(found["edges"])
    assert len(edges) == 0 or (len(edges) == len(found["real"]) + 1 and (np.diff(edges) > 0).all() and len(edges) < 700)


def test_declared_levels_keep_their_order():
    real = pa.array(["high"] * 20 + ["low"] * 50 + ["mid"] * 30)
    found = chart(real, kind="ordinal", storage="string", levels=("low", "mid", "high"))
    assert [bar["label"] for bar in found["bars"]] == ["low", "mid", "high"]
    assert Schema([ColumnSpec(name="x", kind="ordinal", levels=("low", "mid", "high"))])["x"].levels
