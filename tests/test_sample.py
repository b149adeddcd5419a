"""What is asked of rows beyond their number: balance, independence, temperature, and rows to complete."""

from __future__ import annotations

import warnings

import numpy as np
import pandas as pd
import pytest

import lookalike
from lookalike import LookalikeWarning, Run
from lookalike.errors import InputError, SamplingError, SchemaError, SettingsError
from lookalike.presets import fill
from lookalike.refine import FilterSettings
from lookalike.table import as_table


def people(rows: int, seed: int = 0) -> pd.DataFrame:
    """Pay follows sex; club follows town; age has gaps."""
    rng = np.random.default_rng(seed)
    sex = rng.choice(["f", "m"], rows)
    rich = rng.random(rows) < np.where(sex == "f", 0.1, 0.4)
    town = rng.choice(["Graz", "Linz", "Wien"], rows, p=[0.2, 0.3, 0.5])
    age = pd.Series(rng.integers(18, 80, rows), dtype="Int64").mask(rng.random(rows) < 0.1)
    club = pd.Series(np.where(rng.random(rows) < 0.95, town, "none")).mask(rng.random(rows) < 0.05)
    return pd.DataFrame({"sex": sex, "pay": np.where(rich, "high", "low"), "town": town, "club": club, "age": age})


@pytest.fixture(scope="module")
def twin():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LookalikeWarning)
        return lookalike.fit(
            people(3000), engine="autoregressive", any_order=True, epochs=40, hidden=24, run=Run(), seed=1
        )


def test_balance_makes_levels_equally_frequent(twin):
    rows = twin.sample(1001, seed=1, balance="pay")
    assert len(rows) == 1001
    assert rows["pay"].value_counts().tolist() == [501, 500]
    assert rows["pay"].ne(rows["pay"].shift()).sum() > 300, "rows of all levels are mixed"
    assert (rows.loc[rows["pay"] == "high", "sex"] == "m").mean() > 0.65, "all else follows from the level"


def test_each_level_is_drawn_for_itself():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"sex": rng.choice(["f", "m"], 2000), "x": rng.normal(size=2000)})
    rows = lookalike.fit(frame, engine="copula", run=Run()).sample(400, seed=1, balance="sex")
    assert rows["x"].nunique() == 400


def test_balance_leaves_missing_cells_out(twin):
    assert twin.sample(400, seed=1, balance="club")["club"].value_counts(dropna=False).tolist() == [100] * 4


def test_decorrelated_columns_are_independent_and_as_frequent_as_ever(twin):
    usual, fair = twin.sample(4000, seed=1), twin.sample(4000, seed=1, decorrelate=("sex", "pay"))

    def gap(rows):
        high = rows["pay"].eq("high").groupby(rows["sex"]).mean()
        return abs(high["m"] - high["f"])

    assert gap(usual) > 0.2 and gap(fair) < 0.02
    assert fair["pay"].eq("high").mean() == pytest.approx(usual["pay"].eq("high").mean(), abs=0.03)


def test_temperature(twin):
    cold, usual = (twin.sample(2000, seed=1, temperature=t)["town"].eq("Wien").mean() for t in (0.5, 1.0))
    assert cold > usual + 0.1


def test_a_temperature_needs_a_net():
    cold = lookalike.fit(people(300), engine="copula", run=Run())
    with pytest.raises(SettingsError, match=r"temperature=0\.5 and trees, copula or marginals draw these rows"):
        cold.sample(10, temperature=0.5)


def test_balance_is_exact_beside_a_filter(twin):
    rows = twin.sample(300, seed=1, balance="sex", apart_from=people(600))
    assert rows["sex"].value_counts().tolist() == [150, 150]


def test_a_rare_value_is_found(twin):
    town = np.append(np.repeat(["Graz", "Linz"], 3_000), ["Rust"] * 18)
    frame = pd.DataFrame({"town": town, "x": np.arange(len(town)) % 7, "y": np.arange(len(town)) % 3})
    few = lookalike.fit(frame, engine="tvae", epochs=2, run=Run())
    for how in ({"where": {"town": "Rust"}}, {"where": {"town": "Rust", "x": 3}}):
        assert few.sample(200, seed=1, **how)["town"].eq("Rust").all()
    with pytest.raises(SamplingError, match="max_tries_per_batch=1 draws"):
        few.sample(200, seed=1, where={"town": "Rust", "x": 3}, max_tries_per_batch=1)


def test_what_no_row_can_be_is_refused_at_once():
    town = np.tile(["Graz", "Linz", "Bonn"], 1_000)
    frame = pd.DataFrame({"town": town, "land": np.where(town == "Bonn", "de", "at"), "x": np.arange(3_000) % 7})
    frame["port"] = pd.Series(frame["x"] * 10, dtype="Int64").mask(frame["town"] == "Graz")
    few = lookalike.fit(frame, engine="copula", run=Run())
    with pytest.raises(SamplingError, match="asked of 'town' settles 'land', as it did in every row"):
        few.sample(10, where={"town": "Bonn", "land": "at"})
    with pytest.raises(SamplingError, match="settles 'land'"):
        few.sample(600, decorrelate=("town", "land"))
    with pytest.raises(SamplingError, match="rarer than any row learned from"):
        few.sample(10, where={"town": "Graz", "port": 30})
    with pytest.raises(SamplingError, match=r"0 of 30,000 rows were found in \d{2,3},\d{3} drawn"):
        few.sample(30_000, where={"town": "Graz", "port": 30}, max_tries_per_batch=5)


def test_conditions_hold_beside_balance(twin):
    rows = twin.sample(100, seed=1, where={"town": "Graz"}, balance="sex")
    assert (rows["town"] == "Graz").all() and (rows["sex"] == "f").sum() == 50
    assert (rows["club"] == "Graz").mean() > 0.7, "all else follows from what is asked for"


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"temperature": 0}, "above 0, however: temperature=0"),
        ({"balance": "wage"}, "modelled column, however: 'wage' is none"),
        ({"balance": "age"}, "at most 50 levels, however: column 'age' has"),
        ({"balance": "pay", "where": {"pay": "low"}}, "both name column 'pay'"),
        ({"balance": "pay", "decorrelate": ("sex", "pay")}, "both were given"),
        ({"decorrelate": ("sex", "sex")}, "'sex' stands twice"),
        ({"decorrelate": "sex,pay"}, "two columns, however: decorrelate='sex,pay'"),
        ({"decorrelate": ("sex", "pay", "town")}, "two columns, however"),
        ({"where": []}, "has one at least, however: where=\\[\\]"),
    ],
)
def test_what_cannot_be_asked(twin, how, words):
    with pytest.raises(SettingsError, match=words):
        twin.sample(10, **how)


class TestComplete:
    def test_missing_cells_are_filled_from_their_row_and_all_others_stay(self, twin):
        table = people(600, seed=7)
        table["extra"] = table["club"].isna()
        gaps = table.pop("extra")
        done = twin.impute(table, seed=1)
        assert done["age"].notna().all() and done["club"].notna().all()
        pd.testing.assert_frame_equal(done[table["age"].notna()][["age"]], table[table["age"].notna()][["age"]])
        assert done.drop(columns=["age", "club"]).equals(table.drop(columns=["age", "club"]))
        assert (done["club"] == done["town"])[gaps].mean() > 0.6
        assert done.dtypes.equals(table.dtypes)
        assert twin.impute(table, seed=1).equals(done) and not twin.impute(table, seed=2).equals(done)

    def test_lacking_columns_are_drawn_and_missing_cells_stay(self, twin):
        given = people(500, seed=8)[["town", "age"]]
        done = twin.complete(given, seed=1)
        assert list(done.columns) == ["sex", "pay", "town", "club", "age"]
        assert done["town"].equals(given["town"]) and done["age"].isna().equals(given["age"].isna())
        assert (done["club"] == done["town"]).mean() > 0.75 and done["club"].isna().any()

    @pytest.mark.parametrize(
        ("learned", "holed", "whole"), [("{}", "{}.0", r"\d+\.0"), ("{}.0", "{}", r"\d+"), ("{}.00", "{}.0", r"\d+\.0")]
    )
    def test_cells_made_are_written_as_those_beside_them(self, learned, holed, whole):
        ages = np.random.default_rng(0).integers(18, 80, 300)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LookalikeWarning)
            frame = pd.DataFrame({"age": [learned.format(age) for age in ages], "sex": ["f", "m"] * 150})
            twin = lookalike.fit(frame, engine="marginals", run=Run())
        some = pd.Series([holed.format(age) for age in ages]).mask(ages % 3 == 0)
        done = twin.impute(frame.assign(age=some))["age"]
        assert done[some.notna()].equals(some[some.notna()]) and done.str.fullmatch(whole).all()
        own = frame["age"].mask(ages % 3 == 0)
        assert twin.impute(frame.assign(age=own))["age"].astype(float).equals(done.astype(float))

    def test_a_frame_keeps_its_index(self, twin):
        some = people(600, seed=7).loc[[10, 500, 77]]
        assert twin.impute(some).index.tolist() == [10, 500, 77]
        labelled = some.set_axis(pd.MultiIndex.from_product([["a"], [3, 1, 2]], names=["ward", "bed"]))
        pd.testing.assert_index_equal(twin.complete(labelled[["town"]]).index, labelled.index)
        filled = some.assign(age=twin.impute(some)["age"])
        assert filled["age"].notna().all() and filled["age"].equals(some["age"].fillna(filled["age"]))

    def test_what_was_never_seen_or_learned_is_refused(self, twin):
        table = people(20)
        with pytest.raises(SchemaError, match="'age' are not there"):
            twin.impute(table.drop(columns="age"))
        with pytest.raises(SchemaError, match="'shoe' was not"):
            twin.complete(table.assign(shoe=1))
        with pytest.raises(SchemaError, match="its column 'age' is"):
            twin.impute(table.assign(age="old"))

    @pytest.mark.parametrize("kind", ["str", "category"])
    def test_a_label_never_seen_stays_and_is_not_heeded(self, twin, kind):
        table = people(300, seed=7)
        table.loc[[3, 50], "town"] = "Rom"
        table.loc[[3, 9], "club"] = [None, "Roma"]
        table = table.astype({"town": kind})
        with pytest.warns(LookalikeWarning, match=r"\(2 of column 'town', 1 of column 'club'\)") as told:
            done = twin.impute(table, seed=1)
        assert len(told) == 1 and told[0].filename == __file__ and "Rom" not in str(told[0].message)
        assert done["town"].tolist() == table["town"].tolist() and done.loc[9, "club"] == "Roma"
        assert done.loc[3, "club"] in {"Graz", "Linz", "Wien", "none"} and done.notna().all(axis=None)

    def test_an_engine_that_cannot_says_which_can(self):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", LookalikeWarning)
            other = lookalike.fit(people(100), engine="tvae", epochs=1, run=Run())
        with pytest.raises(SettingsError, match="engine='autoregressive' and any_order=True"):
            other.impute(people(10))


def test_rows_stay_apart_from_real_ones_to_the_exact_count(twin):
    real = people(3000)
    apart = twin.filter(real, FilterSettings(common_rows=20, crowd_distance=0.02))
    rows = twin.sample(700, seed=3, apart_from=apart)
    assert len(rows) == 700 and apart.seen >= 700 + sum(apart.dropped.values())
    assert apart.dropped["identical"] > 0
    assert twin.filter(real, apart.settings).keep(as_table(rows).data).all()
    pd.testing.assert_frame_equal(rows, twin.sample(700, seed=3, apart_from=twin.filter(real, apart.settings)))


def test_a_table_to_stay_apart_from_is_read_as_it_was_learned(twin):
    narrow = people(200, seed=4).astype({"age": "float64"})
    assert len(twin.sample(50, seed=1, apart_from=narrow)) == 50
    with pytest.raises(SchemaError, match="'club'"):
        twin.sample(50, apart_from=narrow.drop(columns="club"))
    with pytest.raises(InputError, match="needs rows"):
        twin.filter(people(10).iloc[:0])


def test_what_a_date_or_a_rare_label_settles_follows_the_one_asked_for_or_known():
    rng = np.random.default_rng(0)
    day = pd.Timestamp("2021-01-01") + pd.to_timedelta(rng.integers(0, 400, 3000), unit="D")
    shop = rng.integers(0, 300, 3000)
    table = pd.DataFrame({"day": day, "weekday": day.day_name(), "shop": [f"s{i}" for i in shop], "town": shop % 9})
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LookalikeWarning)
        twin = lookalike.fit(
            table, engine="autoregressive", any_order=True, epochs=5, hidden=16, max_categories=50, run=Run(), seed=1
        )
    asked = twin.sample(50, seed=1, where={"day": pd.Timestamp("2021-03-05")})
    assert (asked["day"] == "2021-03-05").all() and (asked["weekday"] == "Friday").all()
    rare = table["shop"].value_counts().index[-1]
    asked = twin.sample(20, seed=1, where={"shop": rare})
    assert (asked["shop"] == rare).all() and (asked["town"] == int(rare[1:]) % 9).all()
    done = twin.complete(table[["day", "shop"]].head(500), seed=1)
    assert done[["weekday", "town"]].equals(table[["weekday", "town"]].head(500))


def test_where_no_row_can_stay_apart_the_knob_is_named(twin):
    apart = twin.filter(people(3000), FilterSettings(min_distance=1, min_ratio=0, common_rows=3000))
    with pytest.raises(SamplingError, match=r"0 of 20 .* too close \(min_distance=1\)"):
        twin.sample(20, apart_from=apart)
    assert apart.dropped["identical"] + apart.dropped["too close"] == apart.seen > 20


def test_cells_that_say_they_are_missing_are_counted(tmp_path):
    rng = np.random.default_rng(0)
    size = rng.choice(["s", "m", "l"], 400)
    frame = pd.DataFrame({"size": size, "cost": np.where(size == "s", 5, 9).astype(str)})
    frame.loc[::4, "cost"] = "NA"
    frame.to_csv(tmp_path / "shop.csv", index=False)
    twin = lookalike.fit(tmp_path / "shop.csv", engine="autoregressive", any_order=True, epochs=2, hidden=8, run=Run())
    twin.save(tmp_path / "shop.twin")
    assert fill(tmp_path / "shop.twin", tmp_path / "shop.csv", out=tmp_path / "full.csv") == 100
    assert not (pd.read_csv(tmp_path / "full.csv", keep_default_na=False)["cost"] == "NA").any()


def test_counts_may_be_an_array():
    frame = pd.DataFrame({"town": ["Graz", "Linz"] * 60, "x": range(120)})
    twin = lookalike.fit(frame, engine="copula", run=Run())
    made = twin.sample(np.array([2, 3]), where=[{"town": "Graz"}, {"town": "Linz"}])
    assert made["town"].tolist() == ["Graz"] * 2 + ["Linz"] * 3


def test_balance_says_what_it_leaves_out():
    town = np.append(np.repeat(["Graz", "Linz", "Wien"], 60_000), ["Rust"] * 5)
    frame = pd.DataFrame({"town": town, "x": np.arange(len(town)) % 7})
    twin = lookalike.fit(frame, engine="copula", run=Run())
    with pytest.warns(LookalikeWarning, match="that come in 10,000 rows, however: 1 did not, and are left out"):
        made = twin.sample(300, balance="town", seed=3)
    assert made["town"].value_counts().to_dict() == {"Graz": 100, "Linz": 100, "Wien": 100}


def places(rows: int = 2000, seed: int = 0) -> pd.DataFrame:
    """300 cities, many of which share a code, of 12 states in 3 regions, and a price that has a band."""
    rng = np.random.default_rng(seed)
    weights = 1 / np.arange(1, 301)
    city = rng.choice(300, rows, p=weights / weights.sum())
    price = rng.uniform(0, 100, rows).round(2)
    return pd.DataFrame(
        {
            "city": [f"c{i}" for i in city],
            "state": [f"s{i % 12}" for i in city],
            "region": [f"r{i % 3}" for i in city],
            "price": price,
            "band": np.array(list("abcd"))[np.searchsorted([13, 40, 80], price)],
        }
    )


@pytest.mark.parametrize(
    "engine", [{"engine": "marginals"}, {"engine": "autoregressive", "any_order": True, "epochs": 2, "hidden": 16}]
)
@pytest.mark.parametrize("hidden", ["pool", "hide"])
def test_what_settles_a_known_cell_is_drawn_to_fit_it(engine, hidden):
    real = places()
    state, region = (dict(zip(real["city"], real[name], strict=True)) for name in ("state", "region"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LookalikeWarning)
        twin = lookalike.fit(real, run=Run(), seed=1, rare_categories=hidden, **engine)
    done = twin.complete(real[["state", "price"]], seed=1)
    assert (done["city"].map(state) == real["state"]).all() and (done["city"].map(region) == done["region"]).all()
    assert done[done["state"] == "s0"]["city"].mode().tolist() == ["c0"], "by their frequency"
    done = twin.complete(real[["region", "band"]], seed=1)
    assert (done["city"].map(region) == real["region"]).all() and (done["city"].map(state) == done["state"]).all()
    # a price between the dearest of one band and the cheapest of the next is of either
    ends = real.groupby("band")["price"].agg(["min", "max"]).loc[real["band"]].reset_index(drop=True)
    assert done["price"].between(ends["min"] - 0.3, ends["max"] + 0.3).all()
    holed = real.assign(
        city=real["city"].mask(np.arange(len(real)) % 3 == 0), state=real["state"].mask(real.index % 5 == 0)
    )
    done = twin.impute(holed, seed=1)
    assert (done["city"].map(state) == done["state"]).all() and done["city"].equals(holed["city"].fillna(done["city"]))


def test_cells_that_contradict_each_other_stay_as_they_are():
    real = places()
    twin = lookalike.fit(real, engine="marginals", run=Run(), seed=1)
    wrong = real.assign(state=np.random.default_rng(0).permutation(real["state"]))
    done = twin.complete(wrong[["city", "state"]], seed=1)
    assert done[["city", "state"]].equals(wrong[["city", "state"]])


def orders(rows: int = 1500) -> pd.DataFrame:
    """Goods go where the bill goes, or elsewhere; sent days after; a tax of two rates; stock in proportion to shelves, and their quotient; days between
    two dates; what is left over of parts. A state follows from a town."""
    rng = np.random.default_rng(0)
    towns = np.array([f"t{number:02}" for number in range(40)])
    bill = rng.integers(0, 40, rows)
    ship = np.where(rng.random(rows) < 0.7, bill, rng.integers(0, 40, rows))
    ordered = (
        np.datetime64("2021-01-04") + rng.integers(0, 150, rows) * 7 + rng.choice(5, rows, p=[0.5, 0.2, 0.1, 0.1, 0.1])
    )
    net = (rng.lognormal(4, 1, rows) * 100).round() / 100
    shelves = rng.lognormal(8, 2, rows).astype(int) + 1_000
    stock = np.rint(shelves * rng.uniform(7, 12, rows)).astype(int)
    return pd.DataFrame(
        {
            "bill": towns[bill],
            "state": np.array([f"s{number % 8}" for number in range(40)])[bill],
            "ship": towns[ship],
            "ordered": ordered,
            "weekday": pd.Series(ordered).dt.day_name(),
            "sent": ordered + rng.integers(1, 9, rows),
            "net": net,
            "tax": (net * rng.choice([0.07, 0.19], rows)).round(2),
            "shelves": shelves,
            "stock": stock,
            "each": (stock / shelves).round(2),
        }
    )


@pytest.fixture(scope="module")
def ordered():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", LookalikeWarning)
        return lookalike.fit(orders(), engine="marginals", run=Run(), seed=1)


def broken_orders(rows: pd.DataFrame) -> dict[str, float]:
    """Which rules are broken, and in what share of the rows."""
    state = dict(zip(orders()["bill"], orders()["state"], strict=True))
    rates = [(rows["tax"] - rate * rows["net"]).abs() <= 0.0051 for rate in (0.07, 0.19)]
    kept = {
        "state": rows["bill"].map(state) == rows["state"],
        "weekday": rows["ordered"].dt.day_name() == rows["weekday"],
        "sent": rows["ordered"] <= rows["sent"],
        "tax": rates[0] | rates[1],
        "each": (rows["each"] - rows["stock"] / rows["shelves"]).abs() <= 0.0051,
    }
    return {rule: 1 - fits.mean() for rule, fits in kept.items() if not fits.all()}


@pytest.mark.parametrize("name", ["bill", "ordered", "net", "shelves", "stock", "each"])
@pytest.mark.parametrize("how", ["impute", "complete"])
def test_what_others_are_measured_from_is_drawn_to_fit_them(ordered, name, how):
    real = orders().iloc[:400]
    holed = real.drop(columns=name)
    if how == "impute":
        holed = real.assign(**{name: real[name].where(np.arange(len(real)) % 3 > 0)})
    done = getattr(ordered, how)(holed, seed=1)
    assert broken_orders(done) == {} and len(done) == 400 and not done.isna().any().any()
    rest = [other for other in real if other != name]
    assert done[rest].astype(str).equals(real[rest].astype(str)), "what is known stays"
    assert done.equals(getattr(ordered, how)(holed, seed=1))
    apart = ((done["sent"] - done["ordered"]).dt.days, (real["sent"] - real["ordered"]).dt.days)
    assert apart[0].max() <= apart[1].max() + 7 and abs(apart[0].mean() - apart[1].mean()) < 2
    same = [(rows["bill"] == rows["ship"]).mean() for rows in (done, real)]
    assert same[0] == pytest.approx(same[1], abs=0.12)


def test_a_day_is_told_by_another_and_how_long_lies_between():
    rng = np.random.default_rng(0)
    first = np.datetime64("2020-01-01") + rng.integers(0, 2000, 800)
    days = rng.integers(20, 900, 800)
    real = pd.DataFrame({"first": first, "last": first + days, "days": days})
    twin = lookalike.fit(real, engine="marginals", run=Run(), seed=1)
    for name in real:
        assert twin.complete(real.drop(columns=name), seed=1)[name].astype(str).equals(real[name].astype(str))


def test_what_is_completed_keeps_orders_that_are_chosen_and_keys_stay_unique():
    rng = np.random.default_rng(0)
    low = rng.integers(0, 3_000, 900)
    high = low + rng.gamma(2, 600, 900).astype(int)
    real = pd.DataFrame({"id": np.arange(70_001, 70_901), "low": low, "high": high, "other": rng.integers(0, 9, 900)})
    twin = lookalike.fit(real, engine="marginals", run=Run(), seed=1)
    assert [(rule.words, rule.kept_by) for rule in twin.schema.constraints] == [("low ≤ high", "choice")]
    done = twin.complete(real[["low"]], seed=1)
    assert (done["low"] <= done["high"]).mean() > 0.98 and done["id"].is_unique and done["low"].equals(real["low"])
    holed = real.assign(high=real["high"].mask(np.arange(900) % 2 == 0))
    done = twin.impute(holed, seed=1)
    assert (done["low"] <= done["high"]).mean() > 0.98


def test_labels_of_another_table_are_numbered_otherwise(ordered):
    real = orders().iloc[:400]
    given = real[real["bill"].isin(sorted(set(real["bill"]))[20:])].drop(columns="weekday")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert ordered.complete(given, seed=1)["ship"].tolist() == given["ship"].tolist()
