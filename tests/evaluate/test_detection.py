from __future__ import annotations

import math
import warnings

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conftest import bench_table
from evaluate import frozen
from lookalike.evaluate import confidence
from lookalike.evaluate import detection as module
from lookalike.evaluate.detection import detection, fresh_detection
from lookalike.evaluate.prepare import prepare
from lookalike.schema.infer import infer_schema
from lookalike.table import as_table


def people(rows, seed, *, shuffle=False):
    random = np.random.default_rng(seed)
    age = random.integers(18, 90, rows)
    pay = np.where(random.random(rows) < 0.1, np.nan, age * 10.0 + random.normal(0, 60, rows))
    job = np.array([f"job {place}" for place in range(12)])[age // 8]
    if shuffle:
        pay, job = random.permutation(pay), random.permutation(job)
    return pa.table(
        {"age": age, "pay": pa.array(pay, from_pandas=True), "job": job, "side": random.integers(0, 3, rows)}
    )


def detected(real, synthetic, holdout=None, seed=0):
    tables = {"real": real, "synthetic": synthetic, **({} if holdout is None else {"holdout": holdout})}
    return detection(prepare(tables, infer_schema(real)), seed)


def test_a_fresh_sample_is_not_told_apart_and_so_is_the_yardstick():
    tables = {"real": people(900, 0), "synthetic": people(900, 1), "holdout": people(900, 2)}
    columns = prepare(tables, infer_schema(tables["real"]))
    for figures in (detection(columns, 0), fresh_detection(columns, 0, 900)):
        assert figures["interval"][0] <= 0.5 <= figures["interval"][1]
        assert figures["rows"] == 900 and figures["against"] == "holdout" and figures["columns"] == []
        assert figures["interval"] == list(confidence.auc_interval(figures["auc"], 900 / 2.25, 900 / 2.25))


def test_a_missing_cell_is_no_nought():
    def paid(seed):
        random = np.random.default_rng(seed)
        return np.where(random.random(600) < 0.4, np.nan, random.normal(100, 9, 600))

    real, kept = (pa.table({"pay": pa.array(paid(seed), from_pandas=True)}) for seed in (0, 1))
    assert detected(real, pa.table({"pay": np.nan_to_num(paid(2))}), kept)["interval"][0] > 0.6


def test_shuffled_columns_are_told_apart_though_each_is_right():
    figures = detected(people(900, 0), people(900, 1, shuffle=True), people(900, 2))
    assert figures["interval"][0] > 0.75
    drops = {entry["column"]: entry["drop"] for entry in figures["columns"]}
    assert drops["side"] < 0.02 < drops["age"] == max(drops.values())


def test_a_copy_is_not_told_apart_either_way():
    """Set against the rows it copies, twins share a fold: learnt by heart, they would push the figure below ½."""
    real = people(700, 0)
    for figures in (detected(real, real, people(700, 2)), detected(real, real)):
        assert figures["interval"][0] <= 0.5 <= figures["interval"][1]
    assert figures["against"] == "real" and figures["auc"] == pytest.approx(0.5, abs=1e-9)


def test_few_distinct_rows_told_apart_by_their_frequency():
    real = pa.table({"kind": ["a"] * 300 + ["b"] * 300})
    assert detected(real, pa.table({"kind": ["a"] * 450 + ["b"] * 150}))["auc"] == pytest.approx(0.625, abs=0.02)


def test_a_repeated_row_gives_a_table_away():
    real = people(600, 0)
    repeated = real.take(pa.array(np.arange(600) % 12))
    assert detected(real, repeated, people(600, 2))["auc"] > 0.9


def test_both_tables_fill_every_fold_evenly_and_twins_share_one():
    random = np.random.default_rng(0)
    cells = random.integers(0, 40, (600, 1)).astype(float)
    made = np.repeat([True, False], 300)
    folds = module._folds(cells, made, seed=3, twins=True)
    assert max(abs(np.bincount(folds[made == side], minlength=5) - 60).max() for side in (True, False)) <= 3
    for value in range(40):
        mine, theirs = (
            np.bincount(folds[(cells[:, 0] == value) & (made == side)], minlength=5) for side in (True, False)
        )
        assert np.minimum(mine, theirs).sum() == min(mine.sum(), theirs.sum())


def test_the_same_seed_gives_the_same_figure():
    tables = (people(300, 0), people(300, 1, shuffle=True), people(200, 2))
    assert detected(*tables, seed=5) == detected(*tables, seed=5)
    assert detected(*tables)["rows"] == 200


def test_rows_are_capped(monkeypatch):
    monkeypatch.setattr(module, "MAXIMUM_ROWS", 150)
    assert detected(people(300, 0), people(300, 1), people(300, 2))["rows"] == 150


def test_awkward_columns_are_no_obstacle():
    rows = 60
    real = pa.table({
        "nothing": pa.nulls(rows, pa.float64()),
        "nearly nothing": pa.array([1.0] + [None] * (rows - 1)),
        "no label": pa.nulls(rows, pa.string()),
        "same": ["x"] * rows,
        "huge": [1e308 * (-1) ** place for place in range(rows)],
        "levels": [f"level {place}" for place in range(rows)],
        "zero": [0.0, -0.0] * (rows // 2),
    })  # fmt: skip
    kinds = {"no label": "category", "levels": "category", "same": "constant", "zero": "float", "huge": "float"}
    schema = frozen.Schema([
        frozen.ColumnSpec(name=name, kind=kinds.get(name, "float"), storage=str(real[name].type)) for name in real.column_names
    ])  # fmt: skip
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figures = detection(prepare({"real": real, "synthetic": real, "holdout": real.slice(0, 40)}, schema), 0)
    assert 0 <= figures["auc"] <= 1 and figures["rows"] == 40


def test_a_thousand_levels_are_pooled_and_tell_fresh_draws_apart_by_chance_only():
    areas = []
    for seed in range(8):
        random = np.random.default_rng(seed)
        draws = (pa.table({"code": [f"c{place}" for place in random.zipf(1.3, 1200) % 2000]}) for _ in range(3))
        areas.append(detected(*draws)["auc"])
    assert np.mean(areas) == pytest.approx(0.5, abs=0.018)


@pytest.mark.parametrize("rows", [1, 19])
def test_too_few_rows_give_no_figure(rows):
    figures = detected(people(300, 0), people(300, 1), people(rows, 2))
    assert math.isnan(figures["auc"]) and figures["rows"] == rows and figures["columns"] == []


@pytest.mark.parametrize(("cells_at_once", "predictions"), [(1, 7), (5_000, 4), (10**6, 2)])
def test_columns_are_shuffled_one_at_a_time_and_predicted_together(monkeypatch, cells_at_once: int, predictions: int):
    """A prediction a column costs a look at every column's levels: as many squared."""

    class Sums:
        """Says "made" where the first column is large, by a quarter as much where the fourth is."""

        asked = 0

        def decision_function(self, cells: np.ndarray) -> np.ndarray:
            self.asked += 1
            return cells[:, 0] + cells[:, 3] / 4

    random = np.random.default_rng(4)
    made = np.repeat([True, False], 200)
    features = module.Features(random.normal(size=(400, 6)) + made[:, None], list("abcdef"), [False] * 6)
    monkeypatch.setattr(module, "CELLS_AT_ONCE", cells_at_once)
    model = Sums()
    drops = {each["column"]: each["drop"] for each in module._drops(features, model, made, np.ones(400, bool), 0)}
    assert model.asked == predictions
    assert list(drops)[:2] == ["a", "d"] and drops["a"] > drops["d"] > 0
    assert {drops[name] for name in "bcef"} == {0.0}


def test_no_columns_give_no_figure():
    assert math.isnan(detection([], 0)["auc"])


@settings(max_examples=50)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=30), st.lists(st.integers(0, 9), min_size=1, max_size=30))
def test_auc_is_the_share_of_pairs_in_order(positive, negative):
    pairs = [(one > other) + (one == other) / 2 for one in positive for other in negative]
    area = confidence.auc(np.array(positive), np.array(negative))
    assert area == pytest.approx(np.mean(pairs))
    low, high = confidence.auc_interval(area, len(positive), len(negative))
    assert 0 <= low <= area <= high <= 1
    mirrored = confidence.auc_interval(1 - area, len(negative), len(positive))
    assert mirrored == pytest.approx((1 - high, 1 - low), abs=1e-9)


def test_the_auc_interval_holds_the_truth_in_19_of_20_draws():
    random, truth, held = np.random.default_rng(0), 0.7602, 0  # Φ(1/√2) for normal scores one apart
    for _ in range(400):
        low, high = confidence.auc_interval(confidence.auc(random.normal(1, 1, 60), random.normal(0, 1, 60)), 60, 60)
        held += low <= truth <= high
    assert 0.92 <= held / 400 <= 0.99


def test_halves_of_a_web_shop_are_not_told_apart():
    real, fresh = (as_table(bench_table(f"shoppers-{part}.parquet")).data for part in ("train", "holdout"))
    figures = detected(real, fresh.slice(0, 2000), fresh.slice(2000))
    assert figures["interval"][0] <= 0.5 <= figures["interval"][1]
