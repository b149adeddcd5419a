"""Rules between columns: found where they hold, kept in every row made, and none where there is none."""

from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest

from conftest import scrambled
from lookalike.encode.base import EncoderSettings
from lookalike.encode.frame import TableEncoder
from lookalike.encode.ties.settle import settled_codes
from lookalike.schema.infer import infer_schema


def places(rows: int = 4000, seed: int = 0) -> pa.Table:
    """600 cities, most of them small, of 12 states in 3 regions; a state's tax and code; and a colour that follows nothing."""
    rng = np.random.default_rng(seed)
    weights = 1 / np.arange(1, 601)
    city = rng.choice(600, rows, p=weights / weights.sum())
    state = city % 12
    return pa.table(
        {
            "colour": rng.choice(["red", "blue"], rows),
            "region": [("north", "mid", "south")[i % 3] for i in state],
            "tax": pa.array([None if i == 4 else 0.5 * i for i in state.tolist()]),
            "city": [f"c{i}" for i in city],
            "state": [f"s{i}" for i in state],
            "number": state + 100,
        }
    )


def encoder_of(table: pa.Table, **settings) -> TableEncoder:
    encoder = TableEncoder(infer_schema(table), EncoderSettings(intervals="quantiles", **settings))
    encoder.fit(table, seed=0)
    return encoder


def test_rules_are_found_and_no_others():
    found = {(rule.determinant, rule.dependent) for rule in encoder_of(places()).ties.rules}
    assert ("city", "state") in found and ("state", "region") in found and ("state", "tax") in found
    assert not any("colour" in pair for pair in found)
    assert not any((b, a) in found for a, b in found), "of two columns that settle each other one is settled"
    shuffled = places().set_column(
        4, "state", pa.array(np.random.default_rng(0).permutation(places()["state"].to_numpy()))
    )
    assert not any("state" in (rule.determinant,) for rule in encoder_of(shuffled).ties.rules)


@pytest.mark.parametrize("rare", [1, 5, 200])
def test_whatever_an_engine_draws_the_rules_hold(rare):
    """Levels that share a code are drawn such that they fit, however many they are."""
    table = places()
    encoder = encoder_of(table, rare_rows=rare)
    again = TableEncoder.from_state(encoder.schema, json.loads(json.dumps(encoder.state())))
    made = encoder.decode(encoder.ties.settle(scrambled(encoder)), seed=3)
    assert made.equals(again.decode(again.ties.settle(scrambled(again)), seed=3))
    real = table.to_pandas().drop(columns="colour").drop_duplicates().fillna(-1)
    fake = made.to_pandas().drop(columns="colour").fillna(-1)
    assert len(fake.merge(real)) == len(fake), "every city has its own state, region, tax and number"
    assert fake["city"].nunique() > 100


def test_what_was_settled_before_a_second_fit_is_forgotten():
    """What each code settles is worked out once, for all rows of one fit."""
    first = places()
    other = first.set_column(4, "state", pa.array([f"s{int(city[1:]) * 7 % 11}" for city in first["city"].to_pylist()]))
    encoder, fresh = encoder_of(first), TableEncoder(infer_schema(first), EncoderSettings(intervals="quantiles"))
    encoder.ties.settle(scrambled(encoder))
    for one in (encoder, fresh):
        one.fit(other, seed=0)
    assert (encoder.ties.settle(scrambled(encoder)).codes == fresh.ties.settle(scrambled(fresh)).codes).all()


def test_two_numbers_alike_are_both_settled():
    table = places()
    index = pa.array([float(int(city[1:]) % 7) for city in table["city"].to_pylist()])
    table = table.append_column("one", index).append_column("two", pa.array([10 * i for i in index.to_pylist()]))
    found = {(rule.determinant, rule.dependent) for rule in encoder_of(table).ties.rules}
    assert {("city", "one"), ("one", "two")} <= found


def shops(rows: int = 4000, seed: int = 0) -> pa.Table:
    """900 shops by number, too many for a code each, in 30 districts and 5 towns; the day, from which the month follows."""
    rng = np.random.default_rng(seed)
    shop = rng.integers(0, 900, rows)
    day = rng.integers(0, 300, rows).astype("timedelta64[D]") + np.datetime64("2020-01-01")
    return pa.table(
        {
            "shop": 10_000 + 7 * shop,
            "district": shop // 30,
            "town": [f"t{i}" for i in shop // 180],
            "day": day,
            "month": day.astype("datetime64[M]").astype(int) % 12 + 1,
            "sold": rng.integers(0, 5, rows),
        }
    )


@pytest.mark.parametrize("intervals", ["quantiles", "modes"])
def test_a_number_settles_as_a_label_does(intervals):
    table = shops()
    encoder = TableEncoder(infer_schema(table), EncoderSettings(intervals=intervals))
    encoder.fit(table, seed=0)
    found = {(rule.determinant, rule.dependent) for rule in encoder.ties.rules}
    assert {("shop", "district"), ("district", "town"), ("day", "month")} <= found
    assert not any("sold" in pair for pair in found)
    again = TableEncoder.from_state(encoder.schema, json.loads(json.dumps(encoder.state())))
    made = encoder.decode(encoder.ties.settle(scrambled(encoder)), seed=3)
    assert made.equals(again.decode(again.ties.settle(scrambled(again)), seed=3))
    real, fake = table.to_pandas(), made.to_pandas()
    for determinant, dependent in (("shop", "district"), ("district", "town"), ("day", "month")):
        due = fake[determinant].map(real.drop_duplicates(determinant).set_index(determinant)[dependent])
        known = due.notna()
        assert known.mean() > 0.1 and (due[known] == fake[dependent][known]).all()
    assert fake["sold"].nunique() == 5


def test_a_bin_settles_what_all_its_numbers_agree_on():
    encoder = encoder_of(shops())
    rule = next(rule for rule in encoder.ties.rules if (rule.determinant, rule.dependent) == ("shop", "district"))
    due = settled_codes(rule, encoder.encoders["shop"])
    assert (due >= 0).any() and (due < 0).any(), "bins of nine shops: most lie in one district, some in two"


def test_known_cells_are_not_overruled():
    encoder = encoder_of(places())
    table = scrambled(encoder)
    known = np.zeros(table.codes.shape, bool)
    known[:, 1] = True
    settled = encoder.ties.settle(table, known)
    assert (settled.codes[:, 1] == table.codes[:, 1]).all() and (settled.codes != table.codes).any()


def test_hidden_levels_stay_hidden():
    table = places()
    encoder = encoder_of(table, rare_rows=20, rare_categories="hide")
    made = encoder.decode(encoder.ties.settle(scrambled(encoder)), seed=3).to_pandas()
    counts = table.to_pandas()["city"].value_counts()
    assert counts[made["city"].unique()].min() >= 20
    assert (made["state"] == "s" + (made["city"].str[1:].astype(int) % 12).astype(str)).all()


def test_rules_can_be_left_to_chance():
    assert encoder_of(places(), keep_rules=False).ties.rules == []


def test_agreement_by_chance_is_no_rule():
    rng = np.random.default_rng(0)
    table = pa.table({"a": rng.choice(list("xyz"), 30), "b": ["same"] * 29 + ["other"]})
    assert encoder_of(table).ties.rules == []


def till(rows: int = 6000, seed: int = 0) -> pa.Table:
    """What a shop sells at which moment of two years: by weekday and hour, which stand in columns of their own."""
    rng = np.random.default_rng(seed)
    day, hour = rng.integers(0, 730, rows), rng.integers(8, 21, rows)
    seconds = (19_000 + day) * 86_400 + hour * 3600 + rng.integers(0, 3600, rows)
    moment = seconds.astype("datetime64[s]")
    weekday = (19_000 + day + 3) % 7
    return pa.table(
        {
            "sold_at": pa.array(moment),
            "weekday": [("Mo", "Tu", "We", "Th", "Fr", "Sa", "Su")[i] for i in weekday],
            "weekend": weekday >= 5,
            "hour": hour,
            "year": moment.astype("datetime64[Y]").astype(int) + 1970,
            "closed": np.isin(day, [20, 385]),
            "items": rng.poisson(1 + 3 * (weekday >= 5) + (hour > 16)),
        }
    )


@pytest.mark.parametrize("intervals", ["quantiles", "modes"])
def test_parts_of_a_date_settle_and_the_rows_ties_to_them_are_kept(intervals):
    """Codes as a net that learned everything would draw them: what shares a bin is chosen by what the row says of it."""
    table = till()
    encoder = TableEncoder(infer_schema(table), EncoderSettings(intervals=intervals))
    encoder.fit(table, seed=0)
    assert {(rule.dependent, rule.part.name) for rule in encoder.ties.rules if rule.determinant == "sold_at"} == {
        ("weekday", "weekday"),
        ("weekend", "weekday"),
        ("hour", "hour"),
        ("year", "year"),
        ("closed", "day"),
    }
    again = TableEncoder.from_state(encoder.schema, json.loads(json.dumps(encoder.state())))
    codes = encoder.encode(table, seed=0)
    places = [list(encoder.encoders).index(name) for name in ("sold_at", "sold_at: time")]
    codes.residuals[:, places] = np.random.default_rng(1).uniform(-0.25, 0.25, (table.num_rows, 2))
    made = encoder.decode(encoder.ties.settle(codes), seed=3)
    assert made.equals(again.decode(again.ties.settle(codes), seed=3))
    real, fake = table.to_pandas(), made.to_pandas()
    moment = fake["sold_at"].dt
    assert (moment.strftime("%a").str[:2] == fake["weekday"]).all() and (
        (moment.day_of_week > 4) == fake["weekend"]
    ).all()
    assert (moment.hour == fake["hour"]).all() and (moment.year == fake["year"]).all()
    assert (fake["sold_at"] != real["sold_at"]).mean() > 0.9
    means = [one.groupby("weekday")["items"].mean() for one in (real, fake)]
    assert np.abs(means[0] - means[1]).max() < 0.15, "items depend on the weekday as they did"
    assert fake["weekday"].value_counts().to_dict() == pytest.approx(real["weekday"].value_counts().to_dict(), rel=0.05)


def test_a_pooled_level_is_drawn_by_all_that_its_row_says():
    """An article settles its kind and its price: the price alone would leave the kind to chance."""
    rng = np.random.default_rng(0)
    article = rng.integers(0, 700, 6000)
    kind, price = rng.integers(0, 5, 700)[article], np.round(rng.lognormal(2, 1, 700), 2)[article]
    table = pa.table(
        {
            "article": [f"a{i}" for i in article],
            "kind": [f"k{i}" for i in kind],
            "price": price,
            "shop": [f"s{i}" for i in np.where(rng.random(6000) < 0.9, kind, rng.integers(0, 5, 6000))],
        }
    )
    encoder = encoder_of(table, max_categories=100)
    made = encoder.decode(encoder.ties.settle(encoder.encode(table, seed=0)), seed=3).to_pandas()
    assert len(made.merge(table.to_pandas()[["article", "kind", "price"]].drop_duplicates())) == len(made)
    assert (made["shop"].str[1:] == made["kind"].str[1:]).mean() > 0.9


def test_a_number_that_settles_is_one_of_those_seen_where_its_neighbours_disagree():
    table = shops(20_000).drop(["day", "month"])
    table = table.append_column("lot", pa.array(np.asarray(table["shop"]) % 3))
    encoder = encoder_of(table)
    codes = encoder.encode(table, seed=0)
    codes.residuals[:] = np.random.default_rng(1).uniform(-1, 1, codes.residuals.shape)
    made, real = encoder.decode(encoder.ties.settle(codes), seed=3).to_pandas(), table.to_pandas()
    assert made["shop"].isin(real["shop"]).mean() > 0.99 and (made["shop"] != real["shop"]).mean() > 0.2
    assert (made["shop"] % 3 == made["lot"]).mean() > 0.99


def staff(rows: int = 6000, seed: int = 0) -> pa.Table:
    """Incomes, all different, of which brackets are stretches; a birthday, from which the age follows."""
    rng = np.random.default_rng(seed)
    income = np.where(rng.random(rows) < 0.02, np.nan, rng.lognormal(10, 0.6, rows))
    born = rng.integers(-6000, 12_000, rows)
    return pa.table(
        {
            "income": pa.array(income, from_pandas=True),
            "bracket": pa.array([None if np.isnan(i) else f"b{int(np.digitize(i, [9e3, 2e4, 5e4]))}" for i in income]),
            "born": pa.array(born.astype("datetime64[D]")),
            "age": (19_500 - born) // 366,
            "happy": rng.random(rows) < 0.5,
        }
    )


@pytest.mark.parametrize("intervals", ["quantiles", "modes"])
def test_stretches_of_an_axis_settle(intervals):
    table = staff()
    encoder = TableEncoder(infer_schema(table), EncoderSettings(intervals=intervals))
    encoder.fit(table, seed=0)
    assert {(rule.determinant, rule.dependent) for rule in encoder.ties.rules if rule.banded} == {
        ("income", "bracket"),
        ("born", "age"),
    }
    again = TableEncoder.from_state(encoder.schema, json.loads(json.dumps(encoder.state())))
    made = encoder.decode(encoder.ties.settle(scrambled(encoder)), seed=3)
    assert made.equals(again.decode(again.ties.settle(scrambled(again)), seed=3))
    fake = made.to_pandas()
    incomes = {
        one.Index: one for one in table.to_pandas().groupby("bracket")["income"].agg(["min", "max"]).itertuples()
    }
    for bracket, ends in incomes.items():
        inside = fake["income"].between(ends.min, ends.max)
        assert inside.any() and (fake.loc[inside, "bracket"] == bracket).all()
    codes = encoder.encode(table, seed=0)
    codes.residuals[:, 0] = np.random.default_rng(1).uniform(-0.25, 0.25, table.num_rows)
    made = encoder.decode(encoder.ties.settle(codes), seed=3)
    kept = np.mean(np.array(made["bracket"].to_pylist()) == np.array(table["bracket"].to_pylist()))
    assert kept > (0.98 if intervals == "quantiles" else 0.85), (
        "a number gives way where its bin reaches over two brackets"
    )


def test_no_rows_keep_the_rules_too():
    table = pa.table(
        {
            "label": [list("qrsqr")[i % 5] for i in range(600)],
            "parity": ["xy"[i % 2] for i in range(600)],
            "number": [i * 7 % 300 / 100 for i in range(600)],
        }
    )
    encoder = encoder_of(table)
    assert len({rule.determinant for rule in encoder.ties.rules}) == 1 and len(encoder.ties.rules) == 2
    assert encoder.decode(encoder.ties.settle(scrambled(encoder, rows=0)), seed=0).schema == table.schema


@pytest.mark.parametrize("intervals", ["quantiles", "modes"])
def test_a_bracket_that_is_a_number_is_that_of_its_income(intervals):
    """Of modes that overlap either may be a number's: each was taken for another thing that an income settles."""
    income = np.random.default_rng(0).gamma(3, 9_000, 3_000).round().astype(np.int64)
    table = pa.table({"income": income, "bracket": income // 3_000})
    encoder = TableEncoder(infer_schema(table), EncoderSettings(intervals=intervals))
    encoder.fit(table, seed=0)
    assert [rule.banded for rule in encoder.ties.rules] == [True]
    made = encoder.decode(encoder.ties.settle(scrambled(encoder)), seed=3)
    numbers, brackets = made["income"].to_numpy(), made["bracket"].to_numpy()
    known = np.unique(income // 3_000)
    low, high = (np.array([end(income[income // 3_000 == one]) for one in known]) for end in (np.min, np.max))
    above = np.searchsorted(low, numbers, side="right")
    within = (above > 0) & (numbers <= high[above - 1])
    assert within.mean() > 0.5 and np.array_equal(brackets[within], known[above - 1][within])
    either = (brackets == known[np.maximum(above - 1, 0)]) | (brackets == known[np.minimum(above, len(known) - 1)])
    assert either.all()
