"""What only the engine autoregressive promises: true conditionals, orders kept, and any order where it was learned."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch

from lookalike.errors import SettingsError
from lookalike.model.autoregressive import Autoregressive, orders_of
from lookalike.model.conditionals import Conditionals, _pick
from lookalike.model.nets.layers import thinning
from lookalike.model.nets.masked import MaskedNet
from lookalike.model.nets.ordinal import features, hats
from lookalike.model.nets.passes import collect, up_and_down
from lookalike.run import Run
from lookalike.schema.encoded import EncodedColumn, EncodedTable
from lookalike.stats import total_variation
from lookalike.testing import check_generator

SMALL = {"embedding_dim": 8, "hidden": 16, "epochs": 30, "batch_size": 100}


def fitted(table: EncodedTable, **settings) -> Autoregressive:
    """Trained on the CPU, where its parts are looked at."""
    engine = Autoregressive(Autoregressive.Settings.build({**SMALL, "device": "cpu", **settings}))
    engine.fit(table, seed=0, run=Run())
    return engine


def inside(engine: Autoregressive) -> Conditionals:
    assert isinstance(engine._fitted, Conditionals)
    return engine._fitted


@pytest.fixture(scope="module")
def trained(make_toy) -> Autoregressive:
    return fitted(make_toy(2000))


@pytest.fixture(scope="module")
def trained_in_any_order(make_toy) -> Autoregressive:
    return fitted(make_toy(2000), any_order=True, epochs=60, refit_rows=0)


@pytest.mark.parametrize("changes", [{"any_order": True, "orders": 2}, {"first_order": "random"}])
def test_the_promises_of_every_engine(changes):
    check_generator(Autoregressive, Autoregressive.Settings.build({**SMALL, "epochs": 3, **changes}))


@torch.no_grad()
def test_probabilities_of_all_rows_add_up_to_one(trained):
    found = inside(trained)
    every = torch.tensor(list(product(*(range(column.cardinality) for column in found.columns))))
    assert np.exp(found.likelihood(every)).sum() == pytest.approx(1, abs=1e-4)


def a_net(any_order: bool = False, hidden: int = 16) -> MaskedNet:
    """A net of seven columns in several tiles, every weight drawn anew."""
    draws = torch.Generator().manual_seed(0)
    columns = [
        EncodedColumn(str(j), k, np.zeros(k, bool), k > 4, np.arange(k, dtype=float))
        for j, k in enumerate([1, 2, 3, 9, 9, 12, 4])
    ]
    counts = [np.arange(column.cardinality) + 1 for column in columns]
    net = MaskedNet(columns, counts, 4, hidden, draws, any_order=any_order)
    for weight in net.parameters():
        weight.data += 0.3 * torch.randn(weight.shape, generator=draws)
        weight.grad = torch.zeros_like(weight)
    if not any_order:
        net.hide([weight.data for weight in net.first], net.sees())
    return net


@torch.no_grad()
@pytest.mark.parametrize("ranks", [None, [0, 1, 2, 3, 4, 5, 6], [6, 0, 5, 2, 1, 3, 4], [1, 2, 0, 6, 3, 5, 4]])
def test_a_column_sees_those_before_it_and_no_others(ranks: list[int] | None):
    net = a_net(any_order=ranks is not None, hidden=192)
    seen = net.sees(None if ranks is None else torch.tensor(ranks))
    codes = torch.ones(1, net.columns, dtype=torch.long)
    codes[0, 0] = 0  # its only code
    before = net(codes, seen)
    for changed in range(1, net.columns):
        other = codes.clone()
        other[0, changed] = 0
        for j, part in enumerate(net(other, seen)):
            assert bool(seen[changed, j]) != torch.equal(part, before[j])


@pytest.mark.parametrize("dropout", [0.0, 0.25])
@pytest.mark.parametrize("any_order", [False, True])
def test_the_passes_are_what_autograd_makes_of_the_net(any_order: bool, dropout: float):
    net = a_net(any_order, hidden=192)
    assert len(net.tiles) == (1 if any_order else 4)
    draws = torch.Generator().manual_seed(1)
    codes = torch.stack([torch.randint(k, (50,), generator=draws) for k in net.cardinalities], 1)
    seen = net.sees(torch.randperm(net.columns, generator=draws) if any_order else None)
    coins = torch.Generator().manual_seed(2)
    passes = up_and_down(net, codes, net.layers(seen), weight=0.1, dropout=dropout, draws=coins if dropout else None)
    collect(net, passes, seen)
    found = {name: weight.grad.clone() for name, weight in net.named_parameters()}
    net.zero_grad(set_to_none=False)

    below = thinning(50, net.columns * net.hidden, dropout, coins.manual_seed(2), torch.float32)
    above = thinning(net.columns * 50, net.hidden, dropout, coins, torch.float32).view(net.columns, 50, -1)
    rows = torch.nn.functional.embedding(codes + net.offsets, net.embeddings()).flatten(1)
    h = torch.cat([rows[:, : len(part)] @ part for part in net.layers(seen)], 1) + net.first_bias.flatten()
    h = (h.relu() * below).view(50, net.columns, -1).transpose(0, 1)
    h = net.through(h, slice(None)) * above
    logits = [net.logits(j, part) for j, part in enumerate(h)]
    surprise = torch.stack(
        [torch.nn.functional.cross_entropy(part, codes[:, j], reduction="none") for j, part in enumerate(logits)]
    )
    assert torch.allclose(passes.surprise, surprise, atol=1e-5)
    (0.1 * surprise.sum()).backward()
    net.hide([weight.grad for weight in net.first], seen)
    for name, weight in net.named_parameters():
        assert torch.allclose(found[name], weight.grad, rtol=1e-3, atol=1e-5), name


@torch.no_grad()
def test_drawing_step_by_step_is_drawing_from_the_whole_net(trained):
    found, rows = inside(trained), 500
    draws = torch.Generator().manual_seed(7)
    codes = torch.zeros(rows, len(found.columns), dtype=torch.long)
    drawn = found.fill(codes, torch.zeros_like(codes, dtype=torch.bool), draws)
    again = torch.Generator().manual_seed(7)
    torch.randint(1, (rows,), generator=again)
    uniform = torch.rand(rows, len(found.columns), generator=again)
    (net,), (order,) = found.nets, found.orders
    for j, logits in zip(order, net(drawn[:, order]), strict=True):
        assert (_pick(logits.float(), uniform[:, j]) == drawn[:, j]).float().mean() > 0.995


def test_the_last_share_is_still_a_code_of_some_weight():
    """A uniform number of almost 1 may round to the whole, which no running sum passes."""
    logits = torch.tensor([[0.0, 1.0, -torch.inf]]).repeat(3, 1)
    assert _pick(logits, torch.tensor([0.0, 1.0 - 2**-24, 1.0])).tolist() == [0, 1, 1]


def test_the_relation_between_columns_is_learned(trained, make_toy):
    real, made = make_toy(4000, seed=5), trained.sample(4000, seed=1)
    pairs = [np.bincount(t.codes[:, 0] * 2 + t.codes[:, 1], minlength=6) for t in (real, made)]
    assert total_variation(*pairs) < 0.05


def test_temperature_makes_frequent_codes_more_frequent(trained):
    shares = [np.mean(trained.sample(4000, seed=1, temperature=t).codes[:, 0] == 0) for t in (0.5, 1.0, 2.0)]
    assert shares[0] > shares[1] + 0.05 > shares[2] + 0.1


def test_the_gap_between_rows_learned_and_held_out_is_told(make_toy):
    run = Run()
    engine = Autoregressive(Autoregressive.Settings.build(SMALL))
    engine.fit(make_toy(500), seed=0, run=run)
    noted = run.notes["training"]
    gap = noted["surprise_held_out_rows"] - noted["surprise_training_rows"]
    assert noted["memory_gap"] == pytest.approx(gap, abs=2e-4)


@pytest.mark.parametrize("orders", [1, 2])
def test_rows_that_meet_conditions_are_those_of_the_net(make_toy, orders):
    """The other columns are as frequent beside them as in those of many rows that happen to meet them."""
    engine = fitted(make_toy(2000), orders=orders, epochs=5)
    free = engine.sample(60_000, seed=1).codes
    for conditions in ({1: 1}, {0: 2, 1: 0}):
        made = engine.sample(5000, seed=2, conditions=conditions).codes
        met = np.all([free[:, place] == code for place, code in conditions.items()], axis=0)
        assert all((made[:, place] == code).all() for place, code in conditions.items())
        for place in range(free.shape[1]):
            counts = (np.bincount(codes[:, place], minlength=200) for codes in (free[met], made))
            assert total_variation(*counts) < 0.05


def test_what_a_net_cannot_meet_still_gives_the_count(trained):
    count = 40
    impossible = dict.fromkeys(range(3), 0)
    table = trained.sample(count, seed=1, conditions=impossible)
    again = trained.sample(count, seed=1, conditions=impossible)
    assert len(table) == count and np.array_equal(table.codes, again.codes)


class TestAnyOrder:
    def test_conditions_are_met_at_once_and_exactly(self, trained_in_any_order, make_toy):
        """Colour given size: the frequencies are those of the table's rows of that size."""
        real = make_toy(20_000, seed=3).codes
        made = trained_in_any_order.sample(4000, seed=1, conditions={1: 1}).codes
        assert (made[:, 1] == 1).all()
        wanted = np.bincount(real[real[:, 1] == 1, 0], minlength=3)
        assert total_variation(wanted, np.bincount(made[:, 0], minlength=3)) < 0.08

    @torch.no_grad()
    def test_drawing_beside_known_cells_is_drawing_from_the_whole_net(self, trained_in_any_order, make_toy):
        """Half of the rows know a column that is drawn late; the others know nothing."""
        found, rows = inside(trained_in_any_order), 1000
        (net,), (columns,) = found.nets, found.orders
        codes = torch.from_numpy(make_toy(rows).codes.astype(np.int64))
        known, late = torch.zeros_like(codes, dtype=torch.bool), int(columns[-1])
        known[::2, late] = True
        drawn = found.fill(codes, known, torch.Generator().manual_seed(7))
        assert torch.equal(drawn[known], codes[known])
        again = torch.Generator().manual_seed(7)
        torch.randint(1, (rows,), generator=again)
        uniform = torch.rand(codes.shape, generator=again)
        last_first = torch.tensor([*range(1, len(columns)), 0])
        for which, ranks in ((slice(0, None, 2), last_first), (slice(1, None, 2), None)):
            for j, logits in zip(columns, net(drawn[which][:, columns], net.sees(ranks)), strict=True):
                same = (_pick(logits.float(), uniform[which, j]) == drawn[which, j]) | known[which, j]
                assert same.float().mean() > 0.995

    def test_evidence_is_the_share_of_rows_that_agree(self, trained_in_any_order, make_toy):
        """The columns of the order's end are known, so that those before them have to be summed over."""
        table = make_toy(20_000, seed=3)
        codes = table.codes
        pairs = EncodedTable(table.columns, np.array([[0, s, a] for s in range(2) for a in range(3)]), np.zeros((6, 3)))
        known = np.tile([False, True, True], (6, 1))
        shares = [np.mean((codes[:, 1:] == row).all(1)) for row in pairs.codes[:, 1:]]
        found = np.exp(trained_in_any_order.evidence(pairs, known))
        assert found.sum() == pytest.approx(1, abs=1e-4) and total_variation(np.array(shares), found) < 0.08
        assert np.allclose(trained_in_any_order.evidence(pairs, np.zeros_like(known)), 0)

    def test_known_cells_stay_and_unknown_ones_follow_them(self, trained_in_any_order, make_toy):
        table = make_toy(3000, seed=4)
        known = np.ones(table.codes.shape, bool)
        known[:, 1] = np.arange(3000) % 2 == 0
        done = trained_in_any_order.complete(table, known, seed=1)
        assert (done.codes[known] == table.codes[known]).all()
        assert (done.residuals[known] == table.residuals[known]).all()
        drawn = ~known[:, 1]
        follows = [np.mean(t.codes[drawn, 1] == t.codes[drawn, 0] % 2) for t in (table, done)]
        assert follows[1] == pytest.approx(follows[0], abs=0.05)

    def test_a_barred_code_is_never_drawn(self, trained_in_any_order, make_toy):
        table = make_toy(500)
        done = trained_in_any_order.complete(table, np.zeros(table.codes.shape, bool), seed=1, barred={2: 0})
        assert (done.codes[:, 2] != 0).all()

    def test_a_net_of_one_order_refuses_to_complete(self, trained, make_toy):
        table = make_toy(10)
        with pytest.raises(SettingsError, match="any columns, however.*any_order=True"):
            trained.complete(table, np.ones(table.codes.shape, bool), seed=0)


def test_orders():
    columns = tuple(EncodedColumn(name, k, np.zeros(k, bool)) for name, k in (("a", 5), ("b", 2), ("c", 3)))
    settings = Autoregressive.Settings
    assert orders_of(columns, settings(), seed=0) == [[1, 2, 0]]
    assert orders_of(columns, settings(first_order="table"), seed=0) == [[0, 1, 2]]
    several = orders_of(columns, settings(orders=4), seed=0)
    assert all(sorted(order) == [0, 1, 2] for order in several) and len(several) == 4


def test_a_wide_table_gets_fewer_hidden_units():
    columns = tuple(EncodedColumn(str(j), 2, np.zeros(2, bool)) for j in range(1000))
    counts, orders = [np.ones(2)] * 1000, [list(range(1000))]
    found = Conditionals(columns, torch.device("cpu"), counts, orders, embedding=1, hidden=64)
    assert found.hidden == 16


class TestOrderedCodes:
    column = EncodedColumn("age", 9, np.zeros(9, bool), True, np.append(np.arange(8.0) * 10, np.nan))

    def test_features_tell_codes_apart_and_are_nothing_for_a_missing_one(self):
        found = features(self.column, np.arange(1, 10))
        assert np.isfinite(found).all() and (found[-1] == 0).all()
        assert len(np.unique(found[:8].round(4), axis=0)) == 8

    @pytest.mark.parametrize("values", [np.array([0, 1, 2, 3, 1e308]), np.zeros(5), np.array([0, 5e-324, 1, 2, 3])])
    def test_features_of_extreme_values_are_finite(self, values):
        column = EncodedColumn("x", 5, np.zeros(5, bool), True, values)
        assert np.isfinite(features(column, np.ones(5))).all()

    @pytest.mark.parametrize("codes", [5, 9, 100, 1000])
    def test_hats_of_each_grid_add_up_to_one_everywhere(self, codes):
        shapes, start, intervals = hats(codes), 0, 2
        while start < shapes.shape[1]:
            assert np.allclose(shapes[:, start : start + intervals + 1].sum(1), 1)
            start, intervals = start + intervals + 1, intervals * 2
