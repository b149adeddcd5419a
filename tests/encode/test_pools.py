"""Levels without a code of their own share one with those whose rows are alike."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest

from lookalike import Run, fit
from lookalike.encode.base import EncoderSettings
from lookalike.encode.category import CategoryEncoder
from lookalike.encode.frame import TableEncoder
from lookalike.schema.infer import infer_schema

ROWS, ARTICLES = 12_000, 600


@pytest.fixture(scope="module")
def table() -> pa.Table:
    """Articles of a kind and about a price each, of which neither is settled by the other; every fifth has less than five rows."""
    rng = np.random.default_rng(0)
    price, kind = np.exp(rng.normal(3, 1, ARTICLES)), rng.integers(0, 4, ARTICLES)
    weight = np.where(np.arange(ARTICLES) % 5 == 0, 0.05, 1.0)
    article = rng.choice(ARTICLES, ROWS, p=weight / weight.sum())
    return pa.table(
        {
            "article": [f"A{i}" for i in article],
            "kind": np.where(rng.random(ROWS) < 0.1, rng.integers(0, 4, ROWS), kind[article]).astype(str),
            "paid": np.round(price[article] * rng.uniform(0.8, 1, ROWS), 2),
            "day": rng.integers(0, 7, ROWS),
        }
    )


def encoder_of(table: pa.Table, seed: int = 0, **settings) -> TableEncoder:
    encoder = TableEncoder(infer_schema(table), EncoderSettings(intervals="quantiles", **settings))
    encoder.fit(table, seed=seed)
    return encoder


def articles_of(encoder: TableEncoder) -> CategoryEncoder:
    found = encoder.encoders["article"]
    assert isinstance(found, CategoryEncoder)
    return found


def test_levels_of_a_pool_are_alike(table):
    articles = articles_of(encoder_of(table, max_categories=50))
    mine = table.to_pandas()
    mine["pool"] = articles.pool_of[
        mine["article"]
        .map({articles.levels[int(i)].as_py(): place for place, i in enumerate(articles.pool)})
        .fillna(-1)
        .astype(int)
    ]
    pooled = mine[mine["article"].isin([articles.levels[int(i)].as_py() for i in articles.pool])]
    often = pooled[pooled["pool"] > 0]
    assert articles.pools > 20
    within = np.log(often["paid"]).groupby(often["pool"]).std().mean()
    assert within < 0.35 < 0.8 < np.log(mine["paid"]).std()
    assert (often.groupby("pool")["kind"].agg(lambda kinds: kinds.value_counts(normalize=True).iloc[0])).median() > 0.8


def test_levels_of_few_rows_stay_together(table):
    """What their rows hold would be told by a pool of a few of them."""
    articles = articles_of(encoder_of(table, max_categories=50))
    rare = articles.counts[articles.pool] < articles.settings.rare_rows
    assert rare.any() and set(articles.pool_of[rare]) == {0} and 0 not in articles.pool_of[~rare]


def test_every_level_comes_back_from_its_pool(table):
    encoder = encoder_of(table, max_categories=50)
    articles = articles_of(encoder)
    encoded = encoder.encode(table, seed=0)
    codes = encoded.codes[:, 0]
    again = encoder.encode(encoder.decode(encoded, seed=1), seed=0).codes[:, 0]
    assert np.array_equal(codes, again)
    assert set(range(articles.column.cardinality)) == set(codes)


def test_columns_that_tell_nothing_leave_one_pool():
    rng = np.random.default_rng(1)
    table = pa.table({"place": [f"p{i}" for i in rng.integers(0, 400, 8_000)], "x": rng.normal(0, 1, 8_000)})
    found = encoder_of(table, max_categories=20).encoders["place"]
    assert isinstance(found, CategoryEncoder)
    assert found.pools <= 3  # by chance alone nothing parts them, or next to nothing


def test_few_pooled_levels_share_one_code(table):
    assert articles_of(encoder_of(table, max_categories=ARTICLES - 10)).pools <= 2


def test_pools_are_saved_and_the_same_for_a_seed(table):
    encoder = encoder_of(table, max_categories=50)
    again = TableEncoder.from_state(encoder.schema, json.loads(json.dumps(encoder.state())))
    for other in (again, encoder_of(table, max_categories=50)):
        assert np.array_equal(articles_of(other).pool_of, articles_of(encoder).pool_of)
        assert other.encode(table, seed=0).codes.tolist() == encoder.encode(table, seed=0).codes.tolist()


def test_what_goes_with_an_article_goes_with_it_in_rows_made(table):
    twin = fit(table, engine="trees", max_categories=50, run=Run())
    mean = np.log(table.to_pandas()["paid"]).groupby(table["article"].to_pandas()).mean()
    made = twin.sample(ROWS, seed=1).to_pandas()
    often = made["article"].isin(table.to_pandas()["article"].value_counts().loc[lambda rows: rows >= 5].index)
    tie = np.corrcoef(np.log(made["paid"])[often], made["article"].map(mean)[often])[0, 1]
    assert tie > 0.8, "with one pool for all of them it is .3"


def test_hidden_levels_of_any_pool_stay_hidden(table):
    encoder = encoder_of(table, max_categories=50, rare_categories="hide")
    articles = articles_of(encoder)
    common = set(articles.levels.take(pa.array(articles.level_of_code)).to_pylist())
    made = encoder.decode(encoder.encode(table, seed=0), seed=1)["article"].to_pylist()
    assert articles.pools > 20 and set(made) == common
