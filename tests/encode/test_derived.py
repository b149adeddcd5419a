"""What a column settles that is computed, or kept as its distance from another: it holds in every row made, as if the column stood for itself."""

from __future__ import annotations

import datetime
import json

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest

import lookalike
from conftest import scrambled
from lookalike.encode.base import EncoderSettings
from lookalike.encode.frame import TableEncoder
from lookalike.encode.holes import encode_known, with_lacking
from lookalike.errors import SettingsError
from lookalike.schema.found.discover import with_rules_to_keep
from lookalike.schema.infer import infer_schema

NAMES = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"]


def parcels(rows: int = 1500) -> pa.Table:
    """Days ordered and shipped, some days apart; the weekday and month of the latter, whether it is a weekend; a colour."""
    rng = np.random.default_rng(0)
    ordered = np.datetime64("2024-01-01") + rng.integers(0, 700, rows)
    shipped = (ordered + rng.integers(0, 9, rows)).astype("datetime64[D]").astype(object)
    days = [NAMES[day.weekday()] for day in shipped]
    return pa.table(
        {
            "ordered": pa.array(ordered.astype("datetime64[D]")),
            "shipped": pa.array(shipped.tolist(), pa.date32()),
            "weekday": days,
            "month": [day.month for day in shipped],
            "weekend": [day in ("Saturday", "Sunday") for day in days],
            "colour": rng.choice(["red", "blue"], rows),
        }
    )


def encoder_of(table: pa.Table, **settings) -> TableEncoder:
    schema = with_rules_to_keep(table, infer_schema(table))
    encoder = TableEncoder(schema, EncoderSettings(intervals="quantiles", **settings))
    encoder.fit(table, seed=0)
    return encoder


def broken(table: pa.Table) -> int:
    rows = table.to_pylist()
    held = [
        (row["weekday"], row["month"], row["weekend"])
        == (NAMES[row["shipped"].weekday()], row["shipped"].month, row["shipped"].weekday() > 4)
        for row in rows
    ]
    return held.count(False)


def test_whatever_an_engine_draws_a_measured_column_settles_what_it_did():
    encoder = encoder_of(parcels())
    assert [rule.words for rule in encoder.schema.constraints] == ["ordered ≤ shipped"]
    made = encoder.decode(encoder.ties.settle(scrambled(encoder)), seed=3)
    assert broken(made) == 0
    assert pc.all(pc.less_equal(made["ordered"], made["shipped"])).as_py()
    assert "colour" not in encoder.ties.derived.settled
    again = TableEncoder.from_state(encoder.schema, json.loads(json.dumps(encoder.state())))
    assert made.equals(again.decode(again.ties.settle(scrambled(again)), seed=3))


def test_a_total_settles_its_size():
    rng = np.random.default_rng(0)
    price, quantity = rng.lognormal(3.5, 0.8, 2000).round(2), rng.integers(1, 6, 2000)
    total = (price * quantity).round(2)
    sizes = np.array(["S", "M", "L"])
    table = pa.table(
        {"price": price, "quantity": quantity, "total": total, "size": sizes[np.digitize(total, [50, 150])]}
    )
    encoder = encoder_of(table)
    assert [rule.words for rule in encoder.schema.constraints] == ["total = price * quantity"]
    made = encoder.decode(encoder.ties.settle(scrambled(encoder)), seed=3).to_pydict()
    low, high = (max(total[total < edge]) for edge in (50, 150))
    for cost, size in zip(made["total"], made["size"], strict=True):
        assert (
            size == ("S" if cost <= low else "M" if 50 <= cost <= high else "L") or low < cost < 50 or high < cost < 150
        )


def test_nothing_is_settled_where_rules_are_left_to_the_engine():
    table = parcels()
    encoder = TableEncoder(encoder_of(table).schema, EncoderSettings(intervals="quantiles", keep_rules=False))
    encoder.fit(table, seed=0)
    assert not encoder.ties.derived.settled
    assert broken(encoder.decode(encoder.ties.settle(scrambled(encoder)), seed=3))


def test_rows_with_what_a_measured_column_settles_can_be_asked_for():
    twin = lookalike.fit(parcels(), engine="copula", seed=0)
    asked = twin.sample(200, seed=1, where={"weekday": "Sunday", "colour": "red"})
    assert set(asked["weekday"].to_pylist()) == {"Sunday"} and set(asked["colour"].to_pylist()) == {"red"}
    assert asked.num_rows == 200 and broken(asked) == 0
    with pytest.raises(SettingsError, match="'weekday' follows from others by a constraint .*'shipped' settles it"):
        twin.sample(10, seed=1, balance="weekday")


def test_what_is_known_of_a_table_to_complete_stays():
    table = parcels(400)
    encoder = encoder_of(table)
    days = [datetime.date(2024, 5, 6), datetime.date(2024, 5, 7)]
    given = pa.table({"weekday": ["Friday"] * 2, "ordered": days, "shipped": days})  # a Monday, and a Tuesday
    known = encode_known(
        encoder, with_lacking(encoder, given), open_to={*table.column_names} - {*given.column_names}, seed=0
    )
    made = encoder.decode(known.encoded, seed=0, given=known)
    assert made["weekday"].to_pylist() == ["Friday"] * 2 and made["month"].to_pylist() == [5, 5]


@pytest.mark.parametrize("unit", ["s", "ns"])
@pytest.mark.parametrize("reach", [9, 300])
def test_days_on_which_parcels_are_sent_are_weekdays_though_they_are_kept_as_a_distance(unit, reach):
    rng = np.random.default_rng(0)
    ordered = np.datetime64("2004-01-01T10:30") + rng.integers(0, 7_000, 1500) * np.timedelta64(1, "D")
    sent = np.busday_offset(
        (ordered + rng.integers(0, reach, 1500) * np.timedelta64(1, "D")).astype("M8[D]"), 0, roll="forward"
    )
    sent = sent + (ordered - ordered.astype("M8[D]"))
    table = pa.table({"ordered": pa.array(ordered.astype(f"M8[{unit}]")), "sent": pa.array(sent.astype(f"M8[{unit}]"))})
    encoder = encoder_of(table)
    assert encoder.schema["sent"].falls_on == "weekdays"
    assert [rule.words for rule in encoder.schema.constraints] == ["ordered ≤ sent"]
    made = encoder.decode(encoder.ties.settle(scrambled(encoder)), seed=3)
    first, last = (made[name].to_numpy() for name in ("ordered", "sent"))
    assert (first <= last).all() and np.is_busday(last.astype("M8[D]")).all()


def test_a_month_beside_its_day_is_told_by_it_and_in_no_order():
    days = np.datetime64("2024-01-01") + np.random.default_rng(0).integers(0, 500, 1500)
    table = pa.table({"day": days.astype("datetime64[D]"), "month": days.astype("datetime64[M]").astype(str)})
    encoder = encoder_of(table)
    assert encoder.schema.constraints == ()
    made = encoder.decode(encoder.ties.settle(scrambled(encoder)), seed=3)
    assert [f"{day:%Y-%m}" for day in made["day"].to_pylist()] == made["month"].to_pylist()
