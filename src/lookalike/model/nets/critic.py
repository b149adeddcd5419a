"""CTGAN's critic (paper, section 4.4), its gradients in closed form: between its kinks it is linear, so no graph is needed.

Autograd would go through the gradient penalty twice and keep every step of it. Written out, a critic step is one pass
up, one down and one more for the penalty, over buffers that are used in place. The tests hold it to autograd's figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from lookalike.model.nets.clipping import factors
from lookalike.model.nets.flat import gradient_of
from lookalike.model.nets.layers import ConditionalLinear, linear

SLOPE = 0.2
"""LeakyReLU's slope below zero (paper, section 4.4)."""
KEEP = 0.5
"""Share of hidden units that dropout keeps (paper, section 4.4)."""
BITS = 63
"""Coins in one random integer; the sign is left alone."""


def slope(x: Tensor) -> Tensor:
    """Return LeakyReLU's slope at x.

    >>> slope(torch.tensor([-3.0, 3.0])).tolist()
    [0.20000000298023224, 1.0]
    """
    return torch.sign(x).clamp_(-SLOPE).abs_()


def coins(rows: int, width: int, generator: torch.Generator) -> Tensor:
    """Return (rows, width) fair coins, 0 or 1: a bit each, as drawing a number each takes longer than what they are for.

    >>> 0.4 < coins(100, 100, torch.Generator().manual_seed(0)).mean() < 0.6
    tensor(True)
    """
    device = generator.device
    count = -(-rows * width // BITS)
    words = torch.randint(2**BITS - 1, (count, 1), generator=generator, device=device)
    bits = (words >> torch.arange(BITS, device=device)).bitwise_and_(1)
    return bits.flatten()[: rows * width].view(rows, width).float()


@dataclass
class Climb:
    """What one pass upwards leaves for the passes down; q packs of p rows.

    Shape
    -----
    scores (q,); row_slope (q, p, hidden) of the rows' own activation; inputs (q, width) of each inner layer; slopes
    (q, width) by which each of those inputs was multiplied, dropout and the pack's mean included.
    """

    scores: Tensor
    row_slope: Tensor
    inputs: list[Tensor]
    slopes: list[Tensor]


class Critic(nn.Module):
    """CTGAN's critic (paper, section 4.4): p rows judged together (PacGAN), LeakyReLU(.2) and dropout, one score a pack.

    NOTE[DIFF]: the first layer is the same for every row of a pack, and the pack is the mean of what it gives; the paper
    lays the p rows end to end. The order of rows in a pack means nothing, and one layer that sees every row learns
    relations between columns faster than p layers that see one row each.

    Dropout masks are handed in (0 or 1/KEEP), as :meth:`masks` draws them. Rows may be bfloat16 or float16: products of
    rows are then taken in it, all else, the penalty included, in float32.

    >>> draws = torch.Generator().manual_seed(0)
    >>> critic = Critic(6, 3, (8, 8), 5, draws)
    >>> score, gradient = critic.judge(torch.zeros(10, 6), torch.zeros(10, dtype=torch.long), critic.masks(2, draws))
    >>> score.shape, gradient.shape
    (torch.Size([]), torch.Size([10, 6]))
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
        return list(coins(packs, sum(self.hidden), generator).div_(KEEP).split(self.hidden, dim=1))

    @torch.no_grad()
    def judge(self, rows: Tensor, condition: Tensor, masks: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Return the mean score, and its gradient by the rows.

        Shape
        -----
        rows (n, W), condition (n,), masks (n / p, hidden) each -> (), (n, W)
        """
        climb = self._climb(self._enter(rows, condition), masks)
        packs = len(climb.scores)
        arrived = self._down(rows.new_ones((packs, 1), dtype=torch.float32), climb)
        gradient = arrived.to(rows.dtype).mm(self.first.dense.weight.to(rows.dtype)).float()
        return climb.scores.mean(), gradient.div_(packs)

    @torch.no_grad()
    def teach(
        self, fake: Tensor, real: Tensor, condition: Tensor, share: Tensor, masks: Sequence[Tensor], penalty: float
    ) -> tuple[Tensor, Tensor]:
        """Add the gradient of the critic's loss to the weights' ``grad``.

        The loss is mean(fake scores) − mean(real scores) + penalty · mean((‖gradient‖ − 1)²) (WGAN-GP, paper, algorithm 1),
        the gradient taken at share·real + (1 − share)·fake. The first layer is linear, so these points come out of it as
        that mixture of what fake and real come out as; all three climb together.

        Returns
        -------
        The loss without the penalty, and the norms of the gradient (n / p,).

        Shape
        -----
        fake, real (n, W), condition (n,), share (n / p, 1), masks (3n / p, hidden) each
        """
        packs, rows = len(share), len(fake)
        seen = torch.cat([fake, real])
        entered = self._enter(seen, condition)
        between = entered[:rows].lerp(entered[rows:], share.repeat_interleave(self.pac, 0))
        climb = self._climb(torch.cat([entered, between]), masks)
        norm = self._penalise(climb, 2 * packs, penalty)
        signs = share.new_ones(2 * packs, 1)
        signs[packs:] = -1
        arrived, part = self._down(signs, climb, learn=True), 1 / packs
        dense = self.first.dense
        gradient_of(dense.weight).add_(arrived.to(seen.dtype).T.mm(seen), alpha=part)
        gradient_of(dense.bias).add_(arrived.sum(0), alpha=part)
        gradient_of(self.first.lookup).index_add_(0, condition, arrived[:rows] + arrived[rows:], alpha=part)
        return climb.scores[:packs].mean() - climb.scores[packs : 2 * packs].mean(), norm

    def _enter(self, rows: Tensor, condition: Tensor) -> Tensor:
        """Return the first layer's output in float32; rows may be several times as many as conditions."""
        dense = self.first.dense
        entered = functional.linear(rows, dense.weight.to(rows.dtype), dense.bias.to(rows.dtype)).float()
        entered.view(-1, len(condition), self.hidden[0]).add_(functional.embedding(condition, self.first.lookup))
        return entered

    def _climb(self, entered: Tensor, masks: Sequence[Tensor]) -> Climb:
        """Go from the first layer's output, which is overwritten, to the scores."""
        row_slope = slope(entered)
        pooled = entered.mul_(row_slope).view(-1, self.pac, self.hidden[0]).sum(1)
        slopes = [masks[0] / self.pac]
        inputs = [pooled.mul_(slopes[0])]
        for layer, mask in zip(self.inner[:-1], masks[1:], strict=True):
            x = layer(inputs[-1])
            slopes.append(slope(x).mul_(mask))
            inputs.append(x.mul_(slopes[-1]))
        return Climb(
            self.inner[-1](inputs[-1]).squeeze(1), row_slope.view(-1, self.pac, self.hidden[0]), inputs, slopes
        )

    def _down(self, gradient: Tensor, climb: Climb, *, learn: bool = False) -> Tensor:
        """Take a gradient by the first q scores, (q, 1), down to the first layer's output, (q p, hidden).

        With ``learn`` the inner layers collect theirs, divided by the packs of a batch of fakes (or reals), on the way.
        """
        packs = len(gradient)
        for layer, inputs, part in zip(
            reversed(self.inner), reversed(climb.inputs), reversed(climb.slopes), strict=True
        ):
            if learn:
                gradient_of(layer.weight).addmm_(gradient.T, inputs[:packs], alpha=2 / packs)
                gradient_of(layer.bias).add_(gradient.sum(0), alpha=2 / packs)
            gradient = gradient.mm(layer.get_parameter("weight")).mul_(part[:packs])
        return (gradient[:, None] * climb.row_slope[:packs]).view(packs * self.pac, -1)

    def _penalise(self, climb: Climb, skipped: int, penalty: float) -> Tensor:
        """Add the gradient of penalty · mean((‖∇‖ − 1)²) over the packs after ``skipped``; return the norms.

        The gradient of a score by its rows is ∇ = W₁ᵀ(s₁ ⊙ W₂ᵀ(s₂ ⊙ w₃)); slopes and masks are constants between kinks. Each
        product in it is undone once on the way back, which is what double backward computes.
        """
        slopes, row_slope = [part[skipped:] for part in climb.slopes], climb.row_slope[skipped:]
        packs, weight = len(row_slope), self.first.dense.weight
        above = [row_slope.new_ones(packs, 1)]
        for layer, part in zip(reversed(self.inner), reversed(slopes), strict=True):
            above.append(above[-1].mm(layer.get_parameter("weight")).mul_(part))
        arrived = (above[-1][:, None] * row_slope).view(packs * self.pac, -1)
        gradient = arrived.mm(weight)
        by_pack = gradient.view(packs, -1)
        norm = torch.linalg.vector_norm(by_pack, dim=1)
        by_pack.mul_((2 * penalty / packs * (norm - 1) / norm.clamp(min=1e-12))[:, None])
        gradient_of(weight).addmm_(arrived.T, gradient)
        back = gradient.mm(weight.T).view_as(row_slope).mul_(row_slope).sum(1)
        for layer, part, over in zip(self.inner, slopes, reversed(above[:-1]), strict=True):
            back.mul_(part)
            gradient_of(layer.weight).addmm_(over.T, back)
            back = back.mm(layer.get_parameter("weight").T)
        return norm

    @torch.no_grad()
    def teach_clipped(
        self,
        fake: Tensor,
        real: Tensor,
        condition: Tensor,
        share: Tensor,
        masks: Sequence[Tensor],
        penalty: float,
        bound: float,
    ) -> Tensor:
        """As :meth:`teach` with rows judged alone (p = 1), but add the *sum* of the records' gradients, each clipped to ``bound``.

        A record is a fake row, a real one, their condition and the point between them; its loss is D(fake) − D(real) +
        penalty · (‖∇D‖ − 1)². Its gradient by a layer is a sum of three outer products, whose norm follows from the inner products
        of their sides, so no record's gradient is ever held.

        Returns
        -------
        (n,) the norms before clipping.

        Shape
        -----
        fake, real (n, W), condition (n,), share (n, 1), masks (3n, hidden) each
        """
        assert self.pac == 1, "rows judged together would share a gradient"
        n = len(fake)
        seen = torch.cat([fake, real])
        entered = self._enter(seen, condition)
        climb = self._climb(torch.cat([entered, entered[:n].lerp(entered[n:], share)]), masks)
        above, slopes = [torch.cat([share.new_ones(n, 1), -share.new_ones(n, 1), share.new_ones(n, 1)])], climb.slopes
        for layer, part in zip(reversed(self.inner), reversed(slopes), strict=True):
            above.append(above[-1].mm(layer.get_parameter("weight")).mul_(part))
        arrived = above.pop() * climb.row_slope.squeeze(1)
        weight = self.first.dense.weight
        uphill = arrived[2 * n :].mm(weight)
        norm = torch.linalg.vector_norm(uphill, dim=1, keepdim=True)
        uphill.mul_(2 * penalty * (norm - 1) / norm.clamp(min=1e-12))
        back = uphill.mm(weight.T).mul_(climb.row_slope[2 * n :].squeeze(1))
        products: list[tuple[nn.Module, Tensor, Tensor]] = [(self.first.dense, arrived, torch.cat([seen, uphill]))]
        for layer, inputs, part, over in zip(self.inner, climb.inputs, slopes, reversed(above), strict=True):
            back = back * part[2 * n :]
            products.append((layer, over, torch.cat([inputs[: 2 * n], back])))
            back = back.mm(layer.get_parameter("weight").T)
        return self._add_clipped(products, condition, bound)

    def _add_clipped(self, products: list[tuple[nn.Module, Tensor, Tensor]], condition: Tensor, bound: float) -> Tensor:
        """Add what each layer collects from (3n, outputs) and (3n, inputs) sides of outer products, clipped by record."""
        n = len(condition)
        squares = torch.zeros(n, device=condition.device)
        for _, left, right in products:
            squares += (_inner(left, n) * _inner(right, n)).sum((1, 2)) + (left[:n] + left[n : 2 * n]).square().sum(1)
        entering = products[0][1][:n] + products[0][1][n : 2 * n]
        squares += entering.square().sum(1)
        keep = factors(squares, bound)
        kept = keep > 0  # what is left out for its size must not come in as 0 · inf
        for layer, left, right in products:
            left = (left * keep.repeat(3)[:, None]).where(kept.repeat(3)[:, None], 0.0)
            right = right.where(kept.repeat(3)[:, None], 0.0)
            gradient_of(layer.get_parameter("weight")).addmm_(left.T, right)
            gradient_of(layer.get_parameter("bias")).add_(left[: 2 * n].sum(0))
        entering = (entering * keep[:, None]).where(kept[:, None], 0.0)
        gradient_of(self.first.lookup).index_add_(0, condition, entering)
        return squares.sqrt()


def _inner(sides: Tensor, records: int) -> Tensor:
    """Return (n, 3, 3): the inner products of a record's three vectors."""
    by_record = sides.view(3, records, -1).transpose(0, 1)
    return by_record @ by_record.transpose(1, 2)
