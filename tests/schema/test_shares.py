"""Shares found: what was put in comes back; noise, small numbers and near misses give nothing."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

import lookalike
from lookalike import Run
from lookalike.schema.breaches import Rows
from lookalike.schema.constraints import Share
from lookalike.schema.found.discover import find_constraints, with_rules_to_keep
from lookalike.schema.found.formulas import find_formulas
from lookalike.schema.found.shares import find_shares
from lookalike.schema.infer import infer_schema


def invoices(rows: int = 600, seed: int = 0, rates=(0.0, 0.07, 0.19)) -> dict[str, np.ndarray]:
    """Some of the amounts are small, so that several rates give the same tax."""
    rng = np.random.default_rng(seed)
    net = np.round(rng.lognormal(3, 1.5, rows), 2)
    return {"net": net, "tax": np.round(net * rng.choice(rates, rows), 2), "pieces": rng.integers(1, 30, rows)}


def found(columns) -> list[Share]:
    table = pa.table(columns)
    rows = Rows(table, infer_schema(table))
    return find_shares(rows, find_formulas(rows))


@given(st.integers(0, 10_000), st.lists(st.integers(2, 40), min_size=2, max_size=8, unique=True), st.booleans())
def test_shares_that_were_put_in_come_back(seed: int, hundredths: list[int], with_none: bool):
    rates = [part / 100 for part in hundredths] + [0.0] * with_none
    (rule,) = found(invoices(seed=seed, rates=rates))
    assert (rule.column, rule.of) == ("tax", "net") and set(rule.shares) == set(rates)


def test_a_share_of_whole_numbers_with_gaps_and_below_nought():
    rng = np.random.default_rng(0)
    amount = rng.integers(-4000, 4000, 500) * 20
    rebate = np.where(rng.random(500) < 0.2, np.nan, np.where(rng.random(500) < 0.5, amount // 20, 0))
    (rule,) = found({"amount": amount, "rebate": pa.array(rebate, from_pandas=True)})
    assert rule == Share(column="rebate", of="amount", shares=(0.0, 0.05))


def test_one_row_that_is_no_share_ends_the_rule_wherever_it_stands():
    for rows, place in ((600, 599), (60_000, 7)):
        columns = invoices(rows)
        assert len(found(columns)) == 1
        columns["tax"][place] += 0.37 + columns["net"][place]
        assert found(columns) == []


def test_what_follows_is_computed_once():
    columns = invoices()
    columns["gross"] = np.round(columns["net"] + columns["tax"], 2)
    table = pa.table(columns)
    words = {rule.words for rule in with_rules_to_keep(table, infer_schema(table)).constraints}
    assert words == {"gross = net + tax", "tax = 0, 0.07 or 0.19 of net"}
    assert words <= {rule.words for rule in find_constraints(table, infer_schema(table))}


@pytest.mark.parametrize("seed", range(5))
def test_chance_finds_nothing(seed: int):
    rng = np.random.default_rng(seed)
    pieces = rng.integers(1, 30, 800)
    assert not found({
        "small": rng.integers(0, 12, 800),
        "pieces": pieces,
        "other": rng.integers(1, 15, 800),
        "grid": rng.integers(1, 20, 800) * 50,
        "coarse": rng.integers(1, 40, 800) * 100,
        "noise": rng.normal(size=800),
        "near": np.round(pieces * 12.3 * rng.choice([0.1, 0.2], 800) + rng.normal(0, 0.2, 800), 2),
        "mostly none": np.where(np.arange(800) < 30, pieces, 0),
    })  # fmt: skip


def test_made_rows_keep_them_unasked():
    columns = invoices(2000)
    columns["tax"] = pa.array(columns["tax"], mask=np.arange(2000) % 7 == 0)
    frame = pa.table(columns).to_pandas()
    made = lookalike.fit(frame, engine="copula", run=Run()).sample(1500, seed=0)
    assert isinstance(made, pd.DataFrame)
    due = np.stack([np.round(made["net"] * rate, 2) for rate in (0.0, 0.07, 0.19)])
    off = np.abs(due - made["tax"].to_numpy()).min(0)
    assert (off[~made["tax"].isna()] < 0.0051).all() and 0.1 < made["tax"].isna().mean() < 0.2
    assert made["tax"].nunique() > 500
