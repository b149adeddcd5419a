"""The two halves of TVAE's evidence bound (paper, section 4.5), their gradients written out: see spans.py for why."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from lookalike.model.nets.layout import Layout
from lookalike.model.nets.spans import powers_and_totals


class _Posterior(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, found: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_deviation = found.chunk(2, dim=1)
        deviation = log_deviation.exp()
        moved = noise * deviation
        squares = mean.square().sum() + deviation.square().sum() - mean.numel()
        ctx.save_for_backward(mean, deviation, moved)
        return mean + moved, (0.5 * squares - log_deviation.sum()) / len(mean)

    @staticmethod
    def backward(ctx: Any, by_latent: Tensor, by_divergence: Tensor) -> tuple[Tensor, None]:
        mean, deviation, moved = ctx.saved_tensors
        part = by_divergence / len(mean)
        by_mean = torch.addcmul(by_latent, mean, part)
        by_log_deviation = deviation.square_().sub_(1).mul_(part).addcmul_(by_latent, moved)
        return torch.cat([by_mean, by_log_deviation], dim=1), None


def posterior(found: Tensor, noise: Tensor) -> tuple[Tensor, Tensor]:
    """Return latents drawn from the rows' posteriors, and the mean divergence of these from the prior N(0, I).

    Shape
    -----
    found (n, 2 E): means, then log-deviations; noise (n, E) -> (n, E), ()

    >>> latent, divergence = posterior(torch.zeros(2, 6), torch.ones(2, 3))
    >>> latent[0].tolist(), divergence.item()
    ([1.0, 1.0, 1.0], 0.0)
    """
    latent, divergence = _Posterior.apply(found, noise)
    return latent, divergence


class _Reconstruction(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, raw: Tensor, log_sigma: Tensor, slots: Tensor, residuals: Tensor, layout: Layout) -> Tensor:
        logits = raw[:, : layout.slots]
        powers, total, top = powers_and_totals(logits, layout.segment, len(layout.columns))
        lost = total.log().add_(top).sub_(logits.gather(1, slots)).sum(1)
        ctx.layout = layout
        if not layout.residuals:
            ctx.save_for_backward(powers, total, slots)
            return lost
        centre = raw[:, layout.slots :].tanh()
        inside = layout.any_interval[slots[:, layout.residual_columns]]
        precision = (-log_sigma).exp()
        apart = (centre - residuals).mul_(precision)
        ctx.save_for_backward(powers, total, slots, centre, inside, precision, apart)
        return lost.add_((0.5 * apart.square() + log_sigma).mul_(inside).sum(1))

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, Tensor | None, None, None, None]:
        powers, total, slots, *rest = ctx.saved_tensors
        layout, scale = ctx.layout, gradient[:, None]
        by_raw = powers.new_empty(len(powers), layout.width)
        by_logits = by_raw[:, : layout.slots]
        torch.mul(powers, (scale / total).index_select(1, layout.segment), out=by_logits)
        by_logits.scatter_add_(1, slots, -scale.expand(slots.shape))
        if not rest:
            return by_raw, None, None, None, None
        centre, inside, precision, apart = rest
        weight = inside * scale
        by_raw[:, layout.slots :] = (1 - centre.square()) * weight * apart * precision
        return by_raw, (weight * (1 - apart.square())).sum(0), None, None, None


def reconstruction(raw: Tensor, slots: Tensor, residuals: Tensor, log_sigma: Tensor, layout: Layout) -> Tensor:
    """Return each row's negative log-likelihood under the decoder (paper, section 4.5).

    Codes are categorical; a residual is normal around the tanh of its output with a learned spread.

    NOTE[DIFF]: a residual counts only where the row's code is an interval; beside a spike or a missing value there is none.

    Shape
    -----
    raw (n, W), slots (n, d), residuals (n, R), log_sigma (R,) -> (n,)
    """
    lost: Tensor = _Reconstruction.apply(raw, log_sigma, slots, residuals, layout)
    return lost
