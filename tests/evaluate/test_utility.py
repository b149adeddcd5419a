from __future__ import annotations

import math
import sys

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics

from lookalike.errors import LookalikeWarning, SettingsError
from lookalike.evaluate import lanes, learners, predictions, task
from lookalike.evaluate.prepare import prepare
from lookalike.evaluate.utility import utility
from lookalike.schema import ColumnSpec, Schema
from lookalike.schema.infer import infer_schema


def people(rows, seed):
    """A table in which age, town and debt decide who buys, what they pay and which plan they take."""
    random = np.random.default_rng(seed)
    age, town = random.integers(18, 90, rows), random.integers(0, 6, rows)
    debt = np.where(random.random(rows) < 0.2, np.nan, random.exponential(100.0, rows))
    lean = (age - 50) / 15 + (town - 2.5) / 2 + np.where(np.isnan(debt), 0.8, -debt / 200)
    return pa.table({
        "age": age,
        "town": [f"town {place}" for place in town],
        "debt": pa.array(debt, from_pandas=True),
        "noise": random.normal(size=rows),
        "buys": np.where(lean + random.normal(size=rows) > 1.5, "yes", "no"),
        "plan": np.array(["basic", "plus", "gold"])[np.digitize(lean + random.normal(size=rows), [0, 2])],
        "pays": lean * 40 + random.normal(size=rows) * 20,
    })  # fmt: skip


@pytest.fixture(scope="module")
def tables():
    return {"real": people(900, 1), "holdout": people(800, 2), "fresh": people(900, 3)}


@pytest.fixture(autouse=True)
def short_fits(monkeypatch):
    """A sixth of the rounds: the same behaviour, sooner."""
    monkeypatch.setattr(learners, "ROUNDS", 10)


def measured(tables, synthetic, target, seed=0, holdout=None, real=None, schema=None):
    real = tables["real"] if real is None else real
    sides = {"real": real, "synthetic": synthetic, "holdout": tables["holdout"] if holdout is None else holdout}
    return utility(prepare(sides, schema or infer_schema(real)), target, seed)


def replaced(table, name, values):
    return table.set_column(table.column_names.index(name), name, values)


def shuffled(table, name, seed):
    return replaced(table, name, table[name].take(pa.array(np.random.default_rng(seed).permutation(len(table)))))


# ---------------------------------------------------------------------------------------------- controls and yardsticks


@pytest.mark.parametrize("target", ["buys", "plan", "pays"])
def test_a_copy_is_as_useful_as_the_real_rows(tables, target):
    found = measured(tables, tables["real"], target)
    headline = found["headline"]
    assert headline["difference"] == 0
    low, high = headline["interval"]
    assert low == pytest.approx(-high) and 0 < high < 0.15
    assert headline["ratio"] == headline["kept"] == 1
    assert headline["real"] > headline["baseline"] + 0.2
    assert found["importance"]["correlation"] == pytest.approx(1) and found["importance"]["overlap"] == 1


@pytest.mark.parametrize("target", ["buys", "plan", "pays"])
def test_a_shuffled_target_teaches_nothing(tables, target):
    found = [measured(tables, shuffled(tables["real"], target, seed), target) for seed in range(3)]
    for one in found:
        assert one["headline"]["interval"][1] < -0.15
        first = one["importance"]["columns"][0]
        assert first["synthetic"] < first["real"] - 0.05
    scores = [one["headline"]["synthetic"] for one in found]
    if (
        target == "pays"
    ):  # a regression fitted to noise is worse than the mean; one in so few rounds is near it (-.10 to .01)
        assert np.mean(scores) < 0
    else:  # one model of 900 shuffled rows scores .5 ± .05, as 20 of them showed: three are near it together
        assert np.mean(scores) == pytest.approx(0.5, abs=0.07)


@pytest.mark.parametrize("target", ["buys", "plan", "pays"])
def test_a_fresh_real_sample_is_as_useful_and_more_rows_do_no_harm(tables, target):
    headline = measured(tables, tables["fresh"], target)["headline"]
    low, high = headline["interval"]
    assert low - 0.015 < 0 < high + 0.015
    assert headline["gain_interval"][1] > 0


def test_what_matters_comes_first_and_noise_last(tables):
    columns = measured(tables, tables["fresh"], "pays")["importance"]["columns"]
    names = [entry["column"] for entry in columns]
    assert names[0] in ("age", "buys", "plan") and names[-1] == "noise"
    assert sum(entry["real"] for entry in columns) == pytest.approx(1)


def test_the_interval_of_the_difference_holds_what_other_real_rows_change():
    """Ten pairs of real samples, so the true difference is 0; without the training rows' share about half would miss."""
    tables = {"holdout": people(800, 0)}
    held, narrow = 0, 0
    for pair in range(10):
        headline = measured(tables, people(300, 100 + pair), "pays", real=people(300, 200 + pair))["headline"]
        low, high = headline["interval"]
        held += low <= 0 <= high
        narrow += high - low < 0.3
    assert held >= 9 and narrow == 10


def test_the_stack_is_no_worse_than_the_worse_of_the_two(tables):
    found = measured(tables, tables["fresh"], "plan")["learners"]
    assert set(found) == {"xgboost", "lightgbm", "stack"}
    for side in ("real", "synthetic", "both"):
        assert found["stack"][side]["auc"] >= min(found["xgboost"][side]["auc"], found["lightgbm"][side]["auc"])


def test_the_minority_is_the_rarest_class_and_a_table_without_it_teaches_none_of_it(tables):
    gone = tables["real"].filter(pa.array([plan != "gold" for plan in tables["real"]["plan"].to_pylist()]))
    found = measured(tables, gone, "plan")["minority"]
    assert found["class"] == "gold" and found["shares"]["synthetic"] == 0 < found["shares"]["real"] < 1 / 3
    assert found["synthetic"]["f1"] == found["synthetic"]["recall"] == 0 < found["real"]["f1"]
    assert math.isnan(found["synthetic"]["precision"])
    assert measured(tables, gone, "pays")["minority"] is None


# -------------------------------------------------------------------------------------------------------- determinism


def test_same_seed_same_figures_on_any_number_of_cores(tables, monkeypatch):
    monkeypatch.setattr(task, "TRAIN_ROWS", 400)
    monkeypatch.setattr(task, "TEST_ROWS", 300)
    monkeypatch.setattr(task, "FEWEST_TRAIN_ROWS", 100)
    first = measured(tables, tables["fresh"], "plan", seed=1)
    assert first["rows"] == {"real": 400, "synthetic": 400, "both": 800, "test": 300}
    assert any("400 of 900 real rows" in note for note in first["notes"])
    monkeypatch.setattr(lanes, "cores", lambda: 1)
    assert repr(measured(tables, tables["fresh"], "plan", seed=1)) == repr(first)
    assert measured(tables, tables["fresh"], "plan", seed=2)["headline"] != first["headline"]


def test_global_random_state_is_left_alone(tables):
    np.random.seed(3)  # noqa: NPY002
    before = np.random.get_state()[1].tolist()  # noqa: NPY002
    measured(tables, tables["fresh"], "buys")
    assert np.random.get_state()[1].tolist() == before  # noqa: NPY002


# ----------------------------------------------------------------------------------------------------- awkward tables


def test_a_constant_target_is_a_note(tables):
    for values in (pa.array(["x"] * 900), pa.array([3.0] * 900), pa.nulls(900, pa.float64())):
        real = replaced(tables["real"], "buys", values)
        found = measured(tables, real, "buys", real=real, holdout=real)
        assert found["headline"] is None and found["target"] == "buys" and "fewer than two" in found["notes"][0]


def test_a_numeric_target_that_is_constant_in_the_real_rows_only(tables):
    schema = infer_schema(tables["real"])
    real = replaced(tables["real"], "pays", pa.array([3.0] * 900))
    assert measured(tables, tables["fresh"], "pays", real=real, schema=schema)["headline"] is None


def test_one_class_in_the_synthetic_rows_scores_as_a_guess(tables):
    synthetic = replaced(tables["fresh"], "buys", pa.array(["no"] * 900))
    found = measured(tables, synthetic, "buys")
    assert found["headline"]["synthetic"] == 0.5 and found["headline"]["intervals"]["synthetic"] == [0.5, 0.5]
    assert math.isnan(found["importance"]["correlation"]) and found["importance"]["overlap"] == 0


def test_a_constant_synthetic_number_scores_as_a_guess(tables):
    found = measured(tables, replaced(tables["fresh"], "pays", pa.array([0.0] * 900)), "pays")
    assert found["headline"]["synthetic"] <= 0


def test_levels_that_few_or_no_real_rows_hold_are_left_out_and_never_named(tables):
    rare = tables["real"]["buys"].to_pylist()
    rare[:3] = ["only three"] * 3
    made = tables["fresh"]["buys"].to_pylist()
    made[:40] = ["invented"] * 40
    found = measured(
        tables,
        replaced(tables["fresh"], "buys", pa.array(made)),
        "buys",
        real=replaced(tables["real"], "buys", pa.array(rare)),
    )
    assert found["classes"] == ["no", "yes"] and found["task"] == "binary"
    assert found["rows"]["real"] == 897 and found["rows"]["synthetic"] == 860
    assert any("real 3, synthetic 40" in note for note in found["notes"])
    assert "only three" not in repr(found) and "invented" not in repr(found)


def test_many_levels_are_pooled(tables):
    random = np.random.default_rng(0)

    def with_levels(table):
        levels = np.minimum(random.geometric(0.05, len(table)), 60)
        return replaced(table, "plan", pa.array([f"plan {level}" for level in levels]))

    found = measured(
        tables, with_levels(tables["fresh"]), "plan", 0, with_levels(tables["holdout"]), with_levels(tables["real"])
    )
    assert len(found["classes"]) == 10 and found["classes"][-1] == "(other)"
    assert any("pooled" in note for note in found["notes"])
    assert abs(found["headline"]["real"] - 0.5) < 0.05


def test_rows_without_a_target_are_left_out(tables):
    for target in ("pays", "buys"):
        values = tables["real"][target].to_pylist()
        real = replaced(
            tables["real"], target, pa.array([None if row % 3 == 0 else value for row, value in enumerate(values)])
        )
        found = measured(tables, tables["fresh"], target, real=real)
        assert found["rows"]["real"] == 600 and any("without a target" in note for note in found["notes"])
        assert found["headline"]["real"] > found["headline"]["baseline"] + 0.2
        blank = replaced(tables["fresh"], target, pa.nulls(900, real.schema.field(target).type))
        assert "has only 0 rows" in measured(tables, blank, target, real=real)["notes"][0]


def test_twenty_rows_give_wide_intervals_not_errors():
    small = {"real": people(20, 1), "holdout": people(20, 2)}
    for target in ("plan", "pays"):
        found = measured(small, people(20, 3), target)
        low, high = found["headline"]["intervals"]["real"]
        assert 30 <= found["rows"]["both"] <= 40 and high - low > 0.05
    few = measured(small, people(20, 3), "pays", holdout=people(4, 2))
    assert few["headline"] is None and "holdout table has only 4 rows" in few["notes"][0]


@pytest.mark.parametrize("target", ["buys", "pays"])
def test_missing_constant_and_huge_features(tables, target):
    random = np.random.default_rng(5)

    def widened(table):
        rows = len(table)
        table = table.append_column("empty", pa.nulls(rows, pa.float64()))
        table = table.append_column("blank", pa.nulls(rows, pa.string()))
        table = table.append_column("huge", pa.array(random.choice([-1.7e308, 0.0, 1.7e308], rows)))
        table = table.append_column("same", pa.array(["x"] * rows))
        return table.append_column("coded", pa.array([f"code {place}" for place in random.integers(0, 1000, rows)]))

    real = widened(tables["real"])
    with pytest.warns(LookalikeWarning, match="'coded' has"):
        schema = infer_schema(real)
    specs = [spec.replace(kind="float") if spec.name == "empty" else spec for spec in schema]
    specs = [spec.replace(kind="category") if spec.name == "blank" else spec for spec in specs]
    sides = [widened(tables[name]) for name in ("fresh", "holdout")]
    found = measured(tables, sides[0], target, 0, sides[1], real, Schema(specs))
    assert found["headline"]["real"] > found["headline"]["baseline"] + 0.2
    gains = {entry["column"]: entry["real"] for entry in found["importance"]["columns"]}
    assert gains["empty"] == gains["blank"] == 0 and "same" not in gains


def test_features_without_any_value_predict_like_a_guess():
    def table(rows, seed):
        return pa.table({
            "empty": pa.nulls(rows, pa.float64()),
            "blank": pa.nulls(rows, pa.string()),
            "y": np.random.default_rng(seed).choice(["a", "b"], rows),
        })  # fmt: skip

    schema = Schema([
        ColumnSpec(name="empty", kind="float", storage="double"),
        ColumnSpec(name="blank", kind="category", storage="string"),
        ColumnSpec(name="y", kind="category", storage="string"),
    ])  # fmt: skip
    tables = {"real": table(60, 1), "holdout": table(50, 2)}
    found = measured(tables, table(60, 3), "y", schema=schema)
    assert found["headline"]["real"] == found["headline"]["synthetic"] == 0.5 and found["headline"]["kept"] is None
    only = Schema([schema["y"]])
    assert "no other column" in measured(tables, table(60, 3), "y", schema=only)["notes"][0]


def test_huge_targets_do_not_overflow(tables):
    def huge(table):
        return replaced(table, "pays", pa.array(table["pays"].to_numpy() * 1e305))

    found = measured(tables, huge(tables["fresh"]), "pays", 0, huge(tables["holdout"]), huge(tables["real"]))
    plain = measured(tables, tables["fresh"], "pays")
    assert found["headline"]["real"] == pytest.approx(plain["headline"]["real"], abs=1e-3)


def test_two_numbers_are_classes_and_more_are_a_regression(tables):
    def with_number(table, divisor):
        return replaced(table, "pays", pa.array((table["pays"].to_numpy() // divisor).clip(-1, 1).astype(np.int64)))

    def two(table):
        return replaced(table, "pays", pa.array((table["pays"].to_numpy() > 0).astype(np.int64)))

    found = measured(tables, two(tables["fresh"]), "pays", 0, two(tables["holdout"]), two(tables["real"]))
    assert found["task"] == "binary" and set(found["classes"]) == {"0", "1"}
    three = [with_number(tables[name], 60) for name in ("fresh", "holdout", "real")]
    assert measured(tables, three[0], "pays", 0, three[1], three[2])["task"] == "regression"


@pytest.mark.parametrize("target", ["said", "flag", "kind", "day", "moment", "amount", "small", "money"])
def test_every_kind_of_target_on_the_awkward_table(awkward, target):
    schema = infer_schema(awkward)
    found = utility(
        prepare({"real": awkward, "synthetic": awkward, "holdout": awkward.slice(10, 40)}, schema), target, 0
    )
    assert found["headline"]["difference"] == 0
    assert found["task"] == ("binary" if target in ("said", "flag", "kind") else "regression")


def test_wide_tables_train_on_fewer_rows(monkeypatch):
    monkeypatch.setattr(task, "TRAIN_CELLS", 20_000)
    monkeypatch.setattr(task, "FEWEST_TRAIN_ROWS", 50)
    random = np.random.default_rng(0)

    def table(rows):
        return pa.table({f"x{place}": random.normal(size=rows) for place in range(101)})

    found = measured({"real": table(300), "holdout": table(300)}, table(300), "x0")
    assert found["rows"] == {"real": 200, "synthetic": 200, "both": 400, "test": 300}


# ----------------------------------------------------------------------------------------------- what cannot be measured


def test_without_a_target_or_a_holdout_there_is_a_note_and_no_figure(tables):
    sides = {"real": tables["real"], "synthetic": tables["fresh"]}
    schema = infer_schema(tables["real"])
    found = utility(prepare(sides, schema), "buys", 0)
    assert found["headline"] is None and "kept back" in found["notes"][0]
    found = utility(prepare({**sides, "holdout": tables["holdout"]}, schema), None, 0)
    assert found["target"] is None and "no column is the target" in found["notes"][0]


def test_the_role_names_the_target(tables):
    sides = {"real": tables["real"], "synthetic": tables["fresh"], "holdout": tables["holdout"]}
    schema = infer_schema(tables["real"]).replace("buys", role="target")
    assert repr(utility(prepare(sides, schema), None, 4)) == repr(utility(prepare(sides, schema), "buys", 4))


def test_a_wrong_name_is_an_error_that_lists_the_columns(tables):
    with pytest.raises(SettingsError, match="'price' is none. Choose one of 'age', 'town'"):
        measured(tables, tables["fresh"], "price")


def test_missing_libraries_are_an_error_if_asked_and_a_note_if_not(tables, monkeypatch):
    monkeypatch.setitem(sys.modules, "lightgbm", None)  # what Python itself does with a module that is not there
    with pytest.raises(SettingsError, match=r"however: lightgbm cannot be imported.*lookalike\[utility\]"):
        measured(tables, tables["fresh"], "buys")
    schema = infer_schema(tables["real"]).replace("buys", role="target")
    found = measured(tables, tables["fresh"], None, schema=schema)
    assert found["headline"] is None and "lookalike[utility]" in found["notes"][0]


# ---------------------------------------------------------------------------------------------------- figures themselves


@given(st.integers(0, 10_000), st.integers(2, 60), st.integers(1, 12))
@settings(max_examples=40)
def test_figures_agree_with_scikit_learn_and_weights_are_repeated_rows(seed, rows, distinct):
    random = np.random.default_rng(seed)
    scores = random.integers(0, distinct, rows) / distinct
    positive = random.random(rows) < 0.4
    positive[:2] = [True, False]
    weights = predictions.bootstrap(rows, random, 5)
    areas = predictions.auc(positive, scores, weights)
    assert areas[0] == pytest.approx(metrics.roc_auc_score(positive, scores))
    assert predictions.average_precision(positive, scores) == pytest.approx(
        metrics.average_precision_score(positive, scores)
    )
    truth, chosen = random.integers(0, 3, rows), random.integers(0, 3, rows)
    f1 = predictions.f1(predictions.confusion(truth, chosen, 3, weights))
    numbers, guesses = random.normal(size=rows), random.normal(size=rows)
    fits = predictions.r_squared(numbers, guesses, weights)
    for draw in range(6):
        picked = np.repeat(np.arange(rows), weights[:, draw].astype(int))
        assert len(picked) == rows
        if len(np.unique(positive[picked])) == 2:
            assert areas[draw] == pytest.approx(metrics.roc_auc_score(positive[picked], scores[picked]))
        else:
            assert math.isnan(areas[draw])
        present = np.union1d(truth[picked], chosen[picked])
        expected = metrics.f1_score(truth[picked], chosen[picked], labels=present, average=None, zero_division=0)
        assert f1[present, draw] == pytest.approx(expected)
        if len(np.unique(picked)) > 1:
            assert fits[draw] == pytest.approx(metrics.r2_score(numbers[picked], guesses[picked]))
        else:
            assert math.isnan(fits[draw])


def test_the_bootstrap_interval_of_an_auc_covers_as_it_says():
    """Over 200 fresh tests of one and the same score, close to 95 % of the intervals hold its true AUC."""
    random = np.random.default_rng(1)
    held = 0
    for _ in range(200):
        positive = random.random(300) < 0.3
        scores = random.normal(size=300) + positive  # true AUC: Φ(1/√2) = .7602
        low, high = predictions.interval(predictions.auc(positive, scores, predictions.bootstrap(300, random)))
        held += low <= 0.76025 <= high
    assert 178 <= held <= 198
