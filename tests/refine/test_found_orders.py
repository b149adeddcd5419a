"""Orders that all rows keep, of columns far apart: the few rows made that break them are drawn again."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

import lookalike
from lookalike import Run
from lookalike.encode.ties.orders import put_in_order
from lookalike.errors import LookalikeWarning
from lookalike.refine.constraints import Found
from lookalike.schema import ColumnSpec, Schema, Values
from lookalike.schema.constraints import Inequality

ROWS = 1_500


@pytest.fixture(scope="module")
def staff() -> pa.Table:
    rng = np.random.default_rng(0)
    hired = np.datetime64("2000-01-01") + rng.integers(0, 6_000, ROWS)
    left = hired + rng.integers(30, 5_000, ROWS)
    return pa.table(
        {
            "hired": hired.astype("datetime64[s]"),
            "left": pa.array(left.astype("datetime64[s]"), mask=rng.random(ROWS) < 0.3),
            "born": hired.astype("datetime64[s]"),
            "pay": rng.integers(1, 99, ROWS),
        }
    )


@pytest.mark.parametrize("engine", ["trees", "copula"])
def test_no_row_breaks_an_order(staff, engine):
    twin = lookalike.fit(staff, engine=engine, run=Run())
    found = [rule for rule in twin.schema.constraints if isinstance(rule, Inequality)]
    assert {rule.kept_by for rule in found} == {"distance", "choice"}
    made = twin.sample(3_000, seed=1).to_pandas()
    assert len(made) == 3_000 and 0.2 < made["left"].isna().mean() < 0.4
    assert not (made["left"] < made["hired"]).any()
    assert (made["born"] == made["hired"]).all(), "two dates that are always equal are equal in every row made"


def test_the_order_is_judged_and_can_be_left_to_the_engine(staff):
    twin = lookalike.fit(staff, engine="copula", run=Run())
    card = lookalike.evaluate(staff, twin.sample(ROWS, seed=1), schema=twin.schema).to_dict()
    assert card["fidelity"]["constraints"]["broken"] == 0.0
    free = lookalike.fit(staff, engine="copula", keep_rules=False, run=Run()).sample(ROWS, seed=1).to_pandas()
    assert (free["left"] < free["hired"]).any()


def test_what_an_engine_cannot_keep_is_let_go_and_said():
    specs = [ColumnSpec(name=name, kind="integer", storage="int64") for name in ("low", "high", "top")]
    orders = [Inequality(columns=pair, kept_by="choice") for pair in (("low", "high"), ("high", "top"))]
    check = Found(orders, Schema(specs, orders))
    few = pa.table({"low": [3, 3], "high": [2, 2], "top": [2, 2]})
    assert check.keep(few).tolist() == [False, False], "two rows do not tell what an engine keeps"
    table = pa.table({"low": [3, 3, 3, 1] * 25, "high": [2, 2, 2, 2] * 25, "top": [2, 2, 2, 1] * 25})
    with pytest.warns(LookalikeWarning, match="low ≤ high holds in fewer than half"):
        assert check.keep(table).tolist() == [True, True, True, False] * 25
    assert check.keep(few).tolist() == [True, True]


def test_rows_whose_cells_lie_close_together_are_as_many():
    """Drawn again, they would be too few: of those that share a bin half come out the wrong way round."""
    rng = np.random.default_rng(1)
    low = rng.integers(0, 3_000, 4_000)
    high = low + np.minimum(rng.exponential(600, 4_000).astype(int), 3_000)
    real = pa.table({"low": low, "high": high})
    twin = lookalike.fit(real, engine="trees", run=Run())
    (order,) = twin.schema.constraints
    assert isinstance(order, Inequality) and order.kept_by == "choice"
    made = twin.sample(4_000, seed=1).to_pandas()
    assert (made["low"] <= made["high"]).all()
    close = [float((table["high"] - table["low"] < 60).mean()) for table in (real.to_pandas(), made)]
    assert abs(close[1] - close[0]) < 0.03


def test_cells_change_places_only_where_both_are_drawn():
    drawn = {
        "low": Values(np.array([False, False, True, False]), numbers=np.array([3, 1, 0, 9])),
        "high": Values(np.zeros(4, bool), numbers=np.array([2, 2, 2, 2])),
    }
    known = {"low": np.array([False, False, False, True]), "high": np.zeros(4, bool)}
    put_in_order([("low", "high")], drawn, known)
    assert drawn["low"].numbers.tolist() == [2, 1, 0, 9] and drawn["high"].numbers.tolist() == [3, 2, 2, 2]
