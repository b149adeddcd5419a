from __future__ import annotations

import numpy as np
import pytest
import torch

from lookalike.model.nets.flat import Weights, add_rows, flatten
from lookalike.model.nets.layers import Layers, normals, thinning
from lookalike.model.nets.layout import Layout
from lookalike.model.nets.maker import RowMaker
from lookalike.model.nets.spans import activate, gumbel, segmented_softmax
from lookalike.model.training.adam import Adam
from lookalike.schema.encoded import EncodedColumn, EncodedTable

SIZES = [3, 1, 40, 2, 7]


@pytest.fixture
def draws() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_segmented_softmax_equals_column_by_column(draws):
    layout = Layout([EncodedColumn(str(size), size, np.zeros(size, bool)) for size in SIZES])
    logits = 50 * torch.randn(20, sum(SIZES), generator=draws)
    a, b = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    all_at_once = segmented_softmax(a, layout)
    one_by_one = torch.cat([part.softmax(1) for part in b.split(SIZES, 1)], 1)
    torch.testing.assert_close(all_at_once, one_by_one)
    weights = torch.randn(all_at_once.shape, generator=draws)
    (all_at_once * weights).sum().backward()
    (one_by_one * weights).sum().backward()
    torch.testing.assert_close(a.grad, b.grad, atol=1e-5, rtol=1e-4)


def denormal(cells: torch.Tensor) -> int:
    """How many are too small for a processor's full speed."""
    return int(((cells != 0) & (cells.abs() < torch.finfo(cells.dtype).tiny)).sum())


def test_codes_far_from_being_drawn_are_no_denormal_numbers(draws):
    layout = Layout([EncodedColumn(str(size), size, np.zeros(size, bool)) for size in SIZES])
    raw = 10 * torch.randn(200, layout.width, generator=draws)
    made = activate(raw, gumbel(200, layout.slots, draws), layout, 0.2)
    assert (made.rows < 1e-12).any()
    assert denormal(made.rows) == 0
    assert denormal(made.gradient(torch.randn(200, layout.width, generator=draws))) == 0


@pytest.mark.parametrize("betas", [(0.5, 0.9), (0.9, 0.999)])
def test_moments_of_weights_seldom_taught_do_not_fade_to_denormal_numbers(betas):
    net = torch.nn.Linear(4, 3)
    before = net.weight.detach().clone()
    weights = Weights(net, torch.float32)
    adam = Adam(weights.master, 0.01, betas)
    for step in range(1200):
        weights.clear()
        if step == 100:
            net.weight.grad[0] += 1e-3
        adam.step()
        assert denormal(adam.moments["mean"]) + denormal(adam.moments["square"]) == 0
    moved = (net.weight - before).abs()
    assert moved[0].min() > 1e-3
    assert moved[1:].max() < 1e-6  # what keeps moments from fading moves nothing


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_sums_are_taken_in_the_same_order_every_time_on_cuda(draws):
    columns = [EncodedColumn(str(size), size, np.zeros(size, bool)) for size in SIZES]
    x, places = torch.randn(5_000, sum(SIZES), generator=draws), torch.randint(7, (5_000,), generator=draws)
    here, there = Layout(columns), Layout(columns, "cuda")
    found = [there.sums(x.cuda()) for _ in range(5)]
    torch.testing.assert_close(found[0].cpu(), here.sums(x), atol=1e-4, rtol=1e-5)
    assert all(torch.equal(one, found[0]) for one in found)
    total = torch.ones(7, sum(SIZES))
    added = [total.cuda() for _ in range(5)]
    for one in added:
        add_rows(one, places.cuda(), x.cuda())
    add_rows(total, places, x)
    torch.testing.assert_close(added[0].cpu(), total, atol=1e-3, rtol=1e-4)
    assert all(torch.equal(one, added[0]) for one in added)


def test_rows_do_not_depend_on_their_batch_once_settled(draws):
    net = RowMaker(8, 5, (16, 16), 10, draws)
    noise, condition = torch.randn(64, 8, generator=draws), torch.randint(5, (64,), generator=draws)
    net.settle(noise, condition)
    torch.testing.assert_close(net(noise, condition)[:3], net(noise[:3], condition[:3]))


def plain(net: RowMaker, noise: torch.Tensor, condition: torch.Tensor) -> torch.Tensor:
    """The raw output as the docstring says it, for autograd."""
    x = noise
    for block, norm in zip(net.blocks, net.norms, strict=True):
        entered = block.dense(x) + block.lookup[condition]
        x = torch.cat([norm(entered).relu(), x], dim=1)
    return net.out.dense(x) + net.out.lookup[condition]


@pytest.mark.parametrize("frugal", [False, True])
@pytest.mark.parametrize("hidden", [(16,), (16, 12), (96, 80, 8)], ids=str)
def test_the_generators_gradients_are_autograds(draws, hidden: tuple[int, ...], frugal: bool):
    net = RowMaker(8, 5, hidden, 90, draws, frugal=frugal)
    flatten(net)  # as in training: wide weights have places between their rows
    noise, condition = torch.randn(64, 8, generator=draws), torch.randint(5, (64,), generator=draws)
    by_raw = torch.randn(64, 90, generator=draws)
    made = net.make(noise, condition)
    net.learn(made, by_raw)
    closed = {name: weight.grad.clone() for name, weight in net.named_parameters()}
    expected = plain(net, noise, condition)
    torch.testing.assert_close(made.raw, expected)
    found = torch.autograd.grad(expected, list(net.parameters()), by_raw)
    for (name, gradient), autograds in zip(closed.items(), found, strict=True):
        torch.testing.assert_close(gradient, autograds, msg=name, atol=2e-5, rtol=1e-4)


@pytest.mark.parametrize("frugal", [False, True])
@pytest.mark.parametrize("hidden", [(), (16,), (16, 12)], ids=str)
def test_the_layers_gradients_are_autograds(draws, hidden: tuple[int, ...], frugal: bool):
    net = Layers(90, hidden, 5, draws, frugal=frugal)
    flatten(net)
    x, by_output = torch.randn(64, 90, generator=draws), torch.randn(64, 5, generator=draws)
    passed = net.keep(x)
    by_x = net.below(net.learn(passed, by_output))
    closed = [by_x, *(weight.grad.clone() for weight in net.parameters())]
    expected = x.requires_grad_()
    for layer in net.layers[:-1]:
        expected = layer(expected).relu()
    expected = net.layers[-1](expected)
    torch.testing.assert_close(passed.output, expected)
    found = torch.autograd.grad(expected, [x, *net.parameters()], by_output)
    for gradient, autograds in zip(closed, found, strict=True):
        torch.testing.assert_close(gradient, autograds)


@pytest.mark.parametrize("dropout", [0.5, 0.25])
def test_thinning_is_fair_and_independent(draws, dropout: float):
    kept = (thinning(2_000, 100, dropout, draws, torch.float32) > 0).float()
    assert abs(kept.mean() - 1 + dropout) < 0.005
    assert (kept.mean(0) - 1 + dropout).abs().max() < 0.05
    assert torch.corrcoef(kept.T).fill_diagonal_(0).abs().max() < 0.12


def test_normal_noise_is_normal_and_independent(draws):
    noise = normals(2_000, 100, draws)
    assert torch.corrcoef(noise.T).fill_diagonal_(0).abs().max() < 0.12
    ordered = noise.flatten().sort().values
    chances = (torch.arange(len(ordered)) + 0.5) / len(ordered)
    assert (torch.special.ndtr(ordered) - chances).abs().max() < 0.005
    assert noise.isfinite().all() and noise.std() == pytest.approx(1, abs=0.005)


def test_gumbel_noise_is_gumbel(draws):
    noise = gumbel(2_000, 100, draws).flatten().sort().values
    chances = (torch.arange(len(noise)) + 0.5) / len(noise)
    assert (torch.exp(-torch.exp(-noise)) - chances).abs().max() < 0.005
    assert noise.isfinite().all()


def codes_of(rows, layout):
    """The code that each of the columns' slots in (n, W) rows is largest for: (n, d)."""
    parts = rows[:, : layout.slots].split(layout.cardinalities.tolist(), dim=1)
    return torch.stack([part.argmax(1) for part in parts], 1)


def test_layout_there_and_back(awkward: EncodedTable, draws):
    layout = Layout(awkward.columns)
    slots, residuals = layout.slots_of(awkward), layout.residuals_of(awkward)
    rows = layout.rows(slots, residuals)
    assert rows.shape == (len(awkward), layout.width)
    assert layout.width % 16 == 0 and not rows[:, layout.filled :].any()
    back = layout.table(codes_of(rows, layout), layout.residuals_in(rows))
    np.testing.assert_array_equal(back.codes, awkward.codes)
    np.testing.assert_allclose(back.residuals, np.clip(awkward.residuals, -1, 1), atol=1e-6)


def test_activation_draws_codes_and_silences_residuals_beside_spikes(toy: EncodedTable, draws):
    layout = Layout(toy.columns)
    raw = torch.zeros(20_000, layout.width)
    layout.residuals_in(raw)[:, -1] = 2.0
    rows = activate(raw, gumbel(len(raw), layout.slots, draws), layout, 0.01).rows
    codes = codes_of(rows, layout)
    shares = torch.bincount(codes[:, 0], minlength=3) / len(raw)
    torch.testing.assert_close(shares, torch.full((3,), 1 / 3), atol=0.02, rtol=0)
    spike = rows[:, layout.offsets[2]] > 0.999
    last = layout.residuals_in(rows)[:, -1]
    assert last[spike].abs().max() < 0.01
    assert last[~spike].mean() > 0.9


def test_activation_has_autograds_gradient(toy: EncodedTable, draws):
    layout = Layout(toy.columns)
    noise = gumbel(30, layout.slots, draws)
    a = torch.randn(30, layout.width, generator=draws)
    b = a.clone().requires_grad_()
    mine = activate(a, noise, layout, 0.2, out=torch.full_like(a, torch.nan))
    spans = ((b[:, : layout.slots] + noise) / 0.2).split(layout.cardinalities.tolist(), 1)
    codes = torch.cat([span.softmax(1) for span in spans], 1)
    residuals = layout.residuals_in(b).tanh() * (codes @ layout.interval)
    plain = torch.cat([codes, residuals, torch.zeros(30, layout.width - layout.filled)], 1)
    torch.testing.assert_close(mine.rows, plain)
    weights = torch.randn(plain.shape, generator=draws)
    (plain * weights).sum().backward()
    torch.testing.assert_close(mine.gradient(weights), b.grad, atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("shift", [0.0, 200.0])
def test_codes_are_drawn_from_the_softmax_of_their_column(toy: EncodedTable, draws, shift):
    layout = Layout(toy.columns)
    logits = 1.5 * torch.randn(1, layout.slots, generator=draws)
    logits[0, layout.offsets[0]] = -torch.inf if shift else -40.0  # never drawn, though it comes first
    shifted = logits + shift * (layout.segment % 2)  # one column's weights dwarf another's: each is drawn by itself
    codes = layout.drawn(shifted.expand(40_000, -1), draws)
    for place, part in enumerate(logits.split(layout.cardinalities.tolist(), dim=1)):
        shares = torch.bincount(codes[:, place], minlength=part.shape[1]) / len(codes)
        expected = part[0].softmax(0)
        assert ((shares - expected).abs() <= 4.5 * (expected * (1 - expected) / len(codes)).sqrt() + 1e-6).all()
    assert (codes[:, 0] > 0).all()


def test_no_rows_have_no_codes(toy: EncodedTable, draws):
    layout = Layout(toy.columns)
    assert layout.drawn(torch.zeros(0, layout.slots), draws).shape == (0, len(toy.columns))
