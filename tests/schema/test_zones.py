"""Moments by the clocks of their zone: what is read is written again, and clocks say what Python's do."""

from __future__ import annotations

from datetime import datetime, timezone
from zoneinfo import ZoneInfo

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from lookalike.errors import InputError
from lookalike.schema import ColumnSpec
from lookalike.schema.calendar import on_days, with_days
from lookalike.schema.dates import detect, parse, spell
from lookalike.schema.infer import infer_schema
from lookalike.schema.zones import local, moment, offsets

ZONES = ["Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe", "Africa/Casablanca", "Pacific/Apia", "-02:30"]
SECONDS = st.lists(st.integers(-2 * 10**9, 8 * 10**9), min_size=1, max_size=50).map(np.array)


@given(SECONDS, st.sampled_from(ZONES[:-1]))
def test_clocks_are_as_far_ahead_as_python_s(seconds, zone):
    theirs = [datetime.fromtimestamp(one, timezone.utc).astimezone(ZoneInfo(zone)) for one in seconds.tolist()]
    assert offsets(seconds, zone).tolist() == [one.utcoffset().total_seconds() for one in theirs]


@given(SECONDS, st.sampled_from(ZONES), st.sampled_from([1, 1000]))
def test_what_clocks_show_leads_back_to_the_moment_but_for_an_hour_that_comes_twice(seconds, zone, second):
    ticks = seconds * second
    shown = local(ticks, zone, second)
    again = moment(shown, zone, second)
    assert np.array_equal(local(again, zone, second), shown)
    assert np.all((again == ticks) | (np.abs(again - ticks) <= 86_400 * second))


@pytest.mark.parametrize("style", ["%z", "%:z", "%:::z"])
@pytest.mark.parametrize("time", ["%Y-%m-%d %H:%M:%S", "%d.%m.%Y %H:%M", "%Y-%m-%dT%H:%M:%S.%3f"])
@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Australia/Lord_Howe"])
def test_offsets_of_summer_and_winter_are_read_and_written_again(zone, time, style):
    ticks = np.arange(1_704_067_200, 1_735_689_600, 3_600) * (
        1000 if "%3f" in time else 1
    )  # each hour of 2024, also the one twice
    spec = ColumnSpec(name="at", kind="datetime", format=f"{time}{style}{{{zone}}}")
    texts = spell(ticks, np.zeros(len(ticks), bool), spec)
    assert np.array_equal(parse(texts, spec), ticks)
    format, ambiguous = detect(texts, "at")
    again = spec.replace(format=format)
    assert not ambiguous and np.array_equal(parse(texts, again), ticks)
    assert spell(ticks, np.zeros(len(ticks), bool), again).equals(texts)


def test_texts_are_those_that_others_write():
    spec = ColumnSpec(name="at", kind="datetime", format="%Y-%m-%dT%H:%M:%S%:z{Europe/Berlin}")
    texts = ["2024-01-05T10:00:00+01:00", None, "2024-07-05T10:00:00+02:00"]
    seconds = [datetime.fromisoformat(text).timestamp() for text in texts if text]
    assert parse(pa.array(texts), spec).tolist() == [seconds[0], 0, seconds[1]]


def test_an_offset_that_a_zone_does_not_have_then_is_written_otherwise():
    spec = ColumnSpec(name="at", kind="datetime", format="%Y-%m-%dT%H:%M:%S%:z{Europe/Berlin}")
    with pytest.raises(InputError, match="1 of its cells are written otherwise"):
        parse(pa.array(["2024-01-05T10:00:00+01:00", "2024-01-05T10:00:00+02:00"]), spec)


def test_offsets_of_several_zones_are_refused_with_a_cure():
    texts = [f"2024-0{1 + place % 9}-05T10:00:00{'+01:00' if place % 2 else '-08:00'}" for place in range(40)]
    with pytest.raises(InputError, match=r"mixes offsets that no one zone has\. Convert them to one .*--drop at"):
        infer_schema(pa.table({"at": texts}))


def test_a_zone_that_nobody_knows_is_one_line():
    with pytest.raises(InputError, match="'Mars/Olympus' is none"):
        offsets(np.zeros(1, np.int64), "Mars/Olympus")


def test_weekdays_are_those_of_the_zone():
    spec = ColumnSpec(name="at", kind="datetime", storage="timestamp[s, tz=Pacific/Auckland]")
    monday = datetime(2024, 1, 1, 8, tzinfo=ZoneInfo("Pacific/Auckland")).timestamp()  # Sunday in UTC
    ticks = int(monday) + 86_400 * np.flatnonzero(np.arange(70) % 7 < 5)
    spec = with_days(spec, ticks)
    assert spec.falls_on == "weekdays"
    assert np.array_equal(on_days(ticks, spec), ticks)
    saturday = ticks[4:5] + 86_400
    assert on_days(saturday, spec).tolist() == ticks[4:5].tolist()
