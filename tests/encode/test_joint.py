"""What columns settle together holds in every row made, whatever an engine draws."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import lookalike
from conftest import scrambled
from lookalike import Run
from lookalike.encode.base import EncoderSettings
from lookalike.encode.frame import TableEncoder
from lookalike.schema.infer import infer_schema


def sales(rows: int = 6000, seed: int = 0) -> pd.DataFrame:
    """A price is an article's in a size (none where it is on request), a rate a country's and a kind's; a shelf is the price's."""
    rng = np.random.default_rng(seed)
    listed = np.random.default_rng(9).integers(100, 4000, (30, 3)) / 4
    listed[3, 1] = np.nan
    rates = np.random.default_rng(8).choice(["0 %", "7 %", "19 %"], (6, 5))
    article, size, country = rng.integers(0, 30, rows), rng.integers(0, 3, rows), rng.integers(0, 6, rows)
    return pd.DataFrame(
        {
            "article": [f"a{i}" for i in article],
            "size": size + 1,
            "country": [f"c{i}" for i in country],
            "kind": article % 5,
            "price": listed[article, size],
            "rate": rates[country, article % 5],
            "pieces": rng.integers(1, 9, rows),
        }
    )


def encoder_of(table: pd.DataFrame, intervals: str = "quantiles", **settings) -> TableEncoder:
    arrow = pa.Table.from_pandas(table)
    encoder = TableEncoder(infer_schema(arrow), EncoderSettings(intervals=intervals, **settings))
    encoder.fit(arrow, seed=0)
    return encoder


def broken(made: pd.DataFrame, real: pd.DataFrame, together: list[str], dependent: str) -> float:
    """Share of the rows made whose combination real rows have, but not with this dependent."""
    real, made = real.fillna(-1), made.fillna(-1)
    seen = set(map(tuple, real[together].to_numpy()))
    kept = set(map(tuple, real[[*together, dependent]].to_numpy()))
    known = [tuple(row) for row in made[[*together, dependent]].to_numpy() if tuple(row[:-1]) in seen]
    assert len(known) > 100
    return float(np.mean([row not in kept for row in known]))


@pytest.mark.parametrize("intervals", ["quantiles", "modes"])
@pytest.mark.parametrize("rare", [1, 5, 250])
def test_whatever_an_engine_draws_they_hold(rare: int, intervals: str):
    table = sales()
    encoder = encoder_of(table, intervals, rare_rows=rare)
    assert {(frozenset(joint.determinants), joint.dependent) for joint in encoder.ties.joints} == {
        (frozenset({"article", "size"}), "price"),
        (frozenset({"country", "kind"}), "rate"),
    }
    again = TableEncoder.from_state(encoder.schema, json.loads(json.dumps(encoder.state())))
    made = encoder.decode(encoder.ties.settle(scrambled(encoder)), seed=3)
    assert made.equals(again.decode(again.ties.settle(scrambled(again)), seed=3))
    assert broken(made.to_pandas(), table, ["article", "size"], "price") == 0
    assert broken(made.to_pandas(), table, ["country", "kind"], "rate") == 0


def test_codes_are_settled_before_values_are_drawn():
    encoder = encoder_of(sales())
    drawn = scrambled(encoder)
    places = {column.name: place for place, column in enumerate(encoder.columns)}
    settled = encoder.ties.settle(drawn)
    assert (settled.codes[:, places["rate"]] != drawn.codes[:, places["rate"]]).mean() > 0.3
    real = encoder.encode(pa.Table.from_pandas(sales()), seed=0)
    assert (encoder.ties.settle(real).codes == real.codes).all(), "real rows keep their own rules"


def test_known_cells_are_not_overruled():
    encoder = encoder_of(sales())
    table = scrambled(encoder)
    known = np.zeros(table.codes.shape, bool)
    known[:, [column.name for column in encoder.columns].index("rate")] = True
    assert (encoder.ties.settle(table, known).codes[known] == table.codes[known]).all()


def test_what_one_row_alone_says_is_not_given_out_and_hidden_labels_stay_hidden():
    own = {"article": "a0", "size": 4, "country": "c6", "kind": 0, "price": 1234.5, "rate": "rare", "pieces": 1}
    for rows in (1, 3):
        table = pd.concat([sales(), pd.DataFrame([own] * rows)])
        (price,) = (joint for joint in encoder_of(table).ties.joints if joint.dependent == "price")
        assert price.values.numbers is not None and (1234.5 in price.values.numbers) is (rows > 1)
    hidden = encoder_of(table, rare_categories="hide", rare_rows=20)
    made = hidden.decode(hidden.ties.settle(scrambled(hidden)), seed=3).to_pandas()
    assert "rare" not in set(made["rate"]) and hidden.ties.joints


def test_none_where_they_are_left_to_chance():
    assert encoder_of(sales(), keep_rules=False).ties.joints == []


def test_each_column_is_settled_once_and_never_in_a_circle():
    rng = np.random.default_rng(0)
    a, b, c = rng.integers(0, 6, (3, 5000))
    table = pd.DataFrame({"a": a, "b": b, "c": c, "sum": (a + b) % 6, "further": (a + b + c) % 6})
    joints = encoder_of(table).ties.joints
    assert len({joint.dependent for joint in joints}) == len(joints) == 2
    made = encoder_of(table)
    rows = made.decode(made.ties.settle(scrambled(made)), seed=0).to_pandas()
    assert ((rows["a"] + rows["b"]) % 6 == rows["sum"]).all()
    assert ((rows["a"] + rows["b"] + rows["c"]) % 6 == rows["further"]).all()


def test_a_customer_in_one_country_pays_its_rates():
    """What a key settles is exchanged between rows; what hangs on it follows."""
    table = sales()
    customer = np.random.default_rng(3).integers(0, 900, len(table))
    table["country"] = [f"c{i % 6}" for i in customer]
    rates = np.random.default_rng(8).choice(["0 %", "7 %", "19 %"], (6, 5))
    table["rate"] = rates[customer % 6, table["kind"]]
    table.insert(0, "customer_id", [f"C{10_000 + 3 * i}" for i in customer])
    twin = lookalike.fit(table, engine="marginals", run=Run())
    made = twin.sample(3000, seed=0)
    assert (made.groupby("customer_id")["country"].nunique() == 1).all()
    assert broken(made, table, ["country", "kind"], "rate") == 0


def test_a_known_article_and_size_have_their_price():
    table = sales(2000)
    twin = lookalike.fit(table, engine="autoregressive", any_order=True, epochs=2, hidden=8, run=Run())
    lost = table.head(300).assign(price=np.nan)
    assert broken(twin.impute(lost), table.dropna(), ["article", "size"], "price") == 0


@pytest.mark.parametrize("hidden", ["pool", "hide"])
def test_an_article_is_drawn_to_fit_a_known_price_and_size(hidden):
    table = sales()
    twin = lookalike.fit(table, engine="marginals", run=Run(), rare_categories=hidden)
    for given in (["size", "price"], ["price"], ["article", "rate"], ["country", "rate"]):
        done = twin.complete(table[given].dropna().head(1000), seed=1)
        assert broken(done, table, ["article", "size"], "price") == 0
        assert broken(done, table, ["country", "kind"], "rate") == 0
