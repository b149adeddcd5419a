"""The critic's closed forms are autograd's figures, its masks keep the mean."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from lookalike.model.nets.critic import KEEP, SLOPE, Critic

WIDTH, FILLED, CONDITIONS, PAC, PACKS = 16, 11, 4, 5, 6


@pytest.fixture
def draws() -> torch.Generator:
    return torch.Generator().manual_seed(0)


@pytest.fixture(params=[(16,), (16, 12), (16, 12, 8)], ids=str)
def critic(request: pytest.FixtureRequest, draws) -> Critic:
    return Critic(WIDTH, FILLED, CONDITIONS, request.param, PAC, draws)


def plain(critic: Critic, rows: Tensor, condition: Tensor, masks: list[Tensor]) -> Tensor:
    """The scores as the docstring says them, for autograd."""
    first = functional.leaky_relu(critic.first(rows, condition), SLOPE)
    x = first.view(-1, PAC, critic.hidden[0]).mean(1) * masks[0]
    for layer, mask in zip(critic.inner[:-1], masks[1:], strict=True):
        x = functional.leaky_relu(layer(x), SLOPE) * mask
    return critic.inner[-1](x).squeeze(1)


def batch(draws: torch.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    rows = PAC * PACKS
    fake, real = (functional.pad(torch.rand(rows, FILLED, generator=draws), (0, WIDTH - FILLED)) for _ in range(2))
    condition = torch.randint(CONDITIONS, (rows,), generator=draws)
    return fake, real, condition, torch.rand(PACKS, 1, generator=draws)


@pytest.mark.parametrize("penalty", [0.0, 10.0])
def test_teaching_gives_the_gradient_of_double_backward(critic: Critic, draws, penalty: float):
    fake, real, condition, share = batch(draws)
    masks = critic.masks(3 * PACKS, draws)
    loss, norm = critic.teach(torch.cat([fake, real]), condition, share, masks, penalty)
    closed = {name: weight.grad.clone() for name, weight in critic.named_parameters()}
    critic.zero_grad()

    parts = [[mask[start : start + PACKS] for mask in masks] for start in (0, PACKS, 2 * PACKS)]
    whole = share.repeat_interleave(PAC, 0)
    between = (whole * real + (1 - whole) * fake).requires_grad_()
    (gradient,) = torch.autograd.grad(plain(critic, between, condition, parts[2]).sum(), between, create_graph=True)
    plain_norm = gradient[:, :FILLED].reshape(PACKS, -1).norm(dim=1)
    difference = plain(critic, fake, condition, parts[0]).mean() - plain(critic, real, condition, parts[1]).mean()
    (difference + penalty * (plain_norm - 1).square().mean()).backward()

    torch.testing.assert_close(norm, plain_norm)
    torch.testing.assert_close(loss, difference)
    for name, weight in critic.named_parameters():
        torch.testing.assert_close(closed[name], weight.grad, msg=name, atol=1e-6, rtol=1e-4)


def test_judging_gives_the_gradient_by_the_rows(critic: Critic, draws):
    fake, _, condition, _ = batch(draws)
    masks = critic.masks(PACKS, draws)
    score, gradient = critic.judge(fake, condition, masks)
    fake.requires_grad_()
    expected = plain(critic, fake, condition, masks).mean()
    expected.backward()
    torch.testing.assert_close(score, expected)
    torch.testing.assert_close(gradient, fake.grad)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_lower_precision_gives_nearly_the_same(critic: Critic, draws, dtype: torch.dtype):
    fake, real, condition, share = batch(draws)
    masks = critic.masks(3 * PACKS, draws)
    gradients = []
    for kind in (torch.float32, dtype):
        critic.zero_grad()
        critic.teach(torch.cat([fake, real]).to(kind), condition, share, masks, 10.0)
        gradients.append(torch.cat([weight.grad.flatten() for weight in critic.parameters()]))
    assert functional.cosine_similarity(*gradients, dim=0) > 0.999


def test_masks_keep_the_mean(critic: Critic, draws):
    masks = critic.masks(4_000, draws)
    assert [mask.shape[1] for mask in masks] == list(critic.hidden)
    for mask in masks:
        assert set(mask.unique().tolist()) == {0.0, 1 / KEEP}
        assert abs(mask.mean() - 1) < 0.05
