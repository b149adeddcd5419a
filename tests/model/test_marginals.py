"""The engine marginals: near its counts, exact under conditions, and within its budget before it looks."""

from __future__ import annotations

import json
from itertools import combinations

import numpy as np
import pytest

from lookalike.accountant import gaussian
from lookalike.errors import NotFittedError, PrivacyError
from lookalike.ledger import Budget, Ledger
from lookalike.model.counts.groups import Groups, as_shares, even_groups, spread_evenly
from lookalike.model.counts.mixture import Counts, Mixture, _gradient, _mixture
from lookalike.model.marginals import Marginals, default_groups
from lookalike.run import Run
from lookalike.schema.encoded import EncodedColumn, EncodedTable, concatenate
from lookalike.stats import total_variation
from lookalike.testing import proven_epsilon


def fitted(table: EncodedTable, ledger: Ledger | None = None, seed: int = 0, **settings) -> Marginals:
    engine = Marginals(Marginals.Settings.build({"components": 60, **settings}))
    engine.fit(table, seed=seed, run=Run(), ledger=ledger)
    return engine


def pairs_apart(first: EncodedTable, second: EncodedTable) -> float:
    """Mean total variation over pairs of columns."""
    apart = []
    for i, j in combinations(range(len(first.columns)), 2):
        size = first.columns[i].cardinality, first.columns[j].cardinality
        one, other = (
            np.bincount(t.codes[:, i] * size[1] + t.codes[:, j], minlength=size[0] * size[1]) for t in (first, second)
        )
        apart.append(total_variation(one, other))
    return float(np.mean(apart))


def shuffled(table: EncodedTable) -> EncodedTable:
    rng = np.random.default_rng(0)
    codes = np.stack([rng.permutation(column) for column in table.codes.T], axis=1)
    return EncodedTable(table.columns, codes, np.zeros(codes.shape))


def test_pairs_come_back(make_toy):
    table = make_toy(4_000)
    made = fitted(table).sample(4_000, seed=1)
    assert pairs_apart(table, made) < 0.02 < 0.1 < pairs_apart(table, shuffled(table))
    residuals = made.residuals[made.codes[:, 2] > 0, 2]
    assert np.abs(residuals).max() <= 1 and abs(residuals.mean()) < 0.1
    assert (made.residuals[made.codes[:, 2] == 0, 2] == 0).all()


def test_awkward_tables_fit_and_sample(awkward: EncodedTable):
    for ledger in (None, Ledger(Budget(epsilon=1, delta=1e-5))):
        engine = fitted(awkward, ledger, components=5, iterations=30)
        for rows in (0, 1, 77):
            made = engine.sample(rows, seed=1)
            assert len(made) == rows and made.columns == awkward.columns
            for j, column in enumerate(made.columns):
                assert made.codes[:, j].min(initial=0) >= 0
                assert made.codes[:, j].max(initial=0) < column.cardinality


def test_the_noise_is_paid_for_and_more_budget_comes_nearer(make_toy):
    table, far = make_toy(4_000), {}
    for epsilon in (0.02, 1.0, 10.0):
        ledger = Ledger(Budget(epsilon=epsilon, delta=1e-5))
        made = fitted(table, ledger).sample(4_000, seed=1)
        assert epsilon * 0.999 < ledger.epsilon() <= epsilon * (1 + 1e-6)
        assert sum(entry.mechanism.count for entry in ledger.spends) == len(table.columns) + 3
        far[epsilon] = pairs_apart(table, made)
    # .003 ± .0005, .007 ± .002 and .2 ± .1 over many fits: ranges apart, where one fit of ε = 1 may be as near as one of 10
    assert far[10.0] < 0.01 < far[0.02] and far[1.0] < 0.05


def test_a_spent_budget_is_refused_before_a_row_is_counted(toy: EncodedTable):
    ledger = Ledger(Budget(epsilon=1, delta=1e-5))
    ledger.spend("training", gaussian(ledger.sigma(1.0)))
    engine = Marginals()
    with pytest.raises(PrivacyError):
        engine.fit(toy, seed=0, run=Run(), ledger=ledger)
    with pytest.raises(NotFittedError):
        engine.sample(1, seed=0)


def test_a_seed_fixes_the_rows_but_not_the_noise(toy: EncodedTable):
    budget = Budget(epsilon=1, delta=1e-5)
    first, second = (fitted(toy, Ledger(budget), seed=3) for _ in range(2))
    assert np.array_equal(first.sample(50, seed=1).codes, first.sample(50, seed=1).codes)
    assert not np.array_equal(first.state()[1]["shares"], second.state()[1]["shares"])
    plain = [fitted(toy, seed=3).state()[1]["shares"] for _ in range(2)]
    assert np.array_equal(*plain) and not np.array_equal(plain[0], fitted(toy, seed=4).state()[1]["shares"])


def test_counts_paid_for_with_the_codes_are_not_paid_for_again(toy: EncodedTable):
    counted = [
        EncodedColumn(
            c.name, c.cardinality, c.interval, measured=np.bincount(toy.codes[:, j], minlength=c.cardinality) * 1.0,
            deviations=np.ones(c.cardinality),
        )
        for j, c in enumerate(toy.columns)
    ]  # fmt: skip
    ledger = Ledger(Budget(epsilon=1, delta=1e-5))
    fitted(EncodedTable(tuple(counted), toy.codes, toy.residuals), ledger)
    assert [entry.mechanism.count for entry in ledger.spends] == [3]


def test_state_gives_back_identical_rows(toy: EncodedTable):
    engine = fitted(toy)
    state, arrays = engine.state()
    assert all(array.dtype == np.float32 for array in arrays.values())
    rows = [
        Marginals.from_state(toy.columns, engine.settings, json.loads(json.dumps(state)), arrays).sample(200, seed=5)
        for _ in range(2)
    ]
    assert np.array_equal(rows[0].codes, rows[1].codes)
    assert pairs_apart(rows[0], engine.sample(200, seed=5)) < 0.02


def test_conditions_are_met_from_the_conditional_distribution(make_toy):
    table = make_toy(4_000)
    made = fitted(table).sample(4_000, seed=1, conditions={1: 1})
    assert (made.codes[:, 1] == 1).all()
    wanted = table.codes[table.codes[:, 1] == 1]
    assert total_variation(np.bincount(wanted[:, 0], minlength=3), np.bincount(made.codes[:, 0], minlength=3)) < 0.03


def test_unknown_cells_are_drawn_given_the_known_ones(make_toy):
    table = make_toy(4_000)
    known = np.zeros(table.codes.shape, bool)
    known[:, 1] = True
    done = fitted(table).complete(table, known, seed=0, barred={2: 0})
    assert np.array_equal(done.codes[:, 1], table.codes[:, 1])
    assert (done.codes[:, 2] > 0).all(), "a barred code is never drawn"
    assert ((done.codes[:, 2] - 1 == done.codes[:, 1]).mean()) > 0.95


def test_the_likelihood_is_a_distribution(make_toy):
    table = make_toy(1_000)
    cells = np.stack(np.meshgrid(*(range(c.cardinality) for c in table.columns), indexing="ij"), -1).reshape(-1, 3)
    everything = EncodedTable(table.columns, cells.astype(np.int32), np.zeros(cells.shape))
    assert np.exp(fitted(table).likelihood(everything)).sum() == pytest.approx(1.0)


def test_the_gradient_is_that_of_the_error():
    rng = np.random.default_rng(0)
    starts, sizes = np.array([0, 2, 5]), np.array([2, 3])
    weights = np.zeros((5, 5))
    weights[:2, 2:] = rng.random((2, 3))
    weights += weights.T
    table = rng.random((5, 5))
    counts = Counts((table + table.T) / 2, weights, rng.random(5), rng.random(5), starts)
    mixing, logits = rng.normal(size=4), rng.normal(size=(4, 5))
    scale = max(counts.pair_weights.max(), counts.single_weights.max())

    def error(mixing, logits):
        return _gradient(_mixture(mixing, logits, starts, sizes), counts, sizes)[0]

    _, slopes, slope = _gradient(_mixture(mixing, logits, starts, sizes), counts, sizes)
    step = 1e-6
    for k in range(4):
        moved = mixing + step * (np.arange(4) == k)
        assert (error(moved, logits) - error(mixing, logits)) / step / 2 == pytest.approx(slope[k] * scale, abs=1e-5)
        for c in range(5):
            moved = logits + step * np.outer(np.arange(4) == k, np.arange(5) == c)
            found = (error(mixing, moved) - error(mixing, logits)) / step / 2
            assert found == pytest.approx(slopes[k, c] * scale, abs=1e-5)


def test_rows_are_spread_evenly_over_a_mixture():
    mixture = Mixture(np.array([0.25, 0.75]), np.array([[0.5, 0.5], [0.1, 0.9]]), np.array([0, 2]))
    drawn = mixture.sample(400, np.random.default_rng(0))
    assert abs((drawn[:, 0] == 0).sum() - (0.25 * 0.5 + 0.75 * 0.1) * 400) <= 3
    parts = np.random.default_rng(1).integers(0, 5, 300)
    places = spread_evenly(parts, np.random.default_rng(2))
    for part in range(5):
        mine = np.sort(places[parts == part]) * (parts == part).sum()
        assert np.array_equal(np.floor(mine), np.arange(len(mine)))


def test_groups_join_neighbours_and_keep_missing_apart():
    column = EncodedColumn("n", 9, np.ones(9, bool), True, np.append(np.arange(8.0), np.nan))
    groups = even_groups(column, as_shares(np.array([5, 5, 5, 5, 5, 5, 5, 5, 40.0])), 5)
    assert groups.tolist() == [0, 0, 1, 1, 2, 2, 3, 3, 4]
    labels = EncodedColumn("l", 5, np.zeros(5, bool))
    assert even_groups(labels, np.array([0.1, 0.4, 0.05, 0.4, 0.05]), 3).tolist() == [2, 0, 2, 1, 2]
    assert default_groups(24_000, 7.0) > default_groups(24_000, 43.0) > default_groups(1_000, 43.0)


def test_codes_within_a_group_are_as_frequent_as_alone():
    groups = Groups([np.array([0, 0, 1])], [np.array([0.25, 0.75, 1.0])])
    codes = groups.finer(np.zeros((400, 1), np.int64), np.random.default_rng(0))
    assert np.bincount(codes[:, 0], minlength=3).tolist() == [100, 300, 0]


def test_a_canary_proves_less_than_is_claimed_and_more_without_noise():
    """Worst case: one row in cells that are empty otherwise; the attack reads its likelihood off the published model."""
    columns = tuple(EncodedColumn(f"c{j}", 2, np.zeros(2, bool)) for j in range(2))
    canary = EncodedTable(columns, np.ones((1, 2), np.int32), np.zeros((1, 2)))
    others = EncodedTable(columns, np.zeros((30, 2), np.int32), np.zeros((30, 2)))

    def scores(table: EncodedTable, epsilon: float) -> np.ndarray:
        found = []
        for _ in range(60):
            engine = fitted(table, Ledger(Budget(epsilon=epsilon, delta=1e-5)), components=2, iterations=30)
            found.append(float(np.nan_to_num(engine.likelihood(canary)[0], neginf=-1e3)))
        return np.array(found)

    with_it = concatenate([others, canary])
    assert proven_epsilon(scores(with_it, 1.0), scores(others, 1.0), 1e-5) <= 1.0
    bare = proven_epsilon(scores(with_it, 1e4), scores(others, 1e4), 1e-5)
    assert bare > 1.0, "an audit that noise switched off does not fail is no audit"


class Stopped(Run):
    """Ctrl-C, or the end of the time, after so many looks at the clock."""

    def __init__(self, looks: int, interrupts: bool) -> None:
        super().__init__()
        self.looks, self.interrupts = looks, interrupts

    @property
    def out_of_time(self) -> bool:
        self.looks -= 1
        if self.looks < 0 and self.interrupts:
            raise KeyboardInterrupt
        return self.looks < 0


@pytest.mark.parametrize("interrupts", [True, False])
def test_what_was_fitted_so_far_is_kept(toy: EncodedTable, interrupts: bool):
    short, whole = Marginals(), Marginals()
    run = Stopped(30, interrupts)
    short.fit(toy, seed=0, run=run)
    whole.fit(toy, seed=0, run=Run())
    assert run.interrupted == interrupts
    far, near = (pairs_apart(toy, engine.sample(4_000, seed=1)) for engine in (short, whole))
    assert near < far < pairs_apart(toy, shuffled(toy)) + 0.1
