"""The Gaussian copula: marginals exactly, one correlation a pair, whatever the columns are."""

from __future__ import annotations

import json
import tracemalloc

import numpy as np
import pytest

from lookalike.errors import SettingsError
from lookalike.model.copula import Copula, CopulaSettings, correlations, expected_scores
from lookalike.model.counts.levels import ranks
from lookalike.run import Run
from lookalike.schema.encoded import EncodedColumn, EncodedTable
from lookalike.testing import check_generator


def fitted(table: EncodedTable, **settings) -> Copula:
    engine = Copula(CopulaSettings.build(settings))
    engine.fit(table, seed=0, run=Run())
    return engine


def normal_table(rows: int, correlation: float, cuts: tuple[int, ...], seed: int = 0) -> EncodedTable:
    """Columns cut out of normal variables that all correlate alike, into ``cuts`` codes of equal frequency."""
    rng = np.random.default_rng(seed)
    common = rng.standard_normal((rows, 1)) * np.sqrt(correlation)
    normal = common + rng.standard_normal((rows, len(cuts))) * np.sqrt(1 - correlation)
    places = normal.argsort(axis=0).argsort(axis=0)
    columns = tuple(
        EncodedColumn(f"c{j}", cut, np.full(cut, cut > 2), True, np.arange(float(cut))) for j, cut in enumerate(cuts)
    )
    codes = (places * np.array(cuts) // rows).astype(np.int32)
    return EncodedTable(columns, codes, np.zeros(codes.shape))


def test_it_conforms(toy: EncodedTable):
    check_generator(Copula, CopulaSettings(), toy)


def test_awkward_tables(awkward: EncodedTable):
    engine = fitted(awkward)
    for rows in (0, 1, 77):
        drawn = engine.sample(rows, seed=1)
        assert len(drawn) == rows and drawn.columns == awkward.columns
        for j in range(len(awkward.columns)):
            assert set(drawn.codes[:, j]) <= set(awkward.codes[:, j]), "a code that never occurred is never drawn"


def test_likelihoods_are_those_of_what_is_drawn():
    """Of all rows that there can be they add up to one, and each comes as often as its own says."""
    engine = fitted(normal_table(2_000, 0.6, (4, 2, 3)))
    each = np.stack(np.meshgrid(range(4), range(2), range(3), indexing="ij"), -1).reshape(-1, 3).astype(np.int32)
    chances = np.exp(engine.likelihood(EncodedTable(engine._columns, each, np.zeros(each.shape))))
    assert chances.sum() == pytest.approx(1, abs=0.03)
    drawn = engine.sample(100_000, seed=0).codes
    shares = (drawn[:, None] == each).all(axis=2).mean(axis=0)
    assert np.abs(shares - chances).max() < 0.01 and shares.max() / shares.min() > 20


def test_far_from_the_middle_likelihoods_stay_numbers():
    """A column that says the other one: a row where it does not is unlikely, not impossible; a code never seen is."""
    codes = np.repeat(np.arange(40), 25)
    columns = tuple(EncodedColumn(name, 41, np.ones(41, bool), True, np.arange(41.0)) for name in "ab")
    engine = fitted(EncodedTable(columns, np.stack([codes, codes], 1).astype(np.int32), np.zeros((1000, 2))))
    rows = np.array([[3, 3], [3, 39], [39, 3], [3, 40]], np.int32)
    same, far, back, never = engine.likelihood(EncodedTable(columns, rows, np.zeros(rows.shape)))
    assert same > -6 and np.isneginf(never)
    assert far == pytest.approx(back, rel=0.1) and -2_000 < far < -100


def labels_table(rows: int, columns: int, levels: int) -> EncodedTable:
    """Labels that lean on a common one, each shuffled into no order."""
    rng = np.random.default_rng(2)
    common, codes = rng.integers(0, levels, rows), []
    for _ in range(columns):
        own = np.where(rng.random(rows) < 0.6, common, rng.integers(0, levels, rows))
        codes.append(rng.permutation(levels)[own])
    named = tuple(EncodedColumn(f"c{j}", levels, np.zeros(levels, bool)) for j in range(columns))
    return EncodedTable(named, np.stack(codes, 1).astype(np.int32), np.zeros((rows, columns)))


def peak_of_fitting(table: EncodedTable) -> int:
    """Bytes held at once."""
    tracemalloc.start()
    try:
        fitted(table)
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def test_levels_are_put_in_order_by_all_other_columns():
    """From how often codes meet comes what the rows themselves say."""
    table = labels_table(3_000, 4, 9)
    frequent_first = [np.argsort(-np.bincount(codes), kind="stable") for codes in table.codes.T]
    told = [
        (codes[:, None] == first[:8]).astype(float) for codes, first in zip(table.codes.T, frequent_first, strict=True)
    ]
    found = np.split(fitted(table).state()[1]["ranks"], 4)
    for j, codes in enumerate(table.codes.T):
        others = np.concatenate([each for i, each in enumerate(told) if i != j], axis=1)
        wanted = ranks(codes, table.columns[j], others - others.mean(axis=0))
        assert (found[j] == wanted).all()


def test_many_labels_take_no_more_memory_than_a_few_times_the_table():
    """The instant baseline is what a long table gets in a hurry: described row by row, 500,000 × 20 took fourteen seconds and a GB."""
    table = labels_table(20_000, 20, 13)
    assert peak_of_fitting(table) < 10 * table.codes.nbytes


def test_labels_in_tens_of_thousands_are_not_counted_pair_by_pair():
    """Of two columns of 10,000 labels each there would be 800 MB of counts."""
    assert peak_of_fitting(labels_table(20_000, 2, 10_000)) < 100e6


@pytest.mark.parametrize("cuts", [(100, 100), (2, 100), (2, 2), (3, 7)])
def test_the_correlation_behind_coarse_codes_is_found(cuts: tuple[int, ...]):
    """By scores drawn at random within a code, .6 between two halves would come out as about .26."""
    engine = fitted(normal_table(20_000, 0.6, cuts))
    assert engine.state()[1]["correlations"][0, 1] == pytest.approx(0.6, abs=0.06)


def test_marginals_are_kept_and_dependencies_learned(toy: EncodedTable):
    drawn = fitted(toy).sample(20_000, seed=1)
    for j, column in enumerate(toy.columns):
        real, made = (np.bincount(t.codes[:, j], minlength=column.cardinality) / len(t) for t in (toy, drawn))
        assert np.abs(real - made).max() < 0.012
    amount, size = drawn.codes[:, 2], drawn.codes[:, 1]
    assert (amount[size == 1] == 2).mean() > (amount[size == 0] == 2).mean() + 0.3


def test_levels_without_order_get_one_from_the_other_columns():
    rng = np.random.default_rng(0)
    height = rng.integers(0, 8, 4000)
    shuffled = np.array([3, 6, 0, 7, 2, 5, 1, 4])
    columns = (EncodedColumn("n", 8, np.zeros(8, bool), True, np.arange(8.0)), EncodedColumn("l", 8, np.zeros(8, bool)))
    codes = np.stack([height, shuffled[height]], 1).astype(np.int32)
    drawn = fitted(EncodedTable(columns, codes, np.zeros(codes.shape))).sample(4000, seed=0)
    assert (drawn.codes[:, 1] == shuffled[drawn.codes[:, 0]]).mean() > 0.7


def test_correlations_are_made_positive_definite():
    rng = np.random.default_rng(0)
    result = correlations(rng.standard_normal((5, 40)), 1e-3)
    assert np.allclose(result.diagonal(), 1) and np.allclose(result, result.T)
    assert np.linalg.eigvalsh(result).min() > 0
    np.linalg.cholesky(result)


def test_scores_of_a_code_are_its_mean():
    normal = np.sort(np.random.default_rng(0).standard_normal(400_000))
    found = [part.mean() for part in np.split(normal, [40_000, 200_000])]
    assert expected_scores(np.array([0, 0.1, 0.5, 1])) == pytest.approx(found, abs=0.01)


@pytest.mark.parametrize("code", [0, 6])
def test_a_condition_is_met_and_the_rest_follows(code: int):
    engine = fitted(normal_table(5000, 0.8, (7, 7, 100)))
    drawn, free = engine.sample(3000, seed=1, conditions={1: code}), engine.sample(60_000, seed=2)
    assert (drawn.codes[:, 1] == code).all()
    met = free.codes[:, 1] == code
    for j in (0, 2):
        assert drawn.codes[:, j].mean() == pytest.approx(free.codes[met, j].mean(), rel=0.1)


def test_state_is_json_and_arrays_and_gives_the_same_rows(toy: EncodedTable):
    engine = fitted(toy)
    state, arrays = engine.state()
    again = Copula.from_state(toy.columns, engine.settings, json.loads(json.dumps(state)), arrays)
    for conditions in ({}, {0: 1, 2: 0}):
        one, two = (each.sample(100, seed=4, conditions=conditions) for each in (engine, again))
        assert np.array_equal(one.codes, two.codes) and np.array_equal(one.residuals, two.residuals)


def test_settings_are_checked():
    with pytest.raises(SettingsError, match="ridge=0"):
        CopulaSettings.build({"ridge": 0.0})
