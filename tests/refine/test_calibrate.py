"""Raking: it mends what an engine gets wrong, leaves what it gets right, and goes no further than the noise allows."""

from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lookalike.errors import SettingsError
from lookalike.refine.calibrate import Calibration, CalibrationSettings, effective_rows, systematic
from lookalike.refine.margins import CODES, PAIRS, TRIPLES, Cross, Groups, Margin, groups_beside_spikes
from lookalike.refine.raking import Raking, bounded
from lookalike.refine.targets import noise_floor, target
from lookalike.schema.encoded import EncodedColumn, EncodedTable

COLUMNS = (
    EncodedColumn("age", 40, np.ones(40, bool), True, np.arange(40.0)),
    EncodedColumn("spent", 60, np.arange(60) > 0, True, np.arange(60.0)),
    EncodedColumn("town", 12, np.zeros(12, bool)),
    EncodedColumn("same", 1, np.zeros(1, bool)),
)


def people(rows: int, seed: int, *, link: float = 0.8) -> EncodedTable:
    """Spending follows age as ``link`` says, has a spike at 0; towns are skewed and follow age a little."""
    rng = np.random.default_rng(seed)
    age = rng.integers(40, size=rows)
    follows = rng.random(rows) < link
    spent = np.where(follows, age + rng.integers(20, size=rows), rng.integers(60, size=rows))
    spent = np.where(rng.random(rows) < 0.3, 0, spent)
    town = np.minimum(rng.geometric(0.3 + age / 100), 12) - 1
    codes = np.stack([age, spent, town, np.zeros(rows, int)], 1).astype(np.int32)
    return EncodedTable(COLUMNS, codes, np.zeros(codes.shape))


def pair_distance(first: EncodedTable, second: EncodedTable, one: int = 0, other: int = 1) -> float:
    """½ Σ |p − q| over the pair in fours of codes: other cells than those raked to."""
    tables = [np.zeros((16, 16)), np.zeros((16, 16))]
    for table, part in zip(tables, (first, second), strict=True):
        np.add.at(table, (part.codes[:, one] // 4, part.codes[:, other] // 4), 1 / len(part))
    return float(np.abs(tables[0] - tables[1]).sum() / 2)


def uncoupled(table: EncodedTable, columns: list[int], seed: int) -> EncodedTable:
    """Shuffle some columns together, apart from the others."""
    codes = table.codes.copy()
    codes[:, columns] = codes[np.random.default_rng(seed).permutation(len(codes))][:, columns]
    return EncodedTable(table.columns, codes, table.residuals)


SETTINGS = CalibrationSettings(calibrate=True)


def test_a_wrong_relation_is_mended_for_rows_never_seen():
    real, fresh, pool = people(4000, 0), people(40_000, 1), people(20_000, 2, link=0.5)
    calibration = Calibration.fit(real, pool, SETTINGS, 0)
    chosen = pool.take(calibration.choose(pool, 4000, 0))
    plain, after = pair_distance(pool.take(np.arange(4000)), fresh), pair_distance(chosen, fresh)
    assert after < 0.6 * plain
    notes = calibration.notes
    assert notes["sweeps"] > 0
    assert notes["held_out"]["after"] < notes["held_out"]["before"]
    assert notes["fitting"]["after"] < notes["fitting"]["before"]
    assert 1000 < notes["effective_rows"] < notes["pool_rows"] == 20_000


def test_a_right_engine_is_left_nearly_alone():
    real, pool = people(4000, 0), people(20_000, 2)
    calibration = Calibration.fit(real, pool, SETTINGS, 0)
    assert calibration.notes["moved"] < 0.1
    assert effective_rows(calibration.weights(pool)) > 0.9 * len(pool)


def test_it_comes_no_nearer_to_the_real_rows_than_another_real_sample():
    """Even when the engine is far off and many sweeps are allowed."""
    real, pool = people(3000, 0), people(60_000, 2, link=0.4)
    calibration = Calibration.fit(real, pool, CalibrationSettings(sweeps=50, heaviest=10.0, pool=20), 0)
    chosen = [pair_distance(pool.take(calibration.choose(pool, 3000, seed)), real) for seed in range(5)]
    samples = [pair_distance(people(3000, 10 + seed), real) for seed in range(5)]
    assert np.mean(chosen) > 0.97 * np.mean(samples)


def test_a_pool_is_raked_as_often_as_held_out_rows_allowed():
    columns = tuple(EncodedColumn(name, 6, np.zeros(6, bool)) for name in "abcd")

    def chain(rows: int, seed: int, link: float) -> EncodedTable:
        rng = np.random.default_rng(seed)
        codes = rng.integers(6, size=(rows, 4))
        for place in range(1, 4):
            codes[:, place] = np.where(rng.random(rows) < link, codes[:, place - 1], codes[:, place])
        return EncodedTable(columns, codes.astype(np.int32), np.zeros(codes.shape))

    pool = chain(30_000, 1, 0.3)
    calibration = Calibration.fit(chain(6000, 0, 0.7), pool, CalibrationSettings(heaviest=50.0), 0)
    assert calibration.notes["sweeps"] > 1
    assert effective_rows(calibration.weights(pool)) == pytest.approx(calibration.notes["effective_rows"], rel=0.03)


def test_a_small_pool_is_calibrated_too():
    real, pool = people(4000, 0), people(20_000, 2, link=0.5)
    calibration = Calibration.fit(real, pool, SETTINGS, 0)
    # and coarsely, or its own few rows would be weighed to fit
    assert effective_rows(calibration.weights(people(300, 10, link=0.5))) > 0.9 * 300
    assert [SETTINGS.pool_rows(rows) for rows in (0, 10, 10_000)] == [0, 20_000, 50_000]

    def follows(table: EncodedTable) -> float:
        age, spent = table.codes[table.codes[:, 1] > 0][:, :2].T
        return float(np.corrcoef(age, spent)[0, 1])

    small = [people(1500, 10 + seed, link=0.5) for seed in range(10)]
    plain = np.mean([follows(one) for one in small])
    chosen = np.mean([follows(one.take(calibration.choose(one, 300, 0))) for one in small])
    assert plain + 0.05 < chosen < follows(real) + 0.05


def test_triples_mend_what_pairs_do_not_show():
    rng = np.random.default_rng(0)
    columns = tuple(EncodedColumn(name, 2, np.zeros(2, bool)) for name in "abcd")

    def parity(rows: int, rng: np.random.Generator, share: float) -> EncodedTable:
        codes = rng.integers(2, size=(rows, 4))
        odd = rng.random(rows) < share
        codes[odd, 2] = codes[odd, 0] ^ codes[odd, 1]
        return EncodedTable(columns, codes.astype(np.int32), np.zeros((rows, 4)))

    real, pool = parity(2000, rng, 0.6), parity(10_000, rng, 0.0)

    def agreement(table: EncodedTable) -> float:
        return float((table.codes[:, 2] == table.codes[:, 0] ^ table.codes[:, 1]).mean())

    pairs = Calibration.fit(real, pool, SETTINGS, 0)
    triples = Calibration.fit(real, pool, CalibrationSettings(triples=1), 0)
    assert triples.notes["triples"] == 1
    assert agreement(pool.take(pairs.choose(pool, 2000, 0))) == pytest.approx(0.5, abs=0.04)
    assert agreement(pool.take(triples.choose(pool, 2000, 0))) == pytest.approx(0.8, abs=0.05)


def test_fine_pairs_mend_what_groups_do_not_show():
    """Sums of two counts are even in reality; neighbouring codes lie in one group, so pairs of groups cannot tell."""
    columns = tuple(EncodedColumn(name, 40, np.ones(40, bool), True, np.arange(40.0)) for name in "ab")

    def even(rows: int, seed: int, share: float) -> EncodedTable:
        rng = np.random.default_rng(seed)
        codes = rng.integers(40, size=(rows, 2))
        odd = (codes.sum(1) % 2 == 1) & (rng.random(rows) < share)
        codes[odd, 1] ^= 1
        return EncodedTable(columns, codes.astype(np.int32), np.zeros((rows, 2)))

    def evenness(table: EncodedTable) -> float:
        return float((table.codes.sum(1) % 2 == 0).mean())

    real, pool = even(20_000, 0, 0.8), even(60_000, 1, 0.0)
    pairs = Calibration.fit(real, pool, SETTINGS, 0)
    fine = Calibration.fit(real, pool, CalibrationSettings(fine_pairs=1), 0)
    assert fine.notes["fine_pairs"] == 1
    assert evenness(pool.take(pairs.choose(pool, 20_000, 0))) < 0.55
    assert evenness(pool.take(fine.choose(pool, 20_000, 0))) > 0.75


def test_no_cell_of_few_rows_has_a_target():
    real, pool = people(2000, 0), people(10_000, 1, link=0.5)
    calibration = Calibration.fit(real, pool, CalibrationSettings(least_rows=8, triples=3, fine_pairs=2), 0)
    for margin in calibration.margins:
        columns, level = margin.cross
        width = calibration.groups.sizes(margin.cross)
        places = [calibration.groups.maps[level][place][real.codes[:, place]] for place in columns]
        counts = np.bincount(np.ravel_multi_index(places, width), minlength=int(np.prod(width)))
        assert set(margin.kept) == set(np.flatnonzero(counts >= 8))
        assert margin.shares.sum() == pytest.approx(1)
    assert calibration.notes["pooled_cells"] > 0


def test_the_same_seed_the_same_rows_and_a_round_trip_changes_nothing():
    real, pool = people(1000, 0), people(5000, 1, link=0.5)
    calibration = Calibration.fit(real, pool, CalibrationSettings(triples=2, fine_pairs=1), 3)
    state, arrays = calibration.state()
    back = Calibration.from_state(json.loads(json.dumps(state)), {name: array.copy() for name, array in arrays.items()})
    rows = calibration.choose(pool, 1000, 5)
    assert (rows == back.choose(pool, 1000, 5)).all()
    assert (
        rows == Calibration.fit(real, pool, CalibrationSettings(triples=2, fine_pairs=1), 3).choose(pool, 1000, 5)
    ).all()
    assert (rows != calibration.choose(pool, 1000, 6)).any()
    assert back.notes == calibration.notes
    assert len(np.unique(rows)) == 1000


def test_nothing_in_the_state_is_as_long_as_the_table():
    """Twice the rows, the same cells: what is kept grows with cells, not with rows."""
    sizes = []
    for rows in (20_000, 40_000):
        calibration = Calibration.fit(people(rows, 0), people(rows, 1), CalibrationSettings(groups=6), 0)
        sizes.append(sum(array.size for array in calibration.state()[1].values()))
    assert max(sizes) < 1500
    assert sizes[1] < 1.1 * sizes[0]


def test_weights_are_bounded():
    real, pool = people(3000, 0), people(15_000, 1, link=0.2)
    calibration = Calibration.fit(real, pool, CalibrationSettings(heaviest=2.0), 0)
    weights = calibration.weights(pool)
    assert weights.max() == pytest.approx(2, rel=1e-8), "what the setting says is the most a row weighs"
    assert weights.mean() == pytest.approx(1)
    assert weights.min() >= 0


@given(st.lists(st.floats(0.01, 100.0), min_size=1, max_size=40), st.floats(1.0, 5.0))
def test_what_is_cut_off_goes_to_the_others_in_proportion(weights, share):
    weights = np.array(weights)
    most = share * weights.mean()
    held = bounded(weights, most)
    assert held.sum() == pytest.approx(weights.sum())
    assert (held <= most * (1 + 1e-8)).all()
    others = held < most * (1 - 1e-8)
    grown = held[others] / weights[others]
    assert (grown >= 1 - 1e-9).all() and np.allclose(grown, grown[:1], rtol=1e-9)
    assert (held[~others] <= weights[~others] * grown.max(initial=np.inf if not others.any() else 0) * (1 + 1e-8)).all()


@pytest.mark.parametrize("cardinalities", [(3,), (1, 1), (1, 4), (2, 2), (400, 2)], ids=lambda c: "x".join(map(str, c)))
def test_awkward_tables(cardinalities):
    rng = np.random.default_rng(0)
    columns = tuple(EncodedColumn(f"c{j}", k, np.zeros(k, bool)) for j, k in enumerate(cardinalities))

    def table(rows):
        codes = np.stack([rng.integers(k, size=rows) for k in cardinalities], 1).astype(np.int32)
        return EncodedTable(columns, codes, np.zeros(codes.shape))

    real, pool = table(120), table(600)
    calibration = Calibration.fit(real, pool, CalibrationSettings(triples=5, fine_pairs=5), 0)
    assert len(calibration.choose(pool, 120, 0)) == 120
    assert len(calibration.choose(table(3), 5, 0)) == 5
    assert len(calibration.choose(pool, 0, 0)) == 0


def test_codes_that_one_side_never_has():
    """Values only the engine makes become rare; values it never makes cannot be conjured up, and break nothing."""
    columns = (EncodedColumn("a", 4, np.zeros(4, bool)), EncodedColumn("b", 2, np.zeros(2, bool)))
    rng = np.random.default_rng(0)

    def table(rows, shares):
        codes = np.stack([rng.choice(4, rows, p=shares), rng.integers(2, size=rows)], 1).astype(np.int32)
        return EncodedTable(columns, codes, np.zeros(codes.shape))

    real, pool = table(2000, [0.5, 0.3, 0.2, 0.0]), table(10_000, [0.5, 0.3, 0.0, 0.2])
    calibration = Calibration.fit(real, pool, SETTINGS, 0)
    chosen = pool.codes[calibration.choose(pool, 2000, 0), 0]
    assert (chosen == 3).mean() < 0.1


def test_a_wide_table_is_raked_to_the_pairs_that_are_furthest_off():
    """70 columns are 2,415 pairs; one relation was lost."""
    rng = np.random.default_rng(0)
    columns = tuple(EncodedColumn(f"c{place}", 2, np.zeros(2, bool)) for place in range(70))
    codes = rng.integers(2, size=(4000, 70)).astype(np.int32)
    pool = EncodedTable(columns, codes.copy(), np.zeros(codes.shape))
    codes[:, 69] = np.where(rng.random(4000) < 0.7, codes[:, 0], codes[:, 69])
    real = EncodedTable(columns, codes, np.zeros(codes.shape))
    calibration = Calibration.fit(real, pool, SETTINGS, 0)
    assert calibration.notes["pairs"] <= 2000
    chosen = pool.codes[calibration.choose(pool, 1000, 0)]
    assert (chosen[:, 0] == chosen[:, 69]).mean() > 0.75


def test_too_few_rows_are_refused():
    with pytest.raises(SettingsError, match="100 rows or more, .*however: the table has 60"):
        Calibration.fit(people(60, 0), people(300, 1), SETTINGS, 0)


@settings(max_examples=50)
@given(
    st.lists(st.tuples(st.integers(0, 500), st.integers(0, 5000)), min_size=1, max_size=12).filter(
        lambda cells: sum(real for real, _ in cells) > 0 and sum(drawn for _, drawn in cells) > 0
    )
)
def test_targets_lie_between_and_keep_their_distance(cells):
    real, drawn = np.array(cells, float).T
    goal = target(real, drawn)
    true, engine = real / real.sum(), drawn / drawn.sum()
    assert goal.sum() == pytest.approx(1)
    assert (goal >= 0).all()
    ours, theirs = np.abs(goal - true).sum() / 2, np.abs(engine - true).sum() / 2
    assert ours <= theirs + 1e-9, "never further from the real rows than the engine was"
    assert ours >= min(noise_floor(true, real.sum()), theirs) - 1e-9


@settings(max_examples=30)
@given(st.integers(2, 4), st.integers(2, 4), st.integers(0, 2**32 - 1))
def test_sweeps_are_iterative_proportional_fitting(rows, columns, seed):
    """Deming and Stephan's, on the table of counts alone: both margins in turn, whatever stands in the cells keeps its odds ratios."""
    rng = np.random.default_rng(seed)
    counts = rng.integers(1, 30, (rows, columns))
    wanted = [counts.sum(axis) / counts.sum() * rng.uniform(0.7, 1.4, size) for axis, size in ((1, rows), (0, columns))]
    wanted = [shares / shares.sum() for shares in wanted]
    axes = tuple(EncodedColumn(name, size, np.zeros(size, bool)) for name, size in (("a", rows), ("b", columns)))
    codes = np.argwhere(np.ones((rows, columns))).repeat(counts.ravel(), axis=0).astype(np.int32)
    pool = EncodedTable(axes, codes, np.zeros(codes.shape))
    margins = [Margin(Cross((j,), CODES), np.arange(len(w)), np.append(w, 0.0)) for j, w in enumerate(wanted)]
    raking, plain = Raking(Groups.of(pool, 10).apply(pool, 1), margins, np.inf), counts / counts.sum()
    for _ in range(5):
        raking.sweep()
        plain = plain * (wanted[0] / plain.sum(axis=1))[:, None]
        plain = plain * (wanted[1] / plain.sum(axis=0))
    cells = np.bincount(codes[:, 0] * columns + codes[:, 1], raking.weights).reshape(rows, columns)
    np.testing.assert_allclose(cells / cells.sum(), plain / plain.sum(), rtol=1e-9)
    np.testing.assert_allclose(raking.shares()[1][:-1], wanted[1], rtol=1e-9)


@settings(max_examples=50)
@given(st.lists(st.floats(0.0, 50.0), min_size=2, max_size=60).filter(lambda w: sum(w) > 1e-3), st.data())
def test_systematic_draws_are_exact_and_without_repeats(weights, data):
    weights = np.array(weights)
    rows = data.draw(st.integers(0, np.count_nonzero(weights > 1e-6)))
    picks = systematic(np.where(weights > 1e-6, weights, 0), rows, 0)
    assert len(picks) == rows == len(np.unique(picks))
    assert (weights[picks] > 0).all()


def test_systematic_draws_follow_the_weights():
    weights = np.repeat([1.0, 3.0], 500)
    picks = np.concatenate([systematic(weights, 200, seed) for seed in range(20)])
    assert (picks >= 500).mean() == pytest.approx(0.75, abs=0.01)
    even = systematic(np.ones(1000), 500, 0)
    assert (np.diff(even) < 0).any() and len(
        set(np.diff(np.sort(even)))
    ) > 3  # neighbours, or both of a pair, may be drawn


def test_groups_hold_neighbours_and_leave_spikes_and_missing_alone():
    spent = EncodedColumn("spent", 60, np.arange(60) > 0, True, np.append(np.arange(59.0), np.nan))
    shares = np.append(np.r_[0.3, np.full(58, 0.6 / 58)], 0.1)
    groups = groups_beside_spikes(spent, shares, 10)
    assert (np.diff(groups) >= 0).all()
    assert 8 <= groups.max() + 1 <= 13
    assert (groups == groups[0]).sum() == 1
    assert (groups == groups[59]).sum() == 1
    held = np.bincount(groups, shares)[1:-1]
    assert held.max() < 3 * held.min()


def test_pairs_and_triples_have_about_as_many_cells():
    groups = Groups.of(people(2000, 0), 16)
    assert groups.cells(Cross((0,), CODES)) == 40
    assert 200 < groups.cells(Cross((0, 1), PAIRS)) < 450
    assert 150 < groups.cells(Cross((0, 1, 2), TRIPLES)) < 600
