from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest

from conftest import bench_table
from lookalike.dependence import MOST_LEVELS
from lookalike.evaluate import dependencies as module
from lookalike.evaluate import score
from lookalike.evaluate.dependencies import dependencies
from lookalike.evaluate.prepare import prepare, shared_keys
from lookalike.schema import ColumnSpec, Schema
from lookalike.schema.infer import infer_schema
from lookalike.table import as_table


def places(rows, seed):
    """A city settles its state and its tax; a plan settles nothing."""
    random = np.random.default_rng(seed)
    city = random.integers(0, 70, rows)
    return pa.table({
        "city": [f"city {place}" for place in city],
        "state": pa.array([None if place % 7 == 6 else f"state {place % 7}" for place in city]),
        "tax": (city % 5) * 2.5,
        "plan": random.choice(["basic", "plus", "gold"], rows),
        "pay": random.normal(size=rows),
    })  # fmt: skip


def shuffled(table, seed=0):
    random = np.random.default_rng(seed)
    return pa.table(
        {name: table[name].take(pa.array(random.permutation(table.num_rows))) for name in table.column_names}
    )


def measured(real, synthetic, holdout=None, seed=0, schema=None):
    tables = {"real": real, "synthetic": synthetic, **({"holdout": holdout} if holdout is not None else {})}
    return dependencies(
        prepare(tables, schema or infer_schema(real)), [name for name in tables if name != "real"], seed
    )


def test_rules_are_found_and_fresh_rows_and_copies_keep_them():
    real = places(1000, 0)
    found = measured(real, places(1000, 1), places(500, 2))
    assert {tuple(entry["columns"]) for entry in found["pairs"]} == {("city", "state"), ("city", "tax")}
    assert found["rules"] == 2 and found["broken"] == found["fresh"] == 0
    assert all(entry["levels"] == 70 and entry["rows"] == 1000 for entry in found["pairs"])
    assert measured(real, real)["broken"] == 0 and measured(real, real)["fresh"] is None


def test_shuffled_columns_break_them_worst_first():
    found = measured(places(1000, 0), shuffled(places(1000, 1)), places(500, 2))
    assert [entry["columns"][1] for entry in found["pairs"]] == ["state", "tax"]  # of seven and of five levels
    assert found["pairs"][0]["broken"] == pytest.approx(6 / 7, abs=0.05)
    assert found["pairs"][1]["broken"] == pytest.approx(4 / 5, abs=0.05)
    assert found["pairs"][0]["broken"] < found["broken"] < 1 and found["fresh"] == 0


def test_a_missing_cell_is_a_level_and_an_unknown_one_breaks_nothing():
    real = places(1000, 0)
    city, state = (real[name].to_pylist() for name in ("city", "state"))
    state[0], city[1] = (None if state[0] else "state 1"), "nowhere"
    found = measured(real, real.set_column(0, "city", pa.array(city)).set_column(1, "state", pa.array(state)))
    entry = next(entry for entry in found["pairs"] if entry["columns"] == ["city", "state"])
    assert entry["rows"] == 999 and entry["broken"] == pytest.approx(1 / 999) and found["broken"] == 1 / 1000


def test_one_real_row_that_disagrees_ends_a_rule():
    real = places(1000, 0)
    tax = real["tax"].to_pylist()
    tax[500] += 2.5
    found = measured(real.set_column(2, "tax", pa.array(tax)), real)
    assert {tuple(entry["columns"]) for entry in found["pairs"]} == {("city", "state")}


def test_a_part_of_a_date_settles():
    """Moments are all different: it is their weekday and their hour that other columns are made from."""

    def shifts(rows, seed, late=0):
        random = np.random.default_rng(seed)
        seconds = random.integers(18_000 * 86_400, 19_500 * 86_400, rows)
        return pa.table({
            "at": pa.array(seconds.astype("datetime64[s]")),
            "weekday": [["Mo", "Tu", "We", "Th", "Fr", "Sa", "Su"][day] for day in (seconds // 86_400 + 3) % 7],
            "night": (seconds + late) // 3600 % 24 < 6,
            "sold": random.poisson(3, rows),
        })  # fmt: skip

    found = measured(shifts(2000, 0), shifts(2000, 1), shifts(2000, 2))
    assert {(*entry["columns"], entry["part"]) for entry in found["pairs"]} == {
        ("at", "weekday", "weekday"),
        ("at", "night", "hour"),
    }
    assert found["broken"] == found["fresh"] == 0 and all(entry["rows"] == 2000 for entry in found["pairs"])
    late = measured(shifts(2000, 0), shifts(2000, 1, late=3600))
    assert late["pairs"][0]["columns"] == ["at", "night"] and late["broken"] == pytest.approx(1 / 12, abs=0.02)


def listed(rows, seed, wrong=0):
    """A price is an article's in a size; the first rows of some tables have another's."""
    random = np.random.default_rng(seed)
    article, size = random.integers(0, 20, rows), random.integers(0, 4, rows)
    prices = np.random.default_rng(9).integers(0, 50, (20, 4)) / 2
    price = prices[article, size]
    price[:wrong] += 0.25
    return pa.table({
        "article": [f"a{place}" for place in article],
        "size": size,
        "price": price,
        "shop": random.integers(0, 9, rows),
    })  # fmt: skip


def test_columns_settle_another_together(monkeypatch):
    found = measured(listed(4000, 0), listed(1000, 1, wrong=30), listed(1000, 2))
    (entry,) = found["pairs"]
    assert sorted(entry["columns"][:-1]) == ["article", "size"] and entry["columns"][-1] == "price"
    assert entry["levels"] == 80 and entry["rows"] == 1000 and entry["part"] is None
    assert entry["broken"] == found["broken"] == 0.03 and found["fresh"] == 0
    low, high = found["excess_interval"]
    assert 0.01 < low < found["excess"] == 0.03 < high < 0.06
    # what rows that were not picked say otherwise is open
    monkeypatch.setattr(module, "REAL_ROWS", 2000)
    real = listed(4000, 0)
    picked = module.pick(4000, 2000, 0, "dependencies", "real")
    price = real["price"].to_numpy().copy()
    price[np.setdiff1d(np.arange(4000), picked)[0]] += 0.25
    (entry,) = measured(real.set_column(2, "price", pa.array(price)), real)["pairs"]
    assert entry["levels"] == 79 and entry["broken"] == 0


@pytest.mark.parametrize("seed", range(5))
def test_independent_columns_have_no_rules(seed):
    """Nearly a key, constant, nearly always the same, few rows: each agrees by chance or as a matter of course."""
    random = np.random.default_rng(seed)
    rows = 400
    table = pa.table({
        "many": [f"m{place}" for place in random.integers(0, 3_000, rows)],
        "some": [f"s{place}" for place in random.integers(0, 150, rows)],
        "few": random.choice(["a", "b", "c"], rows),
        "rarely": np.where(np.arange(rows) < 3, "yes", "no"),
        "same": ["x"] * rows,
        "amount": random.normal(size=rows),
        "own": [f"k{place}" for place in range(rows)],
    })  # fmt: skip
    schema = infer_schema(table.select(["few", "rarely", "same", "amount"]))
    schema = Schema(
        [*schema, *(ColumnSpec(name=name, kind="category", storage="string") for name in ("many", "some", "own"))]
    )
    assert measured(table, table, schema=schema) == {
        "broken": 0.0,
        "fresh": None,
        "excess": 0.0,
        "excess_interval": [0.0, 0.0],
        "rules": 0,
        "rows": rows,
        "pairs": [],
    }
    assert measured(table.slice(0, 12), table, schema=schema)["rules"] == 0


def test_rules_of_picked_rows_must_hold_in_all(monkeypatch):
    monkeypatch.setattr(module, "REAL_ROWS", 600)
    real = places(3000, 0)
    assert measured(real, real)["rules"] == 2
    tax = real["tax"].to_pylist()
    left_out = np.setdiff1d(np.arange(3000), module.pick(3000, 600, 0, "dependencies", "real"))
    tax[left_out[0]] += 2.5
    assert measured(real.set_column(2, "tax", pa.array(tax)), real)["rules"] == 1


def test_whether_cells_are_missing_is_settled():
    def parcels(rows, seed, lost=0):
        random = np.random.default_rng(seed)
        status = random.choice(["open", "sent", "back"], rows)
        sent = np.where((status == "open") ^ (np.arange(rows) < lost), np.nan, random.normal(size=rows))
        return pa.table({"status": status, "sent": pa.array(sent, from_pandas=True), "paid": random.normal(size=rows)})

    found = measured(parcels(2000, 0), parcels(1000, 1, lost=50), parcels(1000, 2))
    (entry,) = found["pairs"]
    assert entry["columns"] == ["status", "sent"] and entry["gaps"] and entry["part"] is None
    assert found["broken"] == entry["broken"] == 0.05 and found["fresh"] == 0


@pytest.mark.parametrize(("rows", "looked_at"), [(3000, 10**5), (3000, 500), (2 * MOST_LEVELS, 500)])
def test_stretches_of_an_axis_settle(monkeypatch, rows, looked_at):
    monkeypatch.setattr(module, "REAL_ROWS", looked_at)

    def incomes(rows, seed, off=0.0):
        random = np.random.default_rng(seed)
        income = random.normal(100, 30, rows)
        return pa.table({"income": income, "bracket": np.digitize(income + off, [70, 100, 130])})

    found = measured(incomes(rows, 0), incomes(2000, 1, off=5.0), incomes(2000, 2))
    (entry,) = found["pairs"]
    assert (*entry["columns"], entry["part"], entry["levels"]) == ("income", "bracket", "range", 4)
    assert 0.1 < found["broken"] == pytest.approx(0.16, abs=0.05) and found["fresh"] < 0.01


def orders(rows, seed, torn=False):
    """A customer has one town; where ``torn``, any."""
    random = np.random.default_rng(seed)
    customer = random.integers(0, rows // 4, rows)
    town = random.integers(0, 9, rows // 4)[customer]
    return pa.table({
        "customer_id": pa.array([None if i % 9 == 0 else f"C{7 * i + seed}" for i in customer]),
        "town": [f"town {i}" for i in (random.permutation(town) if torn else town)],
        "pieces": random.integers(1, 9, rows),
    })  # fmt: skip


@pytest.mark.filterwarnings("ignore::lookalike.LookalikeWarning")
@pytest.mark.parametrize("looked_at", [10**5, 500])
def test_rows_of_a_key_agree(monkeypatch, looked_at):
    """Keys are new in every table: each is held against its own first row."""
    monkeypatch.setattr(module, "REAL_ROWS", looked_at)
    tables = {"real": orders(2000, 0), "synthetic": orders(2000, 1, torn=True), "holdout": orders(2000, 2)}
    schema = infer_schema(tables["real"])
    found = dependencies(prepare(tables, schema), ["synthetic", "holdout"], 0, shared_keys(tables, schema))
    assert [(*entry["columns"], entry["part"]) for entry in found["pairs"]] == [("customer_id", "town", None)]
    assert found["fresh"] == 0 and 0.5 < found["broken"] < 8 / 9
    card = score(tables["real"], tables["synthetic"], schema, holdout=tables["holdout"])
    assert card["fidelity"]["dependencies"]["rules"] == 1


@pytest.mark.filterwarnings("ignore::lookalike.LookalikeWarning")
def test_what_lines_of_an_order_repeat_is_counted_once():
    """No two real orders have a moment in common, so all its lines have one town: by chance, as a look at one line of each tells."""

    def lines(seed):
        random = np.random.default_rng(seed)
        town, moment = random.integers(0, 9, 400), random.permutation(np.arange(400))
        order = np.repeat(np.arange(400), 4)
        return pa.table({
            "order_id": [f"O-{7 * i + seed}" for i in order],
            "moment": moment[order],
            "town": [f"town {i}" for i in town[order]],
            "state": [f"state {i % 3}" for i in town[order]],
        })  # fmt: skip

    tables = {"real": lines(0), "synthetic": lines(1)}
    schema = infer_schema(tables["real"])
    found = dependencies(prepare(tables, schema), ["synthetic"], 0, shared_keys(tables, schema))
    without = dependencies(prepare(tables, schema), ["synthetic"], 0, {})
    pairs, more = ({tuple(entry["columns"]) for entry in one["pairs"]} for one in (found, without))
    assert (
        ("town", "state") in pairs and ("moment", "town") in more - pairs and "moment" not in {one for one, _ in pairs}
    )


def test_the_card_judges_them_and_names_no_cell():
    real, holdout = places(1500, 0), places(800, 2)
    for synthetic, word in ((places(1500, 1), "pass"), (shuffled(places(1500, 1)), "fail")):
        card = score(real, synthetic, infer_schema(real), holdout=holdout)
        verdicts = {entry["figure"]: entry["verdict"] for entry in card["verdicts"]}
        assert verdicts["dependencies_broken"] == word
        assert "city 1" not in json.dumps(card["fidelity"]["dependencies"])


def test_a_degree_settles_the_years_of_schooling():
    real, fresh = (as_table(bench_table(f"adult-{part}.parquet")).data for part in ("train", "holdout"))
    found = measured(real, shuffled(fresh), fresh)
    assert {tuple(entry["columns"]) for entry in found["pairs"]} == {
        ("education", "education_num"),
        ("education_num", "education"),
        ("workclass", "occupation"),  # whose first is missing or Never-worked has no second
    }
    assert found["fresh"] == 0 and found["broken"] > 0.5
