"""Days that all dates of a column fall on are found, and made dates fall on them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from conftest import quick_fit
from lookalike.schema import ColumnSpec
from lookalike.schema.calendar import on_days
from lookalike.schema.infer import infer_column

FREQUENCIES = {
    "weekdays": "B",
    "month starts": "MS",
    "month ends": "ME",
    "quarter starts": "QS",
    "quarter ends": "QE",
    "year starts": "YS",
    "year ends": "YE",
}
rng = np.random.default_rng(0)


def days(name, count=200):
    return pd.date_range("1961-01-01", periods=count, freq=FREQUENCIES[name])


@pytest.mark.parametrize("name", FREQUENCIES)
@pytest.mark.parametrize("form", ["date32", "timestamp", "text", "digits"])
def test_they_are_found_and_kept(name, form):
    found = days(name)
    if form == "digits":
        found = found[found < "2100"]
        cells = pa.array(found.strftime("%Y%m%d").astype(int))
    elif form == "text":
        cells = pa.array(found.strftime("%d.%m.%Y"))
    else:
        cells = pa.array(found).cast(pa.date32() if form == "date32" else pa.timestamp("ms"))
    spec = infer_column("due", cells)
    assert spec.kind == "datetime" and spec.falls_on == name


@pytest.mark.parametrize(
    ("cells", "expected"),
    [
        (pd.date_range("2020", periods=200), None),
        (days("month ends").append(pd.DatetimeIndex(["2020-01-30"])), None),
        (days("weekdays", 20), None),  # four weeks may be chance
        (days("month starts", 4), None),
        (days("month starts") + pd.Timedelta("1h"), None),
        (days("weekdays") + pd.to_timedelta(rng.integers(0, 86_400, 200), "s"), "weekdays"),
    ],
)
def test_what_may_be_chance_is_not_taken_for_a_rule(cells, expected):
    assert infer_column("at", pa.array(cells)).falls_on == expected


def test_times_of_day_have_no_days():
    assert infer_column("at", pa.array([f"{hour:02}:30" for hour in range(24)])).falls_on is None


@pytest.mark.parametrize("name", FREQUENCIES)
def test_every_day_goes_to_the_nearest(name):
    spec = ColumnSpec(name="due", kind="datetime", storage="date32[day]", falls_on=name)
    valid = days(name, 3_000 if name == "weekdays" else 60).to_numpy().astype("datetime64[D]").astype(int)
    every = np.arange(valid[0], valid[20])
    moved = on_days(every, spec)
    assert set(moved) <= set(valid.tolist())
    assert (np.abs(moved - every) == np.abs(every[:, None] - valid).min(1)).all()


@pytest.mark.parametrize("name", FREQUENCIES)
def test_a_bound_is_kept(name):
    spec = ColumnSpec(name="due", kind="datetime", storage="date32[day]", falls_on=name)
    valid = days(name, 3_000 if name == "weekdays" else 60).to_numpy().astype("datetime64[D]").astype(int)
    every = np.arange(valid[1], valid[20])
    later, earlier = on_days(every, spec, least=every), on_days(every, spec, most=every)
    assert np.array_equal(later, valid[np.searchsorted(valid, every)])
    assert np.array_equal(earlier, valid[np.searchsorted(valid, every, side="right") - 1])


@pytest.mark.parametrize("name", ["weekdays", "month ends"])
def test_made_dates_fall_on_them_at_their_times(name):
    found = rng.choice(days(name, 240 if name == "month ends" else 2_000), 400)
    table = pa.table({"due": pa.array(found).cast(pa.timestamp("s")), "town": ["Graz", "Linz"] * 200})
    made = quick_fit(table).sample(500, seed=1)["due"].to_pandas()
    assert (made.dt.day_of_week < 5).all() if name == "weekdays" else made.dt.is_month_end.all()
