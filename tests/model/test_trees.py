"""Honest trees: small leaves change nothing, what depends stays dependent, what is memorised can be measured."""

from __future__ import annotations

import json

import numpy as np
import pytest
from sklearn.tree import DecisionTreeRegressor

from lookalike.errors import LookalikeWarning, SettingsError
from lookalike.model.counts.forest import Growth, _counts, _fill, grow, starts_of
from lookalike.model.counts.shrink import Hierarchy
from lookalike.model.trees import Trees, TreesSettings
from lookalike.run import Run
from lookalike.schema.encoded import EncodedColumn, EncodedTable
from lookalike.testing import check_generator


def fitted(table: EncodedTable, seed: int = 0, run: Run | None = None, **settings) -> Trees:
    engine = Trees(TreesSettings.build({"chains": 2, "trees": 3, **settings}))
    engine.fit(table, seed=seed, run=run or Run())
    return engine


def test_it_conforms(toy: EncodedTable):
    check_generator(Trees, TreesSettings(chains=3, trees=2))
    check_generator(Trees, TreesSettings(chains=1, trees=1, min_leaf=2), toy)


def test_awkward_tables(awkward: EncodedTable):
    check = fitted(awkward)
    for rows in (0, 1, 77):
        drawn = check.sample(rows, seed=1)
        assert len(drawn) == rows and drawn.columns == awkward.columns
        for j, column in enumerate(awkward.columns):
            assert set(drawn.codes[:, j]) <= set(awkward.codes[:, j]), "a code that never occurred is never drawn"
            assert (drawn.residuals[~column.interval[drawn.codes[:, j]], j] == 0).all()


def test_state_is_json_and_arrays_and_gives_the_same_rows(toy: EncodedTable):
    engine = fitted(toy)
    state, arrays = engine.state()
    again = Trees.from_state(toy.columns, engine.settings, json.loads(json.dumps(state)), arrays)
    for conditions in ({}, {1: 1}):
        one, two = (each.sample(100, seed=4, conditions=conditions) for each in (engine, again))
        assert np.array_equal(one.codes, two.codes) and np.array_equal(one.residuals, two.residuals)


def test_marginals_and_dependencies_are_kept(toy: EncodedTable):
    drawn = fitted(toy).sample(20_000, seed=1)
    for j, column in enumerate(toy.columns):
        real, made = (np.bincount(t.codes[:, j], minlength=column.cardinality) / len(t) for t in (toy, drawn))
        assert np.abs(real - made).max() < 0.03
    for table in (toy, drawn):
        follows = (table.codes[:, 0] % 2 == table.codes[:, 1]).mean()
        assert 0.85 < follows < 0.95
        amount = table.codes[:, 2] > 0
        assert (table.codes[amount, 2] == 1 + table.codes[amount, 1]).mean() > 0.95


def test_residuals_are_uniform_where_codes_are_intervals(toy: EncodedTable):
    drawn = fitted(toy).sample(5000, seed=1)
    inside = drawn.residuals[drawn.codes[:, 2] > 0, 2]
    assert np.abs(np.quantile(inside, [0.25, 0.5, 0.75]) - [-0.5, 0, 0.5]).max() < 0.06


def sharp(rows: int) -> tuple[np.ndarray, np.ndarray, list[EncodedColumn]]:
    """A column of ten codes and one that repeats it."""
    codes = np.random.default_rng(0).integers(0, 10, rows)
    return codes[:, None], codes, [EncodedColumn(name, 10, np.zeros(10, bool), True, np.arange(10.0)) for name in "ab"]


@pytest.mark.parametrize("least", [2, 10, 40])
def test_fewer_rows_than_a_leaf_holds_change_nothing(least: int):
    """Without smoothing a leaf's distribution is the shares of the deepest node on its path that holds enough rows."""
    given, answers, columns = sharp(400)
    splits = DecisionTreeRegressor(min_samples_leaf=3, random_state=0).fit(given[:200], answers[:200]).tree_
    counts = _counts(splits.decision_path(given[200:].astype(np.float32)), answers[200:], 10)
    growth = Growth(trees=1, least_rows=least, structure=0.5, strength=1e-9, growth=1.0)
    hierarchy = Hierarchy.of(columns[1], np.full(10, 0.1))
    leaf, distributions = _fill(splits, counts, np.full(10, 0.1), hierarchy, growth)

    def walk(node: int, standing: int) -> set[bool]:
        standing = node if counts[node].sum() >= least else standing
        if splits.children_left[node] < 0:
            assert np.allclose(distributions[leaf[node]], counts[standing] / counts[standing].sum(), atol=1e-6)
            return {standing == node}
        return walk(splits.children_left[node], standing) | walk(splits.children_right[node], standing)

    seen = walk(0, 0)
    assert (False in seen) == (least == 40), "the case of a leaf too small must occur, and that of one large enough"


def test_one_row_changes_a_leaf_little():
    """The most that one row can add to any probability: it is one of at least min_leaf rows of a leaf."""
    given, answers, columns = sharp(2000)
    moved = answers.copy()
    moved[7] = (answers[7] + 5) % 10
    growth = Growth(trees=4, least_rows=20, structure=0.5, strength=2.0, growth=1.5, depth=2)
    before, after = (
        grow(given, columns[:1], each, columns[1], growth, np.random.default_rng(3)) for each in (answers, moved)
    )
    tests = np.arange(10)[:, None]
    for code in range(10):
        one, two = (forest.probabilities(tests, np.array([0]), np.full(10, code)) for forest in (before, after))
        assert np.abs(one - two).max() < 1 / 20


def test_a_table_too_small_to_split_gives_independent_columns():
    given, answers, columns = sharp(30)
    growth = Growth(trees=2, least_rows=10, structure=0.5, strength=1.0, growth=1.5)
    forest = grow(given, columns[:1], answers, columns[1], growth, np.random.default_rng(0))
    expected = np.bincount(answers, minlength=10) / 30
    assert np.allclose(forest.probabilities(given, starts_of(columns[:1]), answers), expected[answers], atol=1e-3)


def test_levels_without_order_are_told_apart():
    """Every other level goes with a 1: in the order of the codes that would take 39 splits."""
    codes = np.random.default_rng(0).integers(0, 40, 1000)
    columns = [EncodedColumn("level", 40, np.zeros(40, bool)), EncodedColumn("odd", 2, np.zeros(2, bool))]
    growth = Growth(trees=3, least_rows=10, structure=0.5, strength=1.0, growth=1.5, depth=1)
    forest = grow(codes[:, None], columns[:1], codes % 2, columns[1], growth, np.random.default_rng(0))
    assert forest.probabilities(codes[:, None], np.array([0]), codes % 2).mean() > 0.95


def test_the_likelihood_is_one_and_fits_fresh_rows_nearly_as_well(make_toy):
    train, fresh = make_toy(800, seed=0), make_toy(800, seed=1)
    engine = fitted(train)
    every = (
        np.stack(np.meshgrid(*[np.arange(c.cardinality) for c in train.columns]), -1).reshape(-1, 3).astype(np.int32)
    )
    total = np.exp(engine.likelihood(EncodedTable(train.columns, every, np.zeros(every.shape)))).sum()
    assert total == pytest.approx(1.0, abs=1e-6)
    seen, unseen = engine.likelihood(train).mean(), engine.likelihood(fresh).mean()
    independent = 0.0
    for j, column in enumerate(train.columns):
        shares = np.bincount(train.codes[:, j], minlength=column.cardinality) / len(train)
        independent += np.log(shares[fresh.codes[:, j]]).mean()
    assert unseen > independent + 0.5
    assert abs(seen - unseen) < 0.1


@pytest.mark.parametrize("conditions", [{0: 2}, {2: 0}, {0: 1, 2: 2}])
def test_conditions_are_met_and_the_rest_follows(toy: EncodedTable, conditions: dict[int, int]):
    engine = fitted(toy)
    drawn = engine.sample(3000, seed=1, conditions=conditions)
    free = engine.sample(60_000, seed=2)
    met = np.all([free.codes[:, column] == code for column, code in conditions.items()], axis=0)
    assert len(drawn) == 3000
    for j, column in enumerate(toy.columns):
        if j in conditions:
            assert (drawn.codes[:, j] == conditions[j]).all()
        shares = [
            np.bincount(codes, minlength=column.cardinality) / len(codes)
            for codes in (drawn.codes[:, j], free.codes[met, j])
        ]
        assert np.abs(shares[0] - shares[1]).max() < 0.08


def test_time_that_is_up_is_said_and_still_gives_rows(toy: EncodedTable):
    run = Run(minutes=1e-9)
    engine = fitted(toy, run=run, chains=3)
    notes = run.notes["trees"]
    assert (notes["chains"], notes["of"], notes["cut_short"]) == (1, 3, ["size", "colour", "amount"])
    assert len(engine.sample(10, seed=0)) == 10
    leisure = Run()
    fitted(toy, run=leisure, chains=3)
    assert leisure.notes["trees"] == {"chains": 3, "of": 3, "cut_short": []}


def test_what_is_doubtful_is_warned_about():
    with pytest.warns(LookalikeWarning, match="up to 50,000 rows, however: rows=60,000"):
        Trees.check(TreesSettings(), 60_000)
    with pytest.warns(LookalikeWarning, match="four leaves' worth of rows to split, however: min_leaf=20 and rows=79"):
        Trees.check(TreesSettings(), 79)
    Trees.check(TreesSettings(), 80)
    Trees.check(TreesSettings(min_leaf=2), 8)


def test_small_tables_get_larger_leaves():
    assert [TreesSettings().least_rows(rows) for rows in (2999, 3000)] == [20, 10]
    assert TreesSettings(min_leaf=3).least_rows(999) == 3


def test_settings_are_checked():
    with pytest.raises(SettingsError, match="min_leaf=1"):
        TreesSettings.build({"min_leaf": 1})
