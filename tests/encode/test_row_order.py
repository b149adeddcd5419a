"""Rows made stand in the order of the real ones."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lookalike
from lookalike import LookalikeWarning, Run
from lookalike.encode.row_order import RowOrder
from lookalike.schema.infer import infer_schema


def log(rows: int = 400, seed: int = 0) -> pd.DataFrame:
    """Events in time: an id that rises, with gaps, a moment, a machine, and what follows another event."""
    rng = np.random.default_rng(seed)
    ids = 100_000 + np.cumsum(rng.integers(5, 60, rows))
    at = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.cumsum(rng.integers(0, 90, rows)), unit="min")
    before = pd.array(np.where(np.arange(rows) % 3 == 2, ids[np.maximum(np.arange(rows) - 1, 0)], -1), "Int64")
    before[before == -1] = pd.NA
    return pd.DataFrame({"event_id": ids, "at": at, "kind": rng.choice(["up", "down"], rows), "previous_id": before})


def found(table: pd.DataFrame) -> RowOrder:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LookalikeWarning)
        cells = pa.Table.from_pandas(table, preserve_index=False)
        return RowOrder.find(cells, infer_schema(cells))


def fitted(table: pd.DataFrame, **settings):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LookalikeWarning)
        return lookalike.fit(table, engine="copula", run=Run(), seed=1, **settings)


def test_a_log_comes_back_in_time_with_rising_ids(tmp_path):
    twin = fitted(log())
    made = twin.sample(500, seed=2)
    assert (
        made["at"].is_monotonic_increasing and made["event_id"].is_monotonic_increasing and made["event_id"].is_unique
    )
    told = made["previous_id"].dropna()
    assert len(told) > 100 and told.isin(made["event_id"]).all(), (
        "keys that refer to others refer to them as they are at last"
    )
    kept = twin.save(tmp_path / "log.twin")
    assert lookalike.load(kept).sample(500, seed=2).equals(made)
    assert [len(twin.sample(rows, seed=2)) for rows in (0, 1)] == [0, 1]
    assert not fitted(log(), keep_rules=False).sample(500, seed=2)["at"].is_monotonic_increasing


def test_what_rows_are_sorted_by_is_found_step_by_step():
    rng = np.random.default_rng(0)
    day, shop = (cells.ravel() for cells in np.meshgrid(np.arange(60), np.arange(5), indexing="ij"))
    table = pd.DataFrame({"shop": [f"shop {i}" for i in shop], "day": day, "sold": rng.integers(0, 9, 300)})
    assert found(table).steps == (("day", "rising"), ("shop", "rising"))
    assert found(table.iloc[::-1]).steps == (("day", "falling"), ("shop", "falling"))
    by_shop = table.sort_values(["shop", "day"])
    assert found(by_shop).steps == (("shop", "rising"), ("day", "rising"))
    opened = by_shop.assign(shop=by_shop["shop"].map({f"shop {i}": name for i, name in enumerate("dbeca")}))
    assert found(opened).steps == (("shop", "gathered"), ("day", "rising"))
    assert found(table.sample(frac=1, random_state=0)) == RowOrder()
    holed = table.assign(day=table["day"].astype("float").mask(rng.random(300) < 0.1))
    assert not found(holed).steps, "a column with missing cells is no order"
    first = holed.sort_values("day", na_position="first", kind="stable")
    assert "day" not in dict(found(first).steps), "wherever they stand"
    assert found(pd.DataFrame({"n": [1, 2, 3], "m": [2, 1, 3]})) == RowOrder(), "three rows are in order by chance"
    assert found(log()) == RowOrder((("at", "rising"),), ("event_id",)), "ids are given out, and sort nothing"


def visits(days: int = 60, seed: int = 0) -> pd.DataFrame:
    """Several of each shop's on each day, the shops in any order, but together."""
    rng = np.random.default_rng(seed)
    shop = np.concatenate([np.repeat(rng.permutation(5), 3) for _ in range(days)])
    return pd.DataFrame(
        {"day": np.repeat(np.arange(days) * 7, 15), "shop": [f"shop {i}" for i in shop], "number": shop}
    )


def test_labels_stand_together_within_a_day_and_numbers_do_not():
    table = visits()
    assert found(table[["day", "shop"]]).steps == (("day", "rising"), ("shop", "gathered"))
    assert found(table[["day", "number"]]).steps == (("day", "rising"),)
    mixed = table.sample(frac=1, random_state=0).sort_values("day", kind="stable")
    assert found(mixed[["day", "shop"]]).steps == (("day", "rising"),)


def test_keys_that_are_not_together_in_a_day_stay_so():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({
        "day": np.repeat(np.arange(100) * 7, 10),
        "customer_id": [f"C{7919 * i % 99_991:05}" for i in rng.integers(0, 150, 1000)],
    })  # fmt: skip
    assert found(table).steps == (("day", "rising"),)


@pytest.mark.parametrize("way", ["rising", "falling"])
def test_rows_are_sorted_the_way_the_real_ones_are(way):
    table = visits().sort_values(["day", "number"], ascending=way == "rising", ignore_index=True)
    order, cells = found(table), pa.Table.from_pandas(table, preserve_index=False)
    assert dict(order.steps)["day"] == way
    mixed = cells.take(pa.array(np.random.default_rng(0).permutation(len(table))))
    assert order.sort(mixed, infer_schema(cells)).equals(cells)


def test_orders_made_at_the_same_moment_do_not_mix():
    rng = np.random.default_rng(0)
    order = np.repeat(np.arange(150), rng.integers(2, 5, 150))
    line = np.arange(len(order)) - np.searchsorted(order, order) + 1
    real = pd.DataFrame({"order_id": [f"O-{50_000 + number}" for number in order], "line": line, "hour": order * 3})
    steps = found(real).steps
    assert [name for name, _ in steps] == ["hour", "order_id", "line"]
    two = pa.table({"order_id": list("xyxy"), "line": [1, 1, 2, 2], "hour": [3] * 4})
    schema = infer_schema(pa.Table.from_pandas(real, preserve_index=False))
    assert RowOrder(steps).sort(two, schema)["order_id"].to_pylist() == list("xxyy")


def test_rows_of_a_key_stand_together():
    rng = np.random.default_rng(0)
    whose = np.repeat(rng.permutation(150), rng.integers(1, 8, 150))
    table = pd.DataFrame({
        "patient_id": [f"P{7919 * i % 99_991:05}" for i in whose],
        "sex": np.where(whose % 2, "f", "m"),
        "cost": rng.gamma(2, 50, len(whose)).round(2),
    })  # fmt: skip
    made = fitted(table).sample(len(table), seed=2)
    keys = made["patient_id"]
    assert (keys != keys.shift()).sum() == keys.nunique() < len(made) / 3
    assert (made.groupby("patient_id")["sex"].nunique() == 1).all()


@given(st.integers(60, 120), st.integers(2, 30), st.integers(0, 10**6))
def test_whatever_rows_are_sorted_by_rows_in_any_order_come_back_so(rows, levels, seed):
    rng = np.random.default_rng(seed)
    table = pd.DataFrame(
        {"a": rng.integers(0, levels, rows), "b": rng.integers(0, 99, rows), "c": rng.choice(list("xyz"), rows)}
    )
    table = table.sort_values(["a", "b", "c"], ignore_index=True)
    order = found(table)
    cells = pa.Table.from_pandas(table, preserve_index=False)
    mixed = cells.take(pa.array(rng.permutation(rows)))
    back = order.sort(mixed, infer_schema(cells))
    by = [name for name, _ in order.steps]
    assert by and back.select(by).equals(cells.select(by))
    assert sorted(map(str, back.to_pylist())) == sorted(map(str, cells.to_pylist()))
    assert order.sort(cells, infer_schema(cells)).select(by).equals(cells.select(by))


@pytest.mark.parametrize("way", ["rising", "falling"])
def test_a_state_is_written_and_read(way):
    order = RowOrder((("at", way), ("key", "gathered")), ("id",))
    assert RowOrder.from_state(order.state()) == order
