"""Keys of several rows each: what they settle holds in the rows made, and they have as many rows as real ones."""

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
from lookalike.encode.key import KeyEncoder
from lookalike.encode.ties.entities import Entity, group
from lookalike.model.autoregressive import AutoregressiveSettings
from lookalike.model.training.task import held_out_rows
from lookalike.schema import ColumnSpec, Values

HELD = {
    "customer_id": ["town", "country", "born", "card_id"],
    "order_id": ["day", "customer_id", "town", "country", "born"],
}


def lines(orders: int = 2500, seed: int = 0) -> pd.DataFrame:
    """Lines of orders: an order has a day and a customer (or none, a guest's), a customer has a town and a year of birth and a card."""
    rng = np.random.default_rng(seed)
    customer = rng.integers(0, 900, orders)
    customer[rng.random(orders) < 0.1] = 900
    town, born = rng.integers(0, 60, 901), rng.integers(1940, 2005, 901)
    order = np.repeat(np.arange(orders), rng.choice([1, 2, 3], orders, p=[0.4, 0.3, 0.3]))
    who = customer[order]
    day = pd.Timestamp("2022-01-01") + pd.to_timedelta(rng.integers(0, 700, orders)[order], unit="D")
    return pd.DataFrame(
        {
            "order_id": [f"ORD-{100_000 + 7 * i}" for i in order],
            "day": day,
            "customer_id": [None if i == 900 else f"C{50_000 + 3 * i}" for i in who],
            "card_id": [None if i == 900 else f"K-{90_000 + 11 * i}" for i in who],
            "town": [f"town {i}" for i in town[who]],
            "country": [f"country {i % 7}" for i in town[who]],
            "born": born[who],
            "line": np.arange(len(order)) - np.searchsorted(order, order) + 1,
            "article": rng.choice(["ham", "jam", "spam"], len(who)),
            "pieces": rng.integers(1, 9, len(who)),
        }
    )


@pytest.fixture(scope="module")
def twin():
    return fitted(lines())


def check(rows: pd.DataFrame) -> None:
    for key, held in HELD.items():
        by_key = rows[rows[key].notna()].groupby(key)
        for name in held:
            assert (by_key[name].nunique(dropna=False) == 1).all(), (key, name)
    assert (rows.groupby("town")["country"].nunique() == 1).all()
    lines_of = rows.groupby("order_id")["line"]
    assert (
        (lines_of.min() == 1).all()
        and (lines_of.max() == lines_of.size()).all()
        and (lines_of.nunique() == lines_of.size()).all()
    )
    assert not set(rows["customer_id"].dropna()) & set(lines()["customer_id"].dropna())


def test_what_keys_settle_is_found(twin):
    found = {entity.key: entity for entity in twin.encoder.ties.entities}
    assert list(found) == ["order_id", "customer_id", "card_id"]
    assert set(found["order_id"].holds) == {"day", "country", "town", "born"} and found["order_id"].made_of is None
    assert set(found["customer_id"].holds) == {"country", "town", "born"} and found["customer_id"].made_of == "order_id"
    assert found["order_id"].counts == (("line", 1),) and not found["customer_id"].counts
    assert found["card_id"].alias and found["card_id"].made_of == "customer_id"


def test_rows_of_a_key_agree_and_are_as_many_as_real_ones(twin, tmp_path):
    real, made = lines(), twin.sample(seed=3)
    check(made)
    sizes = [rows.groupby("order_id").size().value_counts(normalize=True) for rows in (real, made)]
    assert np.abs(sizes[0] - sizes[1]).max() < 0.03
    per_customer = [rows.groupby("customer_id").size().mean() for rows in (real, made)]
    assert per_customer[1] == pytest.approx(per_customer[0], rel=0.15)
    assert made["customer_id"].isna().mean() == pytest.approx(real["customer_id"].isna().mean(), abs=0.03)
    assert (made["customer_id"].isna() == made["card_id"].isna()).mean() > 0.7
    for name in ("country", "article"):
        shares = [rows[name].value_counts(normalize=True) for rows in (real, made)]
        assert np.abs(shares[0] - shares[1]).max() < 0.03
    twin.save(tmp_path / "lines.twin")
    assert lookalike.load(tmp_path / "lines.twin").sample(500, seed=3).equals(twin.sample(500, seed=3))


def test_conditions_and_balance_hold_in_whole_keys(twin):
    made = twin.sample([300, 200], where=[{"country": "country 1"}, {"country": "country 4"}], seed=1)
    assert made["country"].tolist() == ["country 1"] * 300 + ["country 4"] * 200
    check(made)
    made = twin.sample(700, balance="country", seed=1)
    assert made["country"].value_counts().tolist() == [100] * 7
    check(made)


def fitted(table: pd.DataFrame, **settings):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LookalikeWarning)
        return lookalike.fit(table, engine="copula", run=Run(), seed=1, **settings)


def test_rows_kept_back_leave_no_gaps_where_a_keys_rows_are_counted():
    real = lines()
    back = np.random.default_rng(0).random(len(real)) < 0.1
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LookalikeWarning)
        twin = lookalike.fit(real[~back], avoid=real[back], engine="copula", run=Run(), seed=1)
        alone = lookalike.fit(real[~back], avoid=real.loc[back, ["order_id"]], engine="copula", run=Run(), seed=1)
    made = twin.sample(len(real), seed=1)
    check(made)
    sizes = [rows.groupby("order_id").size().mean() for rows in (real, real[~back], made)]
    assert sizes[2] == pytest.approx(sizes[0], rel=0.02) and sizes[1] < 0.97 * sizes[0]
    assert not any(entity.counts for entity in alone.encoder.ties.entities), "keys alone are no rows"


def test_a_condition_on_a_line_s_number_is_met(twin):
    assert twin.sample(200, where={"line": 2}, seed=1)["line"].tolist() == [2] * 200
    assert twin.sample(300, balance="line", seed=1)["line"].value_counts().to_dict() == {1: 100, 2: 100, 3: 100}


def stays(persons: int = 300, seed: int = 0) -> pd.DataFrame:
    """Visits of patients, counted, on days that rise, of a person who grows older."""
    rng = np.random.default_rng(seed)
    whose = np.repeat(np.arange(persons), rng.integers(1, 8, persons))
    table = pd.DataFrame({"patient_id": [f"P{7919 * i % 99_991:05}" for i in whose], "person": whose})
    table["day"] = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 1500, len(table)), unit="D")
    table = table.sort_values(["person", "day"], ignore_index=True)
    table["visit"] = table.groupby("person").cumcount() + 1
    table["ever_paid"] = rng.integers(1, 400, len(table))
    table["ever_paid"] = table.groupby("person")["ever_paid"].cumsum()
    table["sex"] = np.where(whose % 2, "f", "m")
    return table.drop(columns="person").sample(frac=1, random_state=seed, ignore_index=True)


def test_what_rises_with_the_count_of_a_keys_rows_rises_in_rows_made():
    twin = fitted(stays())
    (entity,) = twin.encoder.ties.entities
    assert entity.counts == (("visit", 1),) and entity.rises == ("day", "ever_paid")
    made = twin.sample(1_000, seed=1).sort_values(["patient_id", "visit"])
    follows = made["patient_id"] == made["patient_id"].shift()
    assert follows.sum() > 500
    for name in ("day", "ever_paid"):
        assert (made[name] >= made[name].shift())[follows].all(), name
    assert (made.groupby("patient_id")["visit"].max() == made.groupby("patient_id").size()).all()
    mixed = stays().assign(day=np.random.default_rng(0).permutation(stays()["day"]))
    assert fitted(mixed).encoder.ties.entities[0].rises == ("ever_paid",)


def test_rows_turned_down_leave_no_gaps_where_a_keys_rows_are_counted():
    declared = [{"rule": "predicate", "expression": "article != 'spam' or pieces > 2"}]
    table = lines()
    table = table[(table["article"] != "spam") | (table["pieces"] > 2)]
    table = table.assign(line=table.groupby("order_id").cumcount() + 1)
    twin = fitted(table, schema={"lookalike_schema": 2, "columns": [], "constraints": declared})
    made = twin.sample(2_000, seed=1)
    check(made)
    assert ((made["article"] != "spam") | (made["pieces"] > 2)).all() and len(made) == 2_000


def test_a_key_that_settles_nothing_is_given_to_any_rows_and_may_count_them():
    rng = np.random.default_rng(0)
    mixed = ("day", "customer_id", "card_id", "town", "country", "born")
    table = lines().assign(**{name: rng.permutation(lines()[name]) for name in mixed})
    counting = fitted(table)
    assert [(entity.key, entity.holds) for entity in counting.encoder.ties.entities] == [("order_id", ())]
    made = counting.sample(500, seed=1)
    assert (made.groupby("order_id")["line"].max() == made.groupby("order_id").size()).all()
    twin = fitted(table.assign(line=rng.permutation(table["line"])))
    assert twin.encoder.ties.entities == []
    assert (twin.sample(500, seed=1).groupby("order_id")["town"].nunique() > 1).any()


def test_rows_held_out_are_of_strangers(twin):
    """A net that learned half of a customer's rows would find the other half likely for ever."""
    encoded = twin.encoder.encode(pa.Table.from_pandas(lines()), seed=0)
    training, held_out = held_out_rows(encoded, AutoregressiveSettings(), np.random.default_rng(0))
    assert not set(encoded.groups[training]) & set(encoded.groups[held_out]) - {0}
    assert len(held_out) == pytest.approx(len(encoded) / 10, rel=0.2) and len(held_out) + len(training) == len(encoded)


@given(st.integers(1, 60), st.integers(1, 4), st.integers(1, 6), st.integers(0, 10**6))
def test_whatever_is_drawn_rows_of_a_key_agree(rows, levels, mean, seed):
    rng = np.random.default_rng(seed)
    drawn = {
        "a": Values(rng.random(rows) < 0.2, codes=rng.integers(0, levels, rows).astype(np.int32)),
        "b": Values(np.zeros(rows, bool), numbers=rng.integers(0, 30, rows)),
        "c": Values(np.zeros(rows, bool), numbers=rng.integers(0, 30, rows)),
    }
    streams = {}
    for name, times in (("fine", [1, 2]), ("coarse", [1, 2 * mean])):
        key = KeyEncoder(ColumnSpec(name=name, kind="key", storage="int64", repeated=True))
        key.fit(pa.array(np.repeat(np.arange(5, 500, 7), 2)))
        key.times, key.shared_by = times, [1, 1]
        streams[name] = key.stream(seed)
    made, keys = group([Entity("fine", ("a", "b")), Entity("coarse", ("a",), "fine")], drawn, streams, rng, ["a"])
    frame = pd.DataFrame(
        {
            "fine": keys["fine"].to_pylist(),
            "coarse": keys["coarse"].to_pylist(),
            "a": np.where(made["a"].missing, -1, made["a"].codes),
            "b": made["b"].numbers,
        }
    )
    assert len(frame) == rows and (frame.groupby("fine")[["coarse", "a", "b"]].nunique() == 1).all(axis=None)
    assert (frame.groupby("coarse")["a"].nunique() == 1).all()
    assert (frame["a"] == np.where(drawn["a"].missing, -1, drawn["a"].codes)).all(), "what is firm stays where it was"
    assert (made["c"].numbers == drawn["c"].numbers).all()


def test_what_is_a_keys_is_filled_in_as_its_other_rows_have_it_or_drawn_once():
    table = lines(600)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LookalikeWarning)
        twin = lookalike.fit(table, engine="marginals", run=Run(), seed=1)
    rng = np.random.default_rng(1)
    gone = rng.random((3, len(table))) < [[0.3], [0.3], [0.5]]
    holed = table.assign(
        town=table["town"].mask(gone[0]), country=table["country"].mask(gone[1]), born=table["born"].mask(gone[2])
    )
    done = twin.impute(holed, seed=1)
    for name in ("town", "country", "born"):
        mine = table["customer_id"].notna()
        assert (done[mine].groupby("customer_id")[name].nunique() == 1).all() and done[name].notna().all()
        there = holed[name].notna()
        assert (done[name] == table[name])[there].all()
        known = there.groupby(table["customer_id"]).transform("any") & mine
        assert (done[name] == table[name])[known].all(), "what one row of theirs says"
    assert (done.groupby("town")["country"].nunique() == 1).all()
    done = twin.complete(table[["order_id", "customer_id", "article"]], seed=1)
    assert (done.groupby("customer_id")[["town", "country", "born"]].nunique() == 1).all(axis=None)
    assert (done.groupby("order_id")[["day", "town"]].nunique() == 1).all(axis=None)
    assert (done.groupby("town")["country"].nunique() == 1).all()


def visits(rng, named: str, twins: bool) -> pd.DataFrame:
    """Six visits each of 200 persons, each with a name, a date of birth, a weight and an insurance number."""
    persons = pd.DataFrame(
        {
            named: [f"Name{i} Family{7 * i}" for i in range(200)],
            "born": pd.Timestamp("1930-01-01") + pd.to_timedelta(rng.choice(25_000, 200, replace=False), unit="D"),
            "weight": rng.choice(np.arange(400, 1_200), 200, replace=False) / 10,
            "insured_under": rng.choice(9 * 10**9, 200, replace=False) + 10**9,
        }
    )
    if twins:
        persons.loc[1, named] = persons.loc[0, named]
    rows = persons.loc[np.repeat(np.arange(200), 6)].reset_index(drop=True)
    return rows.assign(cost=rng.lognormal(4, 1, len(rows)).round(2), ward=rng.choice(list("ABC"), len(rows)))


@pytest.mark.parametrize(("named", "key"), [("patient_name", ()), ("who", ("who",)), ("patient_id", ())])
@pytest.mark.parametrize("twins", [False, True])
def test_no_real_person_comes_back_whole(named, key, twins):
    """Whatever tells who a row is of is made up anew, or drawn person by person: no rule holds what each real one is."""
    real = visits(np.random.default_rng(0), named, twins)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LookalikeWarning)
        twin = lookalike.fit(real, engine="trees", keys=key, run=Run())
    made = twin.sample(len(real), seed=1)
    assert {spec.name for spec in twin.schema if spec.kind == "key"} == {named, "insured_under"}
    assert not set(made[named]) & set(real[named]) and not set(made["insured_under"]) & set(real["insured_under"])
    persons = set(zip(real["born"], real["weight"], strict=True))
    assert not any(pair in persons for pair in zip(made["born"], made["weight"], strict=True))
    assert np.isin(made["born"], real["born"]).mean() < 0.05  # that of one person in six rows is one person's
    assert (made.groupby("insured_under")[["born", "weight"]].nunique() == 1).all(axis=None)


def test_that_two_columns_name_the_same_is_said():
    real = visits(np.random.default_rng(0), "who", False).drop(columns="insured_under")
    with pytest.warns(LookalikeWarning, match=r"'who' and 'born' name the same, with 6.0 rows each.*--key who"):
        lookalike.fit(real, engine="copula", run=Run())
