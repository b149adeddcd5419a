"""The two halves of TVAE's evidence bound (paper, section 4.5), their gradients written out: see spans.py for why."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from lookalike.model.nets.layout import Layout
from lookalike.model.nets.spans import powers_and_totals


@dataclass
class Posterior:
    """Latents drawn from the rows' posteriors, and how far these are from the prior.

    Shape
    -----
    latent (n, E); divergence () the mean over rows from N(0, I); mean, deviation (n, E); moved (n, E) latent less mean
    """

    latent: Tensor
    divergence: Tensor
    mean: Tensor
    deviation: Tensor
    moved: Tensor

    def gradient(self, by_latent: Tensor, by_divergence: Tensor | float) -> Tensor:
        """Return the gradient by what was found, (n, 2 E), from those by the latents (n, E) and the divergence ()."""
        part = by_divergence / len(self.mean)
        by_found = by_latent.new_empty(len(by_latent), 2 * by_latent.shape[1])
        by_mean, by_log_deviation = by_found.chunk(2, dim=1)
        torch.mul(self.mean, part, out=by_mean).add_(by_latent)
        torch.mul(self.deviation, self.deviation, out=by_log_deviation).sub_(1).mul_(part)
        by_log_deviation.addcmul_(by_latent, self.moved)
        return by_found


def posterior(found: Tensor, noise: Tensor) -> Posterior:
    """Draw latents from the rows' posteriors.

    Shape
    -----
    found (n, 2 E): means, then log-deviations; noise (n, E)

    >>> drawn = posterior(torch.zeros(2, 6), torch.ones(2, 3))
    >>> drawn.latent[0].tolist(), drawn.divergence.item()
    ([1.0, 1.0, 1.0], 0.0)
    """
    mean, log_deviation = found.chunk(2, dim=1)
    deviation = log_deviation.contiguous().exp_()  # of numbers side by side, which takes a tenth of the time
    moved = noise * deviation
    squares = mean.square().sum() + deviation.square().sum() - mean.numel()
    return Posterior(mean + moved, (0.5 * squares - log_deviation.sum()) / len(mean), mean, deviation, moved)


@dataclass
class Reconstruction:
    """Each row's negative log-likelihood under the decoder, and what its gradient takes.

    Shape
    -----
    lost (n,); powers (n, C) and total (n, d) of the softmax of every span; slots (n, d); centre, inside, apart (n, R), precision (R,)
    of the residuals
    """

    lost: Tensor
    powers: Tensor
    total: Tensor
    slots: Tensor
    centre: Tensor
    inside: Tensor
    precision: Tensor
    apart: Tensor
    layout: Layout

    def gradient(self, by_lost: Tensor) -> tuple[Tensor, Tensor]:
        """Return the gradients by the raw output (n, W) and by log_sigma (R,), from one by each row's loss (n,)."""
        layout, scale = self.layout, by_lost[:, None]
        by_raw = self.powers.new_empty(len(self.powers), layout.width)
        by_logits = by_raw[:, : layout.slots]
        torch.mul(self.powers, layout.spread(scale / self.total), out=by_logits)
        by_logits.scatter_add_(1, self.slots, -scale.expand(self.slots.shape))
        weight = self.inside * scale
        by_residuals = (1 - self.centre.square()).mul_(weight).mul_(self.apart)
        torch.mul(by_residuals, self.precision, out=layout.residuals_in(by_raw))
        by_raw[:, layout.filled :].zero_()
        return by_raw, (weight * (1 - self.apart.square())).sum(0)


def reconstruction(raw: Tensor, slots: Tensor, residuals: Tensor, log_sigma: Tensor, layout: Layout) -> Reconstruction:
    """Hold rows against what the decoder made of them (paper, section 4.5).

    Codes are categorical; a residual is normal around the tanh of its output with a learned spread.

    NOTE[DIFF]: a residual counts only where the row's code is an interval; beside a spike or a missing value there is none.

    Shape
    -----
    raw (n, W), slots (n, d), residuals (n, R), log_sigma (R,)
    """
    logits = raw[:, : layout.slots]
    powers, total, top = powers_and_totals(logits, layout)
    lost = total.log().add_(top).sub_(logits.gather(1, slots)).sum(1)
    centre = layout.residuals_in(raw).tanh()
    inside = layout.any_interval[slots[:, layout.residual_columns]]
    precision = (-log_sigma).exp()
    apart = (centre - residuals).mul_(precision)
    lost.add_((0.5 * apart.square() + log_sigma).mul_(inside).sum(1))
    return Reconstruction(lost, powers, total, slots, centre, inside, precision, apart, layout)
