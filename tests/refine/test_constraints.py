"""What is declared holds in every row made, end to end; and what cannot hold says so."""

from __future__ import annotations

import warnings
from datetime import date, timedelta

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import lookalike
from conftest import quick_fit as fit_quickly
from lookalike import LookalikeWarning
from lookalike.errors import SamplingError, SchemaError, SettingsError
from lookalike.refine.constraints import UniqueTogether, checks
from lookalike.schema import ColumnSpec, Schema
from lookalike.schema.breaches import Rows, kept
from lookalike.schema.constraints import Predicate, Unique

RULES = [
    {"rule": "inequality", "columns": ["admitted", "discharged"]},
    {"rule": "formula", "column": "total", "equals": "price * nights + tax"},
    {"rule": "combinations", "columns": ["ward", "floor"]},
    {"rule": "null_together", "columns": ["dose", "unit"]},
    {"rule": "unique", "columns": ["ward", "admitted", "price"]},
    {"rule": "predicate", "expression": "sex == 'f' or ward != 'birth'"},
    {"rule": "range", "column": "price", "low": 10, "high": 99.99},
]


def quick_fit(frame, **how):
    return fit_quickly(frame, engine="copula", **how)


def stays(rows: int = 600, seed: int = 0) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    admitted = [date(2024, 1, 1) + timedelta(int(day)) for day in rng.integers(0, 300, rows)]
    nights = rng.integers(0, 12, rows)
    sex = rng.choice(["f", "m"], rows)
    ward = np.where((sex == "f") & (rng.random(rows) < 0.3), "birth", rng.choice(["heart", "bone"], rows))
    price, tax = rng.integers(1000, 9999, rows) / 100, rng.integers(0, 500, rows) / 100
    gone = rng.random(rows) < 0.4
    frame = pd.DataFrame({
        "id": np.arange(rows),
        "admitted": [day.strftime("%d.%m.%Y") for day in admitted],
        "discharged": [(day + timedelta(int(more))).strftime("%d.%m.%Y") for day, more in zip(admitted, nights, strict=True)],
        "nights": nights,
        "price": price,
        "tax": tax,
        "total": (price * nights + tax).round(2),
        "sex": sex,
        "ward": ward,
        "floor": [{"birth": 1, "heart": 2, "bone": 2 + night % 2}[one] for one, night in zip(ward, nights, strict=True)],
        "dose": pd.Series(rng.integers(1, 9, rows), dtype="Int64").mask(gone),
        "unit": pd.Series(rng.choice(["mg", "g"], rows)).mask(gone),
    })  # fmt: skip
    return frame.drop_duplicates(["ward", "admitted", "price"], ignore_index=True)


def declared(*rules) -> dict:
    return {"lookalike_schema": 2, "columns": [], "constraints": list(rules)}


def shares(twin, frame: pd.DataFrame, real: pd.DataFrame) -> dict[str, float]:
    rows = Rows(lookalike.table.as_table(frame).data, twin.schema)
    reference = Rows(lookalike.table.as_table(real).data, twin.schema)
    return {rule.words: float(kept(rule, rows, reference).mean()) for rule in twin.schema.constraints}


@pytest.fixture(scope="module")
def twin():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LookalikeWarning)
        return quick_fit(stays(), schema=declared(*RULES))


def test_every_rule_holds_in_every_row(twin, tmp_path):
    made = twin.sample(2000, seed=3)
    assert len(made) == 2000 and list(made) == list(stays()) and (made.dtypes == stays().dtypes).all()
    assert shares(twin, made, stays()) == dict.fromkeys((rule.words for rule in twin.schema.constraints), 1.0)
    assert made["id"].is_unique
    twin.save(tmp_path / "a.twin")
    again = lookalike.load(tmp_path / "a.twin")
    assert again.schema == twin.schema and again.sample(2000, seed=3).equals(made)


def test_rows_without_a_rule_break_it():
    """The control: an engine of two epochs knows none of these."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LookalikeWarning)
        free = quick_fit(stays(), keep_rules=False)
        tied = quick_fit(stays(), schema=declared(*RULES))
    broken = shares(tied, free.sample(2000, seed=3), stays())
    assert broken["admitted ≤ discharged"] < 0.9 and broken["total = price * nights + tax"] < 0.1
    assert broken["combinations of ward and floor"] < 1


def test_conditions_on_rewritten_columns_are_met(twin):
    made = twin.sample(50, seed=1, where={"floor": 1, "sex": "f"})
    assert len(made) == 50 and set(made["floor"]) == {1} and set(made["sex"]) == {"f"}
    assert set(made["ward"]) == {"birth"}
    assert twin.sample(20, seed=1, where={"unit": None})["dose"].isna().all()
    with pytest.raises(SchemaError, match="'discharged'|'floor'"):
        twin.sample(5, where={"floor": "third"})


def test_a_combination_that_never_occurs_is_refused_before_a_row_is_drawn(twin):
    for where, error, words in (
        ({"ward": "birth", "floor": 3}, SamplingError, "'ward' and 'floor' does in none"),
        ({"floor": 9, "sex": "f"}, SchemaError, "'floor' never held this one"),
        ({"ward": None}, SchemaError, "'ward' never held this one"),
    ):
        with pytest.raises(error, match=words):
            twin.sample(0, where=where)  # of no rows none could be turned down


def test_balance_needs_a_column_that_is_modelled_as_it_is(twin):
    for name in ("floor", "unit", "discharged"):
        with pytest.raises(SettingsError, match=f"{name}' follows from others by a constraint"):
            twin.sample(10, balance=name)
    assert twin.sample(400, balance="sex")["sex"].value_counts().min() > 180, "even, but for what checks turn down"


def test_what_cannot_be_met_names_columns_and_rule():
    frame = pd.DataFrame({"a": [1, 2] * 60, "b": ["x", "y"] * 60})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LookalikeWarning)
        with pytest.raises(
            SchemaError, match=r"most real rows, however: 118 of 120 break unique \(a and b unique together\)"
        ):
            quick_fit(frame, schema=declared({"rule": "unique", "columns": ["a", "b"]}))
        few = quick_fit(
            pd.DataFrame({"a": np.arange(120), "b": ["x", "y"] * 60}),
            schema={
                **declared({"rule": "unique", "columns": ["a"]}),
                "columns": [{"name": "a", "kind": "integer", "storage": "int64"}],
            },
            max_tries_per_batch=4,
        )
    assert few.sample(60)["a"].is_unique
    with pytest.raises(SamplingError, match=r"of 500 did among .* drawn\. Most were turned down by: unique, a unique"):
        few.sample(500)


def test_one_bad_real_row_is_said_and_set_aside():
    frame = stays()
    frame.loc[7, "total"] += 5
    frame.loc[9, ["ward", "sex"]] = ["birth", "m"]
    with pytest.warns(LookalikeWarning) as caught:
        twin = quick_fit(frame, schema=declared(*RULES[:2], RULES[5]))
    said = [str(one.message) for one in caught if "break a constraint" in str(one.message)]
    assert len(said) == 2 and "1 of" in said[0] and "total = price * nights + tax): they are set aside" in said[0]
    assert "learned from" in said[1]
    assert twin.rows == len(frame) - 1
    assert shares(twin, twin.sample(500), frame)["total = price * nights + tax"] == 1


def test_a_dropped_column_takes_its_constraints_along():
    schema = lookalike.Schema.from_dict(declared(*RULES[:1]))
    columns = [ColumnSpec(name="admitted", kind="datetime", format="%d.%m.%Y", step=86_400)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LookalikeWarning)
        with pytest.raises(SchemaError, match="names 'admitted', which is none"):
            quick_fit(stays(), schema=schema, drop=["admitted"])
    with pytest.warns(LookalikeWarning, match="left out with it: inequality, admitted ≤ discharged"):
        quick_fit(stays(), schema=Schema(columns, schema.constraints, whole=False), drop=["admitted"])


def test_uniqueness_is_remembered_over_batches():
    schema = Schema(
        [ColumnSpec(name="a", kind="float", storage="double"), ColumnSpec(name="b", kind="category")],
        [Unique(columns=("a", "b"))],
    )
    check = UniqueTogether(schema.constraints[0], schema)
    first = pa.table({"a": [1.0, 1.0, 1.0, None], "b": ["x", "y", "x", "x"]})
    assert check.keep(first).tolist() == [True, True, False, True]
    assert check.keep(pa.table({"a": [2.0, 1.0, None], "b": ["x", "y", "x"]})).tolist() == [True, False, True]


def test_checks_look_at_modelled_columns_alone():
    schema = Schema(
        [ColumnSpec(name="id", kind="key"), ColumnSpec(name="a", kind="integer", storage="int64")],
        [Unique(columns=("id", "a")), Unique(columns=("a",)), Predicate(expression="a > 1")],
    )
    assert [check.name for check in checks(schema)] == ["predicate, a > 1", "unique, a unique"]


def tickets(rows: int = 400) -> pd.DataFrame:
    """Nothing is declared here: dates hours apart in a year, what they are apart, a total, and missing cells."""
    rng = np.random.default_rng(0)
    opened = pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 365 * 86_400, rows), unit="s")
    closed = pd.Series(opened + pd.to_timedelta(rng.integers(60, 86_400, rows), unit="s")).mask(rng.random(rows) < 0.2)
    price, pieces = rng.integers(100, 9000, rows) / 100, rng.integers(1, 9, rows)
    return pd.DataFrame({
        "opened": opened,
        "closed": closed,
        "hours": ((closed - opened).dt.total_seconds() / 3600).round(2),
        "price": price,
        "pieces": pieces,
        "total": (price * pieces).round(2),
        "queue": rng.choice(["a", "b"], rows),
    })  # fmt: skip


FOUND = {"opened ≤ closed", "hours = 24 * (closed - opened)", "total = price * pieces"}


@pytest.mark.parametrize("engine", ["copula", "tvae", "trees", "autoregressive"])
def test_what_nobody_declared_is_found_and_kept(engine):
    frame = tickets()
    twin = fit_quickly(frame, engine=engine)
    assert {rule.words for rule in twin.schema.constraints} == FOUND
    made = twin.sample(700, seed=1)
    assert len(made) == 700 and (made.dtypes == frame.dtypes).all()
    assert shares(twin, made, frame) == dict.fromkeys((rule.words for rule in twin.schema.constraints), 1.0)
    assert 0.05 < made["closed"].isna().mean() < 0.5 and (made["closed"].isna() == made["hours"].isna()).all()
    assert fit_quickly(frame, engine="copula", keep_rules=False).schema.constraints == ()


@pytest.fixture(scope="module")
def completing():
    return fit_quickly(tickets(), engine="autoregressive", any_order=True)


def test_what_is_left_over_is_drawn_again_where_it_is_below_nought():
    rng = np.random.default_rng(0)
    parts = rng.dirichlet((1, 1, 1), 500).round(3)
    table = pa.table({"food": parts[:, 0], "rent": parts[:, 1], "other": (1 - parts[:, 0] - parts[:, 1]).round(3)})
    lowest = []
    for keep_rules in (True, False):
        made = fit_quickly(table, engine="copula", keep_rules=keep_rules).sample(2000, seed=0)
        lowest.append(float((1 - made["food"].to_numpy() - made["rent"].to_numpy()).min()))
    assert lowest[0] > -1e-9
    assert lowest[1] < -0.05


def test_cells_that_follow_from_others_are_filled(completing):
    frame = tickets()
    holed = frame.copy()
    holed.loc[::3, ["closed", "hours", "total"]] = None
    holed.loc[::5, ["queue"]] = None
    filled = completing.impute(holed)
    assert not filled.isna().any().any()
    for name in holed:
        there = holed[name].notna()
        assert (filled[name][there] == holed[name][there]).all(), name
    assert set(shares(completing, filled, frame).values()) == {1.0}


def test_columns_that_follow_from_others_are_drawn(completing):
    frame = tickets()
    done = completing.complete(frame[["opened", "price", "queue"]])
    assert done[["opened", "price", "queue"]].equals(frame[["opened", "price", "queue"]])
    assert set(shares(completing, done, frame).values()) == {1.0}


def test_what_a_result_and_its_other_parts_settle_is_computed(completing):
    frame = tickets()
    holed = frame.copy()
    holed.loc[::3, "price"] = None
    holed.loc[1::3, "pieces"] = None
    filled = completing.impute(holed)
    assert filled["price"].equals(frame["price"]) and (filled["pieces"] == frame["pieces"]).all()
    wrong = holed.assign(total=holed["total"] + 0.01)  # which no price of two places gives three or more pieces
    with pytest.raises(SchemaError, match="'total' without all of 'price'"):
        completing.impute(wrong)


@pytest.mark.parametrize("kind", [pa.int64(), pa.float64(), pa.string(), pa.decimal128(22, 2)], ids=str)
def test_the_part_of_a_sum_that_is_left_over_is_computed(kind):
    rng = np.random.default_rng(0)
    parts = {name: rng.integers(1, 900, 400) for name in ("food", "rent", "rest")}
    table = pa.table({**parts, "total": sum(parts.values()), "kind": rng.choice(["x", "y"], 400)})
    for place, name in enumerate(("food", "rent", "rest", "total")):
        table = table.set_column(place, name, table[name].cast(kind))
    twin = fit_quickly(
        table,
        engine="marginals",
        schema=declared({"rule": "formula", "column": "total", "equals": "food + rent + rest"}),
    )
    holed = table
    for place, name in enumerate(parts):
        there = pa.array(np.arange(400) % 5 != place)
        holed = holed.set_column(
            place, name, pa.chunked_array([pa.compute.if_else(there, table[name].combine_chunks(), None)])
        )
    assert twin.impute(holed).equals(table)


def test_a_cell_without_what_it_follows_from_is_refused(completing):
    done = completing.complete(tickets()[["closed", "queue"]].dropna())
    assert (done["opened"] <= done["closed"]).all(), "when it was opened is told by when it was closed"
    holed = tickets()
    holed.loc[:9, ["price", "pieces"]] = None
    with pytest.raises(SchemaError, match=r"10 rows have 'total' without all of 'price', 'pieces'.*keep_rules=False"):
        completing.impute(holed)
