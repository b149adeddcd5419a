"""Moments happen at the hours at which real ones do, though intervals are of days or months."""

from __future__ import annotations

import json
from datetime import date

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from conftest import quick_fit, scrambled
from lookalike.encode.base import EncoderSettings
from lookalike.encode.clock import FEWEST_DATES, Clock, find_clock
from lookalike.encode.frame import TableEncoder
from lookalike.schema import ColumnSpec, Values
from lookalike.schema.infer import infer_schema

DAY = 86_400
UNITS = {1: "s", 1000: "ms", 10**6: "us", 10**9: "ns"}


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
def test_what_stands_beside_a_date_leads_back_to_it_from_anywhere_in_its_week(start, seed, unit):
    rng, day = np.random.default_rng(seed), DAY * unit
    ticks = (start + rng.integers(0, 400, 300) * DAY + rng.integers(30_000, 60_000, 300)) * unit
    low, high = int(ticks.min()), int(ticks.max())
    at = Values(np.zeros(300, bool), ticks)
    clock = find_clock(at, ColumnSpec(name="at", kind="datetime", storage=f"timestamp[{UNITS[unit]}]"), 100, [])
    assert clock is not None
    monday = ticks - (ticks + 3 * day) % (7 * day)
    elsewhere = Values(np.zeros(300, bool), np.clip(monday + rng.integers(0, 7 * day, 300), low, high))
    clock.put({"at": elsewhere, **clock.beside(at)}, np.ones(300, bool), low, high)
    assert (elsewhere.numbers == ticks).all()
    around = ticks + rng.integers(-3 * day, 3 * day, 300)
    assert (clock.near(around, clock.beside(at), low, high) == ticks).all()
    later = clock.near(around, clock.beside(at), ticks + 1, np.full(300, high + 14 * day))
    assert (later == ticks + 7 * day).all(), "the next one, where the nearest is too early"
    earlier = clock.near(around, clock.beside(at), low - 14 * day, ticks - 1)
    assert (earlier == ticks - 7 * day).all(), "the one before, where it is too late"


def days_by_weekday(shares: list[float], rows: int = 3000) -> np.ndarray:
    rng = np.random.default_rng(0)
    return 19_358 + 7 * rng.integers(0, 100, rows) + rng.choice(7, rows, p=shares)


@pytest.mark.parametrize(("shares", "tells"), [([0.3, 0.2, 0.1, 0.1, 0.1, 0.1, 0.1], True), ([1 / 7] * 7, False)])
def test_days_that_are_not_even_over_the_week_go_by_the_weekday_alone(shares, tells):
    at = Values(np.zeros(3000, bool), days_by_weekday(shares))
    clock = find_clock(at, ColumnSpec(name="at", kind="datetime", storage="date32[day]"), 100, [])
    assert (clock is not None) == tells


@pytest.mark.parametrize("seed", range(5))
def test_of_many_columns_none_goes_by_the_weekday_by_chance(seed):
    rng = np.random.default_rng(seed)
    at = Values(np.zeros(900, bool), np.arange(900) % 450)
    others = [Values(np.zeros(900, bool), rng.integers(0, 1000, 900)) for _ in range(100)]
    assert find_clock(at, ColumnSpec(name="at", kind="datetime", storage="date32[day]"), 100, others) is None


def test_month_ends_have_no_weekday_and_names_that_are_taken_are_left_alone():
    spec = ColumnSpec(name="at", kind="datetime", storage="date32[day]")
    at = Values(np.zeros(3000, bool), days_by_weekday([0.3, 0.2, 0.1, 0.1, 0.1, 0.1, 0.1]))
    assert find_clock(at, spec.replace(falls_on="month ends"), 100, []) is None
    clock = find_clock(at, spec, 100, [], taken={"at: weekday", "at: weekday'"})
    assert clock.parts == ["at: weekday''"]


def test_a_date_near_which_no_such_moment_may_be_stays():
    drawn = {"time": Values(np.array([False, False, True]), np.array([3_600, 5_000, 0]))}
    dates, clock = np.full(3, 90_500), Clock("sent", None, "time", DAY)
    assert clock.near(dates, drawn, 90_400, 90_600).tolist() == dates.tolist()
    assert clock.near(dates, drawn, 0, 10 * DAY).tolist() == [90_000, 91_400, 90_500], "nor one whose time is not known"


@given(st.integers(-(10**9), 10**9), st.integers(0, 2**32), st.sampled_from([1, 1000, 10**6, 10**9]))
def test_any_weekday_and_time_may_stand_beside_a_date_and_what_is_not_known_moves_none(start, seed, unit):
    rng, day = np.random.default_rng(seed), DAY * unit
    low, high = start * unit, start * unit + int(rng.integers(28 * day, 90 * day))
    ticks, rows = rng.integers(low, high, 300, endpoint=True), rng.random(300) < 0.8
    gaps, weekdays, times = rng.random((2, 300)) < 0.2, rng.integers(0, 7, 300), rng.integers(0, day, 300)
    drawn = {"at": Values(np.zeros(300, bool), ticks.copy())}
    drawn |= {
        "on": Values(gaps[0], np.where(gaps[0], 0, weekdays)),
        "of day": Values(gaps[1], np.where(gaps[1], 0, times)),
    }
    Clock("at", "on", "of day", day).put(drawn, rows, low, high)
    moved, put = drawn["at"].numbers, rows & ~gaps.any(0)
    assert (moved[~put] == ticks[~put]).all()
    assert (((moved // day + 3) % 7 == weekdays) & (moved % day == times))[put].all()
    assert ((moved >= low) & (moved <= high) & (np.abs(moved - ticks) < 14 * day)).all()


@pytest.mark.parametrize(
    ("ticks", "unit"),
    [
        (moments()[: FEWEST_DATES - 1], "s"),
        (moments() % (20 * DAY), "s"),  # three weeks
        (19_358 * DAY + moments() % (20 * DAY), "s"),  # of a year long after 1970
        (moments(), "s"),  # a code for each is asked for
        (np.arange(9000) % 900, "days"),  # days as frequent as each other
    ],
)
def test_hours_of_few_dates_of_few_weeks_and_weekdays_that_tell_nothing_are_not_learned(ticks, unit):
    storage = "date32[day]" if unit == "days" else "timestamp[s]"
    limit = 2_000 if len(ticks) == len(moments()) and unit == "s" and np.ptp(ticks) > 20 * DAY else 100
    noise = Values(np.zeros(len(ticks), bool), np.random.default_rng(0).integers(0, 1000, len(ticks)))
    at = Values(np.zeros(len(ticks), bool), ticks)
    assert find_clock(at, ColumnSpec(name="at", kind="datetime", storage=storage), limit, [noise]) is None


def test_moments_of_which_some_are_midnights_have_a_time_of_day():
    """Where the time was not known they stand at 0 o'clock, as a day does."""
    ticks = np.where(np.arange(len(moments())) % 3 == 0, moments() // DAY * DAY, moments())
    clock = find_clock(
        Values(np.zeros(len(ticks), bool), ticks),
        ColumnSpec(name="at", kind="datetime", storage="timestamp[s]"),
        100,
        [],
    )
    assert clock.parts == ["at: weekday", "at: time"]


def test_moments_that_are_all_midnights_go_by_the_weekday_as_days_do_and_numbers_by_none():
    ticks = days_by_weekday([0.3, 0.2, 0.1, 0.1, 0.1, 0.1, 0.1]) * DAY
    at, even = Values(np.zeros(3000, bool), ticks), Values(np.zeros(3000, bool), (19_358 + np.arange(3000) % 700) * DAY)
    spec = ColumnSpec(name="at", kind="datetime", storage="timestamp[s]")
    assert find_clock(at, spec, 100, []).parts == ["at: weekday"] and find_clock(even, spec, 100, []) is None
    assert find_clock(at, ColumnSpec(name="at", kind="integer", storage="int64"), 100, []) is None


@pytest.mark.parametrize(
    "other", ["label", "rare label", "missing number", "missing label", "number", "label by chance", "same"]
)
def test_days_as_frequent_as_each_other_go_by_the_weekday_where_another_column_does(other):
    """A label that is one of a thousand, none of them frequent, tells by those that are not among the eight commonest."""
    rng, rows = np.random.default_rng(0), 2800
    days = 19_358 + rng.permutation(rows) % 700
    sunday, none = (days + 3) % 7 == 6, np.zeros(rows, bool)
    levels, closed = pa.array([f"label {place}" for place in range(1000)]), sunday & (rng.random(rows) < 0.5)
    columns = {
        "label": Values(none, codes=closed * 1, levels=levels),
        "rare label": Values(none, codes=np.where(closed, rng.integers(8, 1000, rows), rng.integers(0, 8, rows)), levels=levels),
        "missing number": Values(closed, numbers=np.where(closed, 0, rng.integers(0, 99, rows))),
        "missing label": Values(closed, codes=np.where(closed, 0, rng.integers(0, 5, rows)), levels=levels),
        "number": Values(none, numbers=rng.integers(0, 99, rows) + 30 * sunday),
        "label by chance": Values(none, codes=rng.integers(0, 1000, rows), levels=levels),
        "same": Values(none, numbers=np.full(rows, 7)),
    }  # fmt: skip
    found = find_clock(
        Values(none, days), ColumnSpec(name="at", kind="datetime", storage="date32[day]"), 100, [columns[other]]
    )
    assert (found is None) == (other in ("label by chance", "same"))


def sales(rows: int = 4000) -> pa.Table:
    """Days of two years, as frequent as each other; on Saturdays much is sold, but nothing of what is sent by post."""
    rng = np.random.default_rng(0)
    days = 19_358 + rng.permutation(rows) % 728
    saturday = (days + 3) % 7 == 5
    return pa.table(
        {
            "sold": pa.array(days.astype("datetime64[D]")),
            "pieces": rng.poisson(np.where(saturday, 20, 5)),
            "by": np.where(~saturday & (rng.random(rows) < 0.5), "post", "shop"),
        }
    )


def test_what_goes_by_the_weekday_of_days_still_does():
    twin = quick_fit(sales(), engine="trees")
    assert [*twin.encoder.rewrites.clocks] == ["sold"]
    made = twin.sample(3000, seed=1).to_pandas()
    saturday = pd.to_datetime(made["sold"]).dt.day_of_week == 5
    assert made["pieces"][saturday].mean() > 2 * made["pieces"][~saturday].mean()
    assert (made["by"][saturday] == "post").mean() < 0.1


def test_a_day_asked_for_is_that_day_and_goes_with_its_weekday():
    twin = quick_fit(sales(), engine="trees")
    saturday = date(2023, 6, 10)
    made = twin.sample(200, where={"sold": saturday}, seed=1).to_pandas()
    assert (made["sold"] == saturday).all() and (made["by"] == "post").mean() < 0.1


def tickets(rows: int = 2000) -> pd.DataFrame:
    """Opened at any time, closed days later between 9 and 17 o'clock."""
    rng = np.random.default_rng(0)
    opened = 19_358 * DAY + rng.integers(0, 400 * DAY, rows)
    closed = (opened // DAY + rng.integers(1, 9, rows)) * DAY + rng.integers(9 * 3600, 17 * 3600, rows)
    return pd.DataFrame({"opened": opened.astype("datetime64[s]"), "closed": closed.astype("datetime64[s]")})


def test_what_is_kept_as_its_distance_has_hours_of_its_own_and_comes_no_earlier():
    twin = quick_fit(tickets(), engine="copula")
    assert any("distance" in rule or "≤" in rule for rule in twin.encoder.rewrites.replaced.values())
    made = twin.sample(1000, seed=1)
    assert made["closed"].dt.hour.between(9, 16).mean() > 0.98
    assert (made["closed"] >= made["opened"]).all()


def test_rows_of_one_key_agree_on_a_date_that_is_kept_as_its_distance():
    owned = tickets(500).assign(ticket_id=[f"T-{place:05}" for place in range(500)])
    table = owned.loc[np.repeat(np.arange(500), 4)].reset_index(drop=True)
    table["seen"] = np.random.default_rng(1).integers(0, 9, 2000)
    made = quick_fit(table, engine="copula").sample(1000, seed=1)
    assert (made.groupby("ticket_id")[["opened", "closed"]].nunique() == 1).all(axis=None)
    assert made["ticket_id"].nunique() < 600


def test_missing_dates_and_a_date_that_stands_for_none_stay_exact():
    real = pd.Series(moments(3000).astype("datetime64[s]"))
    real[::5], real[1::5] = pd.NaT, pd.Timestamp("1970-01-01")
    table = pa.table({"at": pa.array(real)})
    encoder = encoder_of(table, "quantiles")
    assert encoder.decode(encoder.encode(table, seed=0), seed=0).equals(table)
    made = encoder.decode(scrambled(encoder), seed=1)["at"].to_pandas()
    assert made.isna().any() and (made == pd.Timestamp("1970-01-01")).any()
    assert ((made.dt.year >= 2023) | made.isna() | (made == pd.Timestamp("1970-01-01"))).all()


def test_no_hours_are_looked_at_under_a_privacy_budget():
    table = pa.table({"at": pa.array(moments(3000).astype("datetime64[s]"))})
    assert not quick_fit(table, engine="marginals", epsilon=3).encoder.rewrites.clocks


def by_the_clock(zone: str, rows: int = 1500) -> pd.Series:
    return pd.Series(pd.to_datetime(moments(rows), unit="s")).dt.tz_localize(zone).dt.as_unit("us")


def offset_behind(at: pd.Series) -> pd.Series:
    return at.dt.strftime("%Y-%m-%dT%H:%M:%S%z").str.replace(r"(\d\d)$", r":\1", regex=True)


@pytest.mark.parametrize("written", [False, True], ids=["moments", "texts"])
@pytest.mark.parametrize("zone", ["Europe/Berlin", "America/New_York", "Pacific/Auckland"])
def test_hours_are_those_of_the_zone_in_summer_and_winter(zone, written):
    at = by_the_clock(zone)
    real = {"at": pa.array(offset_behind(at) if written else at), "hour": at.dt.hour, "weekday": at.dt.day_name()}
    table = pa.table(real)
    encoder = encoder_of(table, "quantiles")
    assert encoder.decode(encoder.encode(table, seed=0), seed=0).equals(table), "real rows come back to the second"
    made = encoder.decode(encoder.ties.settle(scrambled(encoder)), seed=1).to_pandas()
    shown = pd.to_datetime(made["at"], utc=True).dt.tz_convert(zone)
    if written:
        assert (offset_behind(shown) == made["at"]).all(), "each moment has the offset of its zone then"
    closed = (shown.dt.hour < 9) | (shown.dt.hour >= 17) | shown.dt.day_of_week.isin([0, 6])
    assert not closed.any()
    assert (shown.dt.hour == made["hour"]).all() and (shown.dt.day_name() == made["weekday"]).all()


def test_the_least_distance_from_another_moment_is_held_where_clocks_change():
    zone = "Europe/Berlin"
    night = pd.Timestamp("2024-03-30 12:00", tz=zone).value // 10**9
    drawn = {"time": Values(np.zeros(1, bool), np.array([12 * 3600]))}
    clock = Clock("sent", None, "time", DAY, zone)
    (at,) = clock.near(np.array([night + 1]), drawn, night + 1, night + 10 * DAY)
    assert at == night + 23 * 3600, "noon of the next day, which is 23 hours on"
