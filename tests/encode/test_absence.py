"""Cells missing where another column says so: found, kept in whatever is drawn, and no rule where there is none."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from conftest import scrambled
from lookalike.encode.base import EncoderSettings
from lookalike.encode.frame import TableEncoder
from lookalike.schema.infer import infer_schema


def parcels(rows: int = 4000, seed: int = 0) -> pa.Table:
    """What is open was not sent; only what came back has a reason; a rebate goes with a coupon; some weights are not known."""
    rng = np.random.default_rng(seed)
    status = rng.choice(["open", "sent", "back", "lost"], rows, p=[0.2, 0.5, 0.2, 0.1])
    coupon = rng.random(rows) < 0.3
    weight = np.round(rng.lognormal(1, 1, rows), 2)
    return pa.Table.from_pandas(
        pd.DataFrame(
            {
                "status": status,
                "sent": pd.Series(
                    pd.Timestamp("2024-01-01") + pd.to_timedelta(rng.integers(0, 10**7, rows), unit="s")
                ).mask(status == "open"),
                "reason": pd.Series(rng.choice(["size", "late"], rows)).mask(status != "back"),
                "coupon": pd.Series(rng.choice(["A", "B", "C"], rows)).mask(~coupon),
                "rebate": pd.Series(np.round(rng.random(rows) * 9, 2)).mask(~coupon),
                "weight": pd.Series(weight).mask((rng.random(rows) < 0.2) & (status != "lost")),
                "paid": rng.random(rows) < 0.5,
            }
        )
    )


def encoder_of(table: pa.Table, **settings) -> TableEncoder:
    encoder = TableEncoder(infer_schema(table), EncoderSettings(**settings))
    encoder.fit(table, seed=0)
    return encoder


def check(made: pd.DataFrame) -> None:
    assert ((made["status"] == "open") == made["sent"].isna()).all()
    assert ((made["status"] != "back") == made["reason"].isna()).all()
    assert (made["coupon"].isna() == made["rebate"].isna()).all()
    assert made.loc[made["status"] == "lost", "weight"].notna().all()


@pytest.mark.parametrize("intervals", ["quantiles", "modes"])
def test_whatever_an_engine_draws_cells_are_missing_where_they_are_to_be(intervals):
    encoder = encoder_of(parcels(), intervals=intervals)
    again = TableEncoder.from_state(encoder.schema, json.loads(json.dumps(encoder.state())))
    made = encoder.decode(encoder.ties.settle(scrambled(encoder)), seed=3)
    assert made.equals(again.decode(again.ties.settle(scrambled(again)), seed=3))
    check(made.to_pandas())
    assert len(made["sent"].unique()) > 5


def test_few_bins_are_no_codes_that_a_cell_must_be_met_by():
    """Of rows whose number must be there, and whose bin no other row has, none stays without."""
    rng = np.random.default_rng(0)
    gone = rng.random(3000) < 0.5
    pairs = {name: pd.Series(rng.lognormal(3, 1, 3000)).mask(gone) for name in ("length", "width")}
    encoder = encoder_of(pa.Table.from_pandas(pd.DataFrame(pairs)), intervals="quantiles", max_bins=40)
    for seed in range(20):
        made = encoder.decode(encoder.ties.settle(scrambled(encoder, 20, seed)), seed=3).to_pandas()
        assert (made["length"].isna() == made["width"].isna()).all()


def test_real_rows_stay_as_they_are():
    encoder = encoder_of(parcels(), intervals="quantiles")
    real = encoder.encode(parcels(), seed=0)
    settled = encoder.ties.settle(real)
    assert (settled.codes == real.codes).all() and (settled.residuals == real.residuals).all()


def test_what_is_found_says_most_and_no_more():
    encoder = encoder_of(parcels())
    found = {(absence.determinant, absence.dependent) for absence in encoder.ties.absences}
    assert {("status", "sent"), ("status", "reason"), ("status", "weight")} <= found
    assert len(found & {("coupon", "rebate"), ("rebate", "coupon")}) == 1, "one of the two says it of the other"
    assert not any("paid" in pair for pair in found) and len(found) == 4
    assert encoder_of(parcels(), keep_rules=False).ties.absences == []


def test_what_says_all_goes_before_what_says_some():
    """Who has no job has no employer, and nobody else; who never worked, which few did, has no job either."""
    rng = np.random.default_rng(0)
    employer = rng.choice(["state", "own", "never", ""], 2000, p=[0.4, 0.496, 0.004, 0.1])
    job = np.where(np.isin(employer, ["never", ""]), "", rng.choice(["cook", "clerk"], 2000))
    table = pa.table(
        {name: pa.array([x or None for x in cells.tolist()]) for name, cells in (("employer", employer), ("job", job))}
    )
    encoder = encoder_of(table)
    assert [(absence.determinant, absence.dependent) for absence in encoder.ties.absences] == [("employer", "job")]
    made = encoder.decode(encoder.ties.settle(scrambled(encoder)), seed=3).to_pandas()
    assert (made["job"].isna() == (made["employer"].isna() | (made["employer"] == "never"))).all()


@pytest.mark.parametrize("seed", range(4))
def test_gaps_by_chance_are_no_rule(seed):
    rng = np.random.default_rng(seed)
    table = pa.table(
        {
            "a": rng.choice(list("abcdefghij"), 300, p=[0.55, *[0.05] * 9]),
            "b": pa.array(np.where(rng.random(300) < 0.1, np.nan, rng.normal(size=300)), from_pandas=True),
            "c": pa.array(np.where(rng.random(300) < 0.9, np.nan, rng.normal(size=300)), from_pandas=True),
        }
    )
    assert encoder_of(table).ties.absences == []


def test_known_cells_are_left_alone_and_filling_asks_for_none():
    encoder = encoder_of(parcels(), intervals="quantiles")
    table = scrambled(encoder)
    place = list(encoder.encoders).index("sent")
    known = np.zeros(table.codes.shape, bool)
    known[:, place] = True
    settled = encoder.ties.settle(table, known)
    assert (settled.codes[:, place] == table.codes[:, place]).all() and (settled.codes != table.codes).any()
    assert (encoder.ties.settle(table, gaps=False).codes == table.codes).all()
