"""Torch parts with their shapes: seeded initial weights, segmented softmax, the net that makes rows, the critic's net.

Nothing here reads or moves torch's global random state: weights and noise come from a ``torch.Generator`` that is
handed in. Shape suffixes: see :mod:`lookalike.model.layout`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import skip_init
from torch.utils.checkpoint import checkpoint

from lookalike.model.layout import Layout

SLOPE = 0.2
"""LeakyReLU's slope below zero in the critic (paper, section 4.4)."""
KEEP = 0.5
"""Share of hidden units that the critic's dropout keeps (paper, section 4.4)."""


def linear(inputs: int, outputs: int, generator: torch.Generator) -> nn.Linear:
    """Return a linear layer with torch's usual initial weights, U(±1/√inputs), drawn from ``generator``.

    >>> linear(3, 2, torch.Generator().manual_seed(0)).weight.shape
    torch.Size([2, 3])
    """
    layer = skip_init(nn.Linear, inputs, outputs)
    bound = max(inputs, 1) ** -0.5
    with torch.no_grad():
        layer.weight.uniform_(-bound, bound, generator=generator)
        layer.bias.uniform_(-bound, bound, generator=generator)
    return layer


class ConditionalLinear(nn.Module):
    """Linear layer on ``x ⊕ one-hot(condition)``, the one-hot part being a row looked up instead of multiplied.

    Shape
    -----
    x (n, inputs), condition (n,) or (n, p) in [0, conditions) -> (n, outputs); of p conditions the rows are summed.

    >>> layer = ConditionalLinear(4, 3, 2, torch.Generator().manual_seed(0))
    >>> layer(torch.zeros(5, 4), torch.tensor([0, 1, 2, 0, 0])).shape
    torch.Size([5, 2])
    """

    def __init__(self, inputs: int, conditions: int, outputs: int, generator: torch.Generator) -> None:
        super().__init__()
        self.dense = linear(inputs, outputs, generator)
        bound = (inputs + conditions) ** -0.5
        self.lookup = nn.Parameter(torch.empty(conditions, outputs).uniform_(-bound, bound, generator=generator))

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        rows = functional.embedding(condition, self.lookup)
        total: Tensor = self.dense(x) + (rows.sum(1) if condition.dim() == 2 else rows)
        return total


class _SegmentedSoftmax(torch.autograd.Function):
    """Softmax inside each segment of the last dimension, with its closed-form gradient y ⊙ (g − Σ_segment y ⊙ g)."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, segment: Tensor, segments: int) -> Tensor:
        expanded = segment.expand_as(logits)
        top = logits.new_full((len(logits), segments), -torch.inf).scatter_reduce_(1, expanded, logits, "amax")
        y = logits.sub(top.index_select(1, segment)).exp_()
        y.div_(y.new_zeros(len(y), segments).scatter_add_(1, expanded, y).index_select(1, segment))
        ctx.save_for_backward(y, segment)
        ctx.segments = segments
        return y

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        y, segment = ctx.saved_tensors
        weighted = y * gradient
        total = y.new_zeros(len(y), ctx.segments).scatter_add_(1, segment.expand_as(y), weighted)
        return weighted.addcmul_(y, total.index_select(1, segment), value=-1.0), None, None


def segmented_softmax(logits: Tensor, segment: Tensor, segments: int) -> Tensor:
    """Return the softmax of each column's slots, all columns at once.

    Shape
    -----
    logits (n, C), segment (C,) in [0, segments) -> (n, C)

    >>> segmented_softmax(torch.zeros(1, 5), torch.tensor([0, 0, 1, 1, 1]), 2).round(decimals=2).tolist()
    [[0.5, 0.5, 0.33000001311302185, 0.33000001311302185, 0.33000001311302185]]
    """
    y: Tensor = _SegmentedSoftmax.apply(logits, segment, segments)  # type: ignore[no-untyped-call]
    return y


class _CodeLoss(torch.autograd.Function):
    """Sum over columns of the cross-entropy of their codes, with its closed-form gradient, softmax − one-hot."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, slots: Tensor, segment: Tensor) -> Tensor:
        expanded, segments = segment.expand_as(logits), slots.shape[1]
        top = logits.new_full((len(logits), segments), -torch.inf).scatter_reduce_(1, expanded, logits, "amax")
        y = logits.sub(top.index_select(1, segment)).exp_()
        total = y.new_zeros(len(y), segments).scatter_add_(1, expanded, y)
        ctx.save_for_backward(y, total, slots, segment)
        return total.log().add_(top).sub_(logits.gather(1, slots)).sum(1)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        y, total, slots, segment = ctx.saved_tensors
        scale = gradient[:, None]
        difference = y * (scale / total).index_select(1, segment)
        return difference.scatter_add_(1, slots, -scale.expand(slots.shape)), None, None


def code_loss(logits: Tensor, slots: Tensor, segment: Tensor) -> Tensor:
    """Return each row's cross-entropy, summed over its columns, all columns at once.

    Shape
    -----
    logits (n, C), slots (n, d) the slot of each column's code, segment (C,) in [0, d) -> (n,)

    >>> code_loss(torch.zeros(1, 3), torch.tensor([[1, 2]]), torch.tensor([0, 0, 1])).exp().tolist()
    [2.0]
    """
    loss: Tensor = _CodeLoss.apply(logits, slots, segment)  # type: ignore[no-untyped-call]
    return loss


def gumbel(rows: int, slots: int, generator: torch.Generator) -> Tensor:
    """Return standard Gumbel noise (rows, slots), for all columns in one draw.

    >>> gumbel(2, 3, torch.Generator().manual_seed(0)).isfinite().all().item()
    True
    """
    uniform = torch.rand(rows, slots, generator=generator, device=generator.device)
    # clamped away from 0 and 1, where the noise would be infinite
    return uniform.clamp_(1e-20, 1 - 6e-8).log_().neg_().log_().neg_()


def activate(raw: Tensor, noise: Tensor, layout: Layout, temperature: float) -> Tensor:
    """Turn a generator's raw output into rows: Gumbel softmax on the codes, tanh on the residuals (paper, section 4.4).

    NOTE[DIFF]: a residual is multiplied by the probability that its column's code is an interval. In the data it is 0
    beside a spike or a missing value, and the critic would otherwise tell rows apart by that alone.

    Shape
    -----
    raw (n, W), noise (n, C) -> (n, W)
    """
    codes = segmented_softmax((raw[:, : layout.slots] + noise) / temperature, layout.segment, len(layout.columns))
    if not layout.residuals:
        return codes
    return torch.cat([codes, raw[:, layout.slots :].tanh() * (codes @ layout.interval)], dim=1)


class RowMaker(nn.Module):
    """CTGAN's generator (paper, section 4.4): residual blocks FC → BatchNorm → ReLU, each joined to its own input.

    BatchNorm keeps the statistics of the last batch it saw in training mode; :meth:`settle` makes that one large batch
    under the weights that will sample, so that a sampled row does not depend on the rows drawn beside it.

    Shape
    -----
    noise (n, embedding), condition (n,) -> raw output (n, W)

    >>> net = RowMaker(8, 4, (16, 16), 10, torch.Generator().manual_seed(0))
    >>> net(torch.zeros(5, 8), torch.zeros(5, dtype=torch.long)).shape
    torch.Size([5, 10])
    """

    def __init__(
        self,
        embedding: int,
        conditions: int,
        hidden: Sequence[int],
        width: int,
        generator: torch.Generator,
        *,
        frugal: bool = False,
    ) -> None:
        super().__init__()
        self.frugal = frugal
        self.blocks, self.norms = nn.ModuleList(), nn.ModuleList()
        inputs = embedding
        for size in hidden:
            self.blocks.append(ConditionalLinear(inputs, conditions, size, generator))
            self.norms.append(nn.BatchNorm1d(size, momentum=1.0))
            inputs += size
        self.out = ConditionalLinear(inputs, conditions, width, generator)

    def forward(self, noise: Tensor, condition: Tensor) -> Tensor:
        x = noise
        for block, norm in zip(self.blocks, self.norms, strict=True):
            if self.frugal and torch.is_grad_enabled():
                # no noise is drawn inside a block, so there is no random state to keep
                x = checkpoint(self._join, block, norm, x, condition, use_reentrant=False, preserve_rng_state=False)
            else:
                x = self._join(block, norm, x, condition)
        raw: Tensor = self.out(x, condition)
        return raw

    @staticmethod
    def _join(block: nn.Module, norm: nn.Module, x: Tensor, condition: Tensor) -> Tensor:
        return torch.cat([norm(block(x, condition)).relu_(), x], dim=1)

    @torch.no_grad()
    def settle(self, noise: Tensor, condition: Tensor) -> None:
        """Take BatchNorm's statistics from this batch and leave the net in evaluation mode."""
        for norm in self.norms:
            assert isinstance(norm, nn.BatchNorm1d)
            norm.reset_running_stats()
        self.train()
        self(noise, condition)
        self.eval()


def slope(x: Tensor) -> Tensor:
    """Return LeakyReLU's slope at x, a constant to autograd.

    >>> slope(torch.tensor([-3.0, 3.0])).tolist()
    [0.20000000298023224, 1.0]
    """
    return (x.detach() > 0).float().mul_(1 - SLOPE).add_(SLOPE)


class Critic(nn.Module):
    """CTGAN's critic (paper, section 4.4): p rows judged together (PacGAN), LeakyReLU(.2) and dropout, one score a pack.

    NOTE[DIFF]: the first layer is the same for every row of a pack, and the pack is the mean of what it gives; the paper
    lays the p rows end to end. The order of rows in a pack means nothing, and one layer that sees every row learns
    relations between columns faster than p layers that see one row each.

    Dropout masks are handed in (0 or 1/KEEP), as :meth:`masks` draws them.

    Shape
    -----
    rows (n, W), condition (n,), masks (n / p, hidden) each -> scores (n / p,)

    >>> draws = torch.Generator().manual_seed(0)
    >>> critic = Critic(6, 3, (8, 8), 5, draws)
    >>> critic(torch.zeros(10, 6), torch.zeros(10, dtype=torch.long), critic.masks(2, draws)).shape
    torch.Size([2])
    """

    def __init__(
        self, width: int, conditions: int, hidden: Sequence[int], pac: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.pac, self.hidden = pac, tuple(hidden)
        self.first = ConditionalLinear(width, conditions, hidden[0], generator)
        self.inner = nn.ModuleList(
            linear(inputs, outputs, generator) for inputs, outputs in zip(hidden, [*hidden[1:], 1], strict=True)
        )

    def masks(self, packs: int, generator: torch.Generator) -> list[Tensor]:
        """Draw one dropout mask a hidden layer."""
        kept = torch.rand(packs, sum(self.hidden), generator=generator, device=generator.device) < KEEP
        return list((kept / KEEP).split(self.hidden, dim=1))

    def climb(self, x: Tensor, masks: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Go from the first layer's output (n, hidden) to the scores.

        Also return the slopes met above the rows' own activation: of the first dropout, then, a hidden layer each, of
        activation and dropout together.
        """
        pooled = functional.leaky_relu(x, SLOPE).view(-1, self.pac, self.hidden[0]).mean(1)
        x = self.inner[0](pooled * masks[0])
        slopes = [masks[0]]
        for layer, mask in zip(self.inner[1:], masks[1:], strict=True):
            slopes.append(slope(x) * mask)
            x = layer(x * slopes[-1])
        return x.squeeze(1), slopes

    def forward(self, rows: Tensor, condition: Tensor, masks: Sequence[Tensor]) -> Tensor:
        return self.climb(self.first(rows, condition), masks)[0]

    def input_gradient(self, row_slope: Tensor, slopes: Sequence[Tensor]) -> Tensor:
        """Return the gradient of each score by its pack of rows, in closed form: W₁ᵀ(s₁ ⊙ W₂ᵀ(s₂ ⊙ w₃)).

        Exact wherever the net is differentiable, because between its kinks it is linear; one backward pass through this
        expression gives what double backward gives. float32 whatever the autocast.

        Shape
        -----
        row_slope (n, hidden), slopes (n / p, hidden) each -> (n / p, p · W)
        """
        gradient = row_slope.new_ones(len(slopes[0]), 1)
        with torch.autocast(gradient.device.type, enabled=False):
            for layer, above in zip(reversed(self.inner), reversed(slopes), strict=True):
                gradient = gradient.mm(layer.get_parameter("weight")) * above
            row_gradient = (gradient / self.pac).repeat_interleave(self.pac, 0) * row_slope
            return row_gradient.mm(self.first.dense.weight).view(len(gradient), -1)

    def contrast(
        self, fake: Tensor, real: Tensor, condition: Tensor, share: Tensor, masks: Sequence[Tensor]
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return scores of fake and real packs, and the gradient's norm at points between them.

        The first layer is linear, so the points share·real + (1 − share)·fake come out of it as that mixture of what
        fake and real come out as; all three climb together.

        Shape
        -----
        fake, real (n, W), condition (n,), share (n / p, 1), masks (3n / p, hidden) -> three times (n / p,)
        """
        packs, rows = len(share), len(fake)
        entered = self.first(torch.cat([fake, real]), torch.cat([condition, condition]))
        between = entered[:rows].lerp(entered[rows:], share.repeat_interleave(self.pac, 0).to(entered.dtype))
        scores, slopes = self.climb(torch.cat([entered, between]), masks)
        gradient = self.input_gradient(slope(between), [above[2 * packs :] for above in slopes])
        return scores[:packs], scores[packs : 2 * packs], torch.linalg.vector_norm(gradient, dim=1)
