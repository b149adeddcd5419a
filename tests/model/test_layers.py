from __future__ import annotations

import numpy as np
import pytest
import torch
from torch.nn.functional import cross_entropy

from lookalike.model.layers import Critic, RowMaker, activate, code_loss, gumbel, segmented_softmax
from lookalike.model.layout import Layout
from lookalike.schema.encoded import EncodedTable

SIZES = [3, 1, 40, 2, 7]


@pytest.fixture
def draws() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def logits_and_segment(draws: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    segment = torch.repeat_interleave(torch.arange(len(SIZES)), torch.tensor(SIZES))
    return 50 * torch.randn(20, sum(SIZES), generator=draws), segment


def test_segmented_softmax_equals_column_by_column(draws):
    logits, segment = logits_and_segment(draws)
    a, b = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    all_at_once = segmented_softmax(a, segment, len(SIZES))
    one_by_one = torch.cat([part.softmax(1) for part in b.split(SIZES, 1)], 1)
    torch.testing.assert_close(all_at_once, one_by_one)
    weights = torch.randn(all_at_once.shape, generator=draws)
    (all_at_once * weights).sum().backward()
    (one_by_one * weights).sum().backward()
    torch.testing.assert_close(a.grad, b.grad, atol=1e-5, rtol=1e-4)


def test_code_loss_equals_column_by_column(draws):
    logits, segment = logits_and_segment(draws)
    a, b = logits.clone().requires_grad_(), logits.clone().requires_grad_()
    codes = torch.stack([torch.randint(size, (20,), generator=draws) for size in SIZES], 1)
    offsets = torch.tensor(SIZES).cumsum(0) - torch.tensor(SIZES)
    all_at_once = code_loss(a, codes + offsets, segment)
    parts = zip(b.split(SIZES, 1), codes.T, strict=True)
    one_by_one = sum(cross_entropy(part, code, reduction="none") for part, code in parts)
    torch.testing.assert_close(all_at_once, one_by_one)
    weights = torch.randn(20, generator=draws)
    (all_at_once * weights).sum().backward()
    (one_by_one * weights).sum().backward()
    torch.testing.assert_close(a.grad, b.grad, atol=1e-5, rtol=1e-4)


def test_closed_form_penalty_equals_double_backward(draws):
    critic = Critic(6, 4, (16, 12, 8), 5, draws)
    fake, real = torch.rand(30, 6, generator=draws), torch.rand(30, 6, generator=draws)
    condition = torch.randint(4, (30,), generator=draws)
    share, masks = torch.rand(6, 1, generator=draws), critic.masks(18, draws)

    fakes, reals, norm = critic.contrast(fake, real, condition, share, masks)
    (norm - 1).square().mean().backward()
    closed = [p.grad for p in critic.parameters()]
    critic.zero_grad()

    whole = share.repeat_interleave(5, 0)
    between = (whole * real + (1 - whole) * fake).requires_grad_()
    score = critic(between, condition, [mask[12:] for mask in masks])
    (gradient,) = torch.autograd.grad(score.sum(), between, create_graph=True)
    plain_norm = gradient.reshape(6, -1).norm(dim=1)
    (plain_norm - 1).square().mean().backward()

    torch.testing.assert_close(norm, plain_norm)
    torch.testing.assert_close(fakes, critic(fake, condition, [mask[:6] for mask in masks]))
    torch.testing.assert_close(reals, critic(real, condition, [mask[6:12] for mask in masks]))
    for mine, (name, plain) in zip(closed, critic.named_parameters(), strict=True):
        expected = plain.grad if plain.grad is not None else torch.zeros_like(plain)
        torch.testing.assert_close(torch.zeros_like(plain) if mine is None else mine, expected, msg=name)


def test_rows_do_not_depend_on_their_batch_once_settled(draws):
    net = RowMaker(8, 5, (16, 16), 10, draws)
    noise, condition = torch.randn(64, 8, generator=draws), torch.randint(5, (64,), generator=draws)
    net.settle(noise, condition)
    torch.testing.assert_close(net(noise, condition)[:3], net(noise[:3], condition[:3]))


def test_gradient_checkpointing_changes_nothing(draws):
    plain = RowMaker(8, 5, (16, 16), 10, torch.Generator().manual_seed(1))
    frugal = RowMaker(8, 5, (16, 16), 10, torch.Generator().manual_seed(1), frugal=True)
    noise, condition = torch.randn(64, 8, generator=draws), torch.randint(5, (64,), generator=draws)
    for net in (plain, frugal):
        net(noise, condition).square().sum().backward()
    for a, b in zip(plain.parameters(), frugal.parameters(), strict=True):
        torch.testing.assert_close(a.grad, b.grad)


def test_layout_there_and_back(awkward: EncodedTable, draws):
    layout = Layout(awkward.columns)
    slots, residuals = layout.slots_of(awkward), layout.residuals_of(awkward)
    rows = layout.rows(slots, residuals)
    assert rows.shape == (len(awkward), layout.width)
    back = layout.table(layout.largest(rows[:, : layout.slots]), rows[:, layout.slots :])
    np.testing.assert_array_equal(back.codes, awkward.codes)
    np.testing.assert_allclose(back.residuals, np.clip(awkward.residuals, -1, 1), atol=1e-6)


def test_activation_draws_codes_and_silences_residuals_beside_spikes(toy: EncodedTable, draws):
    layout = Layout(toy.columns)
    raw = torch.zeros(20_000, layout.width)
    raw[:, -1] = 2.0
    rows = activate(raw, gumbel(len(raw), layout.slots, draws), layout, 0.01)
    codes = layout.largest(rows[:, : layout.slots])
    shares = torch.bincount(codes[:, 0], minlength=3) / len(raw)
    torch.testing.assert_close(shares, torch.full((3,), 1 / 3), atol=0.02, rtol=0)
    spike = rows[:, layout.offsets[2]] > 0.999
    assert rows[spike, -1].abs().max() < 0.01
    assert rows[~spike, -1].mean() > 0.9
