from __future__ import annotations

import sys

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from sklearn import metrics

from lookalike.errors import SettingsError
from lookalike.evaluate import augmentation as room
from lookalike.evaluate import learners
from lookalike.evaluate.augmentation import SIDES, augmentation
from lookalike.evaluate.oversampling import repeated, smotenc
from lookalike.evaluate.prepare import prepare
from lookalike.evaluate.task import Impossible, Rows
from lookalike.schema.infer import infer_schema


def patients(rows, seed, lean=0.0):
    """A table in which age, ward and a value decide a rare diagnosis, and how urgent a stay is."""
    random = np.random.default_rng(seed)
    age, ward = random.integers(18, 90, rows), random.integers(0, 5, rows)
    value = np.where(random.random(rows) < 0.2, np.nan, random.exponential(100.0, rows))
    risk = (age - 50) / 12 + (ward - 2) / 2 + np.where(np.isnan(value), 0.5, value / 150) + lean
    return pa.table({
        "age": age,
        "ward": [f"ward {place}" for place in ward],
        "value": pa.array(value, from_pandas=True),
        "diagnosis": np.where(risk + random.normal(size=rows) > 3.4, "ill", "well"),
        "urgent": np.array(["no", "soon", "now"])[np.digitize(risk + random.normal(size=rows), [1.5, 4])],
        "cost": risk * 40 + random.normal(size=rows) * 20,
    })  # fmt: skip


def of_class(table, target, value, rows):
    return table.filter(pc.equal(table[target], value)).slice(0, rows)


@pytest.fixture(scope="module")
def tables():
    return {"real": patients(500, 1), "holdout": patients(600, 2), "more": patients(5_000, 3)}


@pytest.fixture(autouse=True)
def short_fits(monkeypatch):
    """A sixth of the rounds: the same behaviour, sooner."""
    monkeypatch.setattr(learners, "ROUNDS", 10)


def measured(tables, synthetic, target="diagnosis", seed=0, real=None):
    real = tables["real"] if real is None else real
    sides = {"real": real, "synthetic": synthetic, "holdout": tables["holdout"]}
    return augmentation(prepare(sides, infer_schema(tables["real"])), target, seed)


# ---------------------------------------------------------------------------------------------- controls and yardsticks


def test_fresh_real_rows_of_the_rare_class_help_to_find_it(tables):
    found = measured(tables, of_class(tables["more"], "diagnosis", "ill", 300))
    assert found["minority"] == "ill" and found["classes"] == ["well", "ill"]
    stack = found["learners"]["stack"]
    assert set(stack) == set(SIDES)
    assert stack["ours"]["recall"] > stack["real"]["recall"] + 0.05
    assert stack["ours"]["auc"] > stack["real"]["auc"] - 0.01


def test_rows_of_the_wrong_class_do_harm_and_the_gain_says_so(tables):
    wrong = of_class(tables["more"], "diagnosis", "well", 300)
    wrong = wrong.set_column(wrong.column_names.index("diagnosis"), "diagnosis", pa.array(["ill"] * wrong.num_rows))
    gains = measured(tables, wrong)["gains"]
    for other in ("real", "repeated", "smotenc"):
        assert gains[other]["minority_f1"]["gain"] < -0.1
        assert gains[other]["auc"]["interval"][1] < 0


def test_the_control_itself_is_no_better_than_the_control(tables):
    """Real rows drawn again are what "repeated" is made of, so the difference is chance and the interval holds 0."""
    ill = of_class(tables["real"], "diagnosis", "ill", 1_000)
    again = ill.take(pa.array(np.random.default_rng(5).integers(0, ill.num_rows, 200)))
    for measure, entry in measured(tables, again)["gains"]["repeated"].items():
        assert entry["interval"][0] < 0 < entry["interval"][1], measure


def test_all_sides_but_the_first_hold_the_same_counts(tables, monkeypatch):
    seen = {}
    fit = room.fit_stacked
    monkeypatch.setattr(room, "fit_stacked", lambda task, sides, seed: seen.update(sides) or fit(task, sides, seed))
    found = measured(tables, of_class(tables["more"], "urgent", "now", 150), "urgent")
    counts = {side: np.bincount(seen[side].target.astype(int), minlength=3).tolist() for side in SIDES}
    assert counts["repeated"] == counts["smotenc"] == counts["ours"]
    place = found["classes"].index("now")
    assert counts["ours"][place] == counts["real"][place] + 150 == found["rows"]["real"]["now"] + 150
    for side in SIDES[1:]:  # and begin with the same real rows
        np.testing.assert_array_equal(seen[side].features[:500], seen["real"].features)


def test_figures_are_scikit_learns(tables, monkeypatch):
    seen = {}
    fit = room.fit_stacked

    def watched(task, sides, seed):
        seen.update(test=task.sides["holdout"], outcomes=fit(task, sides, seed))
        return seen["outcomes"]

    monkeypatch.setattr(room, "fit_stacked", watched)
    found = measured(tables, of_class(tables["more"], "urgent", "now", 150), "urgent")
    truth = seen["test"].target.astype(int)
    for side in SIDES:
        shares = seen["outcomes"]["lightgbm", side].predictions
        figures, chosen = found["learners"]["lightgbm"][side], shares.argmax(axis=1)
        rarest = found["classes"].index(found["minority"])
        assert list(figures["f1"].values()) == pytest.approx(metrics.f1_score(truth, chosen, average=None).tolist())
        assert figures["macro_f1"] == pytest.approx(metrics.f1_score(truth, chosen, average="macro"))
        assert figures["minority_f1"] == figures["f1"][found["minority"]]
        assert figures["precision"] == pytest.approx(metrics.precision_score(truth == rarest, chosen == rarest))
        assert figures["recall"] == pytest.approx(metrics.recall_score(truth == rarest, chosen == rarest))
        area = metrics.roc_auc_score(truth, shares, multi_class="ovr", average="weighted")
        assert figures["auc"] == pytest.approx(area, abs=1e-6)


def test_a_class_that_no_row_tested_on_has_is_named(tables):
    made = of_class(tables["more"], "urgent", "now", 50)
    lacking = pc.not_equal(tables["holdout"]["urgent"], "now")
    found = measured({**tables, "holdout": tables["holdout"].filter(lacking)}, made, "urgent")
    assert any("is of class now: nothing can be told" in note for note in found["notes"])
    assert not any("nothing can be told" in note for note in measured(tables, made, "urgent")["notes"])


def test_gains_are_differences_and_the_same_seed_gives_the_same_figures(tables):
    synthetic = of_class(tables["more"], "diagnosis", "ill", 100)
    found = measured(tables, synthetic)
    for other, gains in found["gains"].items():
        for measure, entry in gains.items():
            stack = found["learners"]["stack"]
            assert entry["gain"] == pytest.approx(stack["ours"][measure] - stack[other][measure])
            assert entry["interval"][0] <= entry["gain"] <= entry["interval"][1]
    assert found == measured(tables, synthetic)


# --------------------------------------------------------------------------------------------------- what cannot be done


def test_without_imbalanced_learn_the_baseline_is_left_out_and_said(tables, monkeypatch):
    monkeypatch.setitem(sys.modules, "imblearn.over_sampling", None)
    found = measured(tables, of_class(tables["more"], "diagnosis", "ill", 100))
    assert found["learners"]["stack"]["smotenc"] is None and found["gains"]["smotenc"] is None
    assert found["gains"]["real"]["auc"]["gain"] is not None
    assert any("imbalanced-learn" in note and "pip install" in note for note in found["notes"])


def test_a_number_is_no_class(tables):
    with pytest.raises(SettingsError, match="'cost' holds numbers"):
        measured(tables, tables["more"].slice(0, 50), "cost")


def test_an_unknown_target_is_named(tables):
    with pytest.raises(SettingsError, match="'sickness'"):
        measured(tables, tables["more"].slice(0, 50), "sickness")


def test_too_few_rows_measure_nothing_and_say_why(tables):
    found = measured(tables, of_class(tables["more"], "diagnosis", "ill", 3))
    assert found["learners"] is None and "synthetic" in found["notes"][0]


def test_a_large_table_is_thinned_alike_and_said(tables, monkeypatch):
    monkeypatch.setattr(room, "MOST_CELLS", 2 * 5 * 325)  # two classes, five features, half of 650 rows
    found = measured(tables, of_class(tables["more"], "diagnosis", "ill", 150))
    assert sum(found["rows"]["real"].values()) == 250 and sum(found["rows"]["added"].values()) == 75
    assert any("250 of 500 real rows" in note for note in found["notes"])


# --------------------------------------------------------------------------------------------------------- over-sampling


def rows_of(features, target):
    return Rows(np.asarray(features, np.float32), np.asarray(target, np.float64))


# imbalanced-learn 0.14 measures labels by what SciPy 1.20 will have no more
@pytest.mark.filterwarnings("ignore:.* as of SciPy 1.18:DeprecationWarning")
@pytest.mark.parametrize("labels", [[True, False], [True, True], [False, False]])
def test_smotenc_fills_up_to_the_counts_with_levels_that_exist(labels):
    random = np.random.default_rng(0)
    rows = rows_of(random.integers(0, 4, (60, 2)), [0] * 50 + [1] * 10)
    made = smotenc(rows, np.array(labels), np.array([50, 40]), seed=1)
    assert np.bincount(made.target.astype(int)).tolist() == [50, 40]
    np.testing.assert_array_equal(made.features[:60], rows.features)
    new = made.features[60:]
    for place in range(2):
        own = rows.features[50:, place]
        if labels[place]:
            assert set(new[:, place]) <= set(own)
        else:
            assert own.min() - 1e-5 <= new[:, place].min() and new[:, place].max() <= own.max() + 1e-5


def test_smotenc_does_not_mind_a_columns_unit():
    random = np.random.default_rng(0)
    features = np.column_stack([random.normal(size=60), random.normal(size=60), random.integers(0, 3, 60)])
    labels, target = np.array([False, False, True]), [0] * 40 + [1] * 20
    plain = smotenc(rows_of(features, target), labels, np.array([40, 40]), seed=1)
    scaled = smotenc(rows_of(features * [1000, 1, 1], target), labels, np.array([40, 40]), seed=1)
    np.testing.assert_allclose(scaled.features, plain.features * [1000, 1, 1], rtol=1e-3, atol=1e-3)


def test_missing_numbers_stay_missing_in_real_rows_and_are_filled_in_made_ones():
    features = np.column_stack([np.where(np.arange(40) % 4 == 0, np.nan, np.arange(40)), np.arange(40) % 3])
    made = smotenc(rows_of(features, [0] * 30 + [1] * 10), np.array([False, True]), np.array([30, 30]), seed=0)
    assert np.isnan(made.features[:40, 0]).sum() == 10 and not np.isnan(made.features[40:]).any()


def test_a_class_of_two_rows_has_a_neighbour_and_a_class_of_one_has_none():
    features = np.arange(20).reshape(10, 2)
    made = smotenc(rows_of(features, [0] * 8 + [1] * 2), np.array([False, True]), np.array([8, 6]), seed=0)
    assert (made.target == 1).sum() == 6
    with pytest.raises(Impossible, match="single row"):
        smotenc(rows_of(features, [0] * 9 + [1]), np.array([False, True]), np.array([9, 6]), seed=0)


def test_repeated_rows_are_rows_of_the_class():
    rows = rows_of(np.arange(20).reshape(10, 2), [0] * 7 + [1] * 3)
    made = repeated(rows, np.array([7, 9]), seed=3)
    assert {tuple(row) for row in made.features[10:]} <= {tuple(row) for row in rows.features[7:]}
    assert repeated(rows, np.array([7, 3]), seed=3) is rows
    assert smotenc(rows, np.array([False, True]), np.array([5, 3]), seed=3) is rows


def test_imbalanced_learn_is_looked_for_and_not_assumed(tables, monkeypatch):
    monkeypatch.setitem(sys.modules, "imblearn.over_sampling", None)
    found = measured(tables, of_class(tables["more"], "urgent", "now", 50), "urgent")
    assert found["gains"]["smotenc"] is None and found["gains"]["repeated"] is not None
    assert any("SMOTENC was not run: imbalanced-learn cannot be imported" in note for note in found["notes"])
