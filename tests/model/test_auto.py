"""What is picked, and that it is said why."""

from __future__ import annotations

import re

import numpy as np

from lookalike.model.auto import Auto
from lookalike.run import Run
from lookalike.schema.encoded import EncodedColumn, EncodedTable


def picked(table, run=None, **settings):
    run = run or Run()
    engine = Auto(Auto.Settings.build(settings))
    engine.fit(table, seed=0, run=run)
    assert engine.picked is not None and run.notes["engine"]["picked"] == engine.picked[0]
    assert np.isfinite(engine.sample(20, seed=0).residuals).all()
    return run.notes["engine"]


def test_few_rows_get_copula_and_trees(make_toy):
    run = Run()
    found = picked(make_toy(60), run)
    assert found == {
        "picked": "ensemble",
        "why": "60 rows are too few for a net: half of the rows come from each",
    }
    assert run.notes["ensemble"]["words"] == "ensemble of copula + trees"


def test_a_small_table_gets_what_finds_held_out_rows_likeliest(make_toy):
    assert picked(make_toy(900))["why"].startswith("90 rows held out are likeliest by ")
    found = picked(correlated(600, 25, 1.0, 16))
    weight = re.search(r"60 rows held out are likeliest by .* (\d+) % copula", found["why"])
    assert weight and int(weight[1]) > 50, found["why"]


def correlated(rows: int, columns: int, noise: float, levels: int) -> EncodedTable:
    """Normal variables that share one cause, cut into codes: what a Gaussian copula is made for."""
    rng = np.random.default_rng(0)
    normal = noise * rng.standard_normal((rows, columns)) + rng.standard_normal((rows, 1))
    codes = (normal.argsort(axis=0).argsort(axis=0) * levels // rows).astype(np.int32)
    named = tuple(
        EncodedColumn(str(j), levels, np.ones(levels, bool), True, np.arange(float(levels))) for j in range(columns)
    )
    return EncodedTable(named, codes, np.zeros(codes.shape))


def test_those_as_likely_are_mixed():
    """Labels that a single one settles by chance: no engine finds more than their shares, but both try."""
    rng = np.random.default_rng(1)
    columns = tuple(EncodedColumn(str(j), 6, np.zeros(6, bool)) for j in range(5))
    parent = rng.integers(0, 6, 1200)
    codes = np.stack([np.where(rng.random(1200) < 0.3, parent, rng.integers(0, 6, 1200)) for _ in range(5)], 1)
    run, table = Run(), EncodedTable(columns, codes.astype(np.int32), np.zeros(codes.shape))
    found = picked(table, run)
    assert found["picked"] == "ensemble" and " 0 % autoregressive" not in found["why"]
    assert run.notes["ensemble"]["words"].startswith("ensemble of autoregressive + ") and run.losses
    engine = Auto()
    engine.fit(table, seed=0, run=Run())
    again = Auto.from_state(columns, engine.settings, *engine.state())
    assert (again.sample(50, seed=1).codes == engine.sample(50, seed=1).codes).all()
    assert np.allclose(again.likelihood(table), engine.likelihood(table))


def test_a_net_that_was_not_kept_leaves_no_losses(tmp_path):
    run = Run(tmp_path)
    found = picked(correlated(400, 40, 1.0, 60), run)
    assert found["picked"] == "ensemble" and "autoregressive" not in run.notes["ensemble"]["words"], found["why"]
    assert run.losses == [] and "training" not in run.notes and not (tmp_path / "losses.csv").exists()


def test_a_comparison_that_was_cut_short_says_so_and_is_gone_on_with(tmp_path):
    class Interrupted(Run):
        """Ctrl-C after the first epoch."""

        def epoch(self, epoch, epochs, losses):
            super().epoch(epoch, epochs, losses)
            raise KeyboardInterrupt

    table, run = correlated(900, 12, 0.3, 40), Interrupted(tmp_path)
    found = picked(table, run)
    assert found["picked"] == "copula" and "cut the net's training short" in found["why"]
    assert run.interrupted and (tmp_path / "checkpoint.twin").exists()
    whole = picked(table)
    assert " 0 % autoregressive" in found["why"] and " 0 % autoregressive" not in whole["why"]
    assert picked(table, resumed := Run(tmp_path, resume=True)) == whole
    assert not resumed.interrupted


def labels(rows: int, columns: int) -> EncodedTable:
    codes = np.random.default_rng(1).integers(0, 12, (rows, columns)).astype(np.int32)
    named = tuple(EncodedColumn(str(j), 12, np.zeros(12, bool)) for j in range(columns))
    return EncodedTable(named, codes, np.zeros(codes.shape))


def test_trees_leave_the_net_time_to_learn():
    """Trees of eighty columns would take a budget of seconds for themselves: a net without a step was compared, and mixed with them."""
    run = Run(minutes=8 / 60)
    budget = run.deadline
    picked(labels(2000, 80), run)
    assert run.deadline == budget
    assert run.notes["trees"]["chains"] < run.notes["trees"]["of"], "the budget must be too short for all of them"
    assert run.notes["training"]["epochs"] >= 1


def test_no_trees_are_begun_that_leave_the_net_no_time():
    run = Run(minutes=5 / 60)
    found = picked(labels(200, 160), run)
    assert found["picked"] == "autoregressive" and "too few for trees of 160 columns" in found["why"]
    assert "trees" not in run.notes and run.notes["training"]["epochs"] >= 1


def test_many_rows_get_the_net(make_toy):
    found = picked(make_toy(3500), Run(minutes=0.1))
    assert found == {"picked": "autoregressive", "why": "3,500 rows are enough for a net"}


def test_no_time_gets_the_copula(make_toy):
    assert picked(make_toy(5000), Run(minutes=0.01))["picked"] == "copula"


def test_a_net_of_any_order_is_picked_where_one_was_asked_for(make_toy):
    table = make_toy(200)
    engine = Auto(Auto.Settings(any_order=True))
    engine.fit(table, seed=0, run=Run())
    known = np.ones(table.codes.shape, bool)
    known[:, 0] = False
    assert (engine.complete(table, known, seed=0).codes[known] == table.codes[known]).all()
    assert engine.likelihood(table).shape == (200,)


def test_a_temperature_is_known_where_the_engine_picked_knows_it(make_toy):
    few, many = Auto(), Auto(Auto.Settings(any_order=True))
    few.fit(make_toy(60), seed=0, run=Run())
    many.fit(make_toy(200), seed=0, run=Run())
    again = Auto.from_state(make_toy(60).columns, few.settings, *few.state())
    assert (few.tempered, many.tempered, again.tempered) == (False, True, False)
