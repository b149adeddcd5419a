"""The bound's closed forms are autograd's figures of the plain likelihood and divergence."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor
from torch.distributions import Normal, kl_divergence
from torch.nn.functional import cross_entropy

from lookalike.model.nets.bound import posterior, reconstruction
from lookalike.model.nets.layout import Layout
from lookalike.schema.encoded import EncodedTable


def plain_likelihood(raw: Tensor, table: EncodedTable, log_sigma: Tensor) -> Tensor:
    """Column by column; without the normal's constant, ½ log 2π."""
    layout = Layout(table.columns)
    codes, residuals = torch.from_numpy(table.codes).long(), layout.residuals_of(table)
    lost = raw.new_zeros(len(table))
    for j, logits in enumerate(raw[:, : layout.slots].split(layout.cardinalities.tolist(), 1)):
        lost = lost + cross_entropy(logits, codes[:, j], reduction="none")
    for place, j in enumerate(layout.residual_columns.tolist()):
        normal = Normal(raw[:, layout.slots + place].tanh(), log_sigma[place].exp())
        inside = torch.from_numpy(table.columns[j].interval[table.codes[:, j]])
        likelihood = normal.log_prob(residuals[:, place]) + 0.5 * np.log(2 * np.pi)
        lost = lost - torch.where(inside, likelihood, 0.0)
    return lost


def test_reconstruction_is_the_decoders_likelihood(awkward: EncodedTable):
    layout, draws = Layout(awkward.columns), torch.Generator().manual_seed(0)
    raw = (3 * torch.randn(len(awkward), layout.width, generator=draws)).requires_grad_()
    log_sigma = torch.full((layout.residuals,), -1.0, requires_grad=True)
    weights = torch.rand(len(awkward), generator=draws)
    with torch.no_grad():
        mine = reconstruction(raw, layout.slots_of(awkward), layout.residuals_of(awkward), log_sigma, layout)
        by_raw, by_log_sigma = mine.gradient(weights)
    plain = plain_likelihood(raw, awkward, log_sigma)
    torch.testing.assert_close(mine.lost, plain)
    (plain * weights).sum().backward()
    torch.testing.assert_close(by_raw, raw.grad, atol=1e-5, rtol=1e-4)
    if layout.residuals:
        torch.testing.assert_close(by_log_sigma, log_sigma.grad, atol=1e-5, rtol=1e-4)


def test_posterior_draws_and_diverges_as_the_normals_do():
    draws = torch.Generator().manual_seed(0)
    found = torch.randn(40, 10, generator=draws)
    noise, weights = torch.randn(40, 5, generator=draws), torch.randn(40, 5, generator=draws)
    mine = posterior(found, noise)
    found = found.clone().requires_grad_()
    mean, log_deviation = found.chunk(2, dim=1)
    plain_latent = mean + noise * log_deviation.exp()
    plain = kl_divergence(Normal(mean, log_deviation.exp()), Normal(0.0, 1.0)).sum(1).mean()
    torch.testing.assert_close(mine.latent, plain_latent)
    torch.testing.assert_close(mine.divergence, plain)
    ((plain_latent * weights).sum() + 2 * plain).backward()
    torch.testing.assert_close(mine.gradient(weights, 2.0), found.grad)
