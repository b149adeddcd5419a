"""CTGAN's critic (paper, section 4.4), its gradients in closed form: between its kinks it is linear, so no graph is needed.

Autograd would go through the gradient penalty twice and keep every step of it. Written out, a critic step is one pass
up, one down and one more for the penalty, over buffers that are used in place. The tests hold it to autograd's figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from lookalike.model.nets.clipping import factors
from lookalike.model.nets.flat import add_rows, gradient_of
from lookalike.model.nets.layers import ConditionalLinear, linear, thinning

SLOPE = 0.2
"""LeakyReLU's slope below zero (paper, section 4.4)."""
KEEP = 0.5
"""Share of hidden units that dropout keeps (paper, section 4.4)."""


@dataclass
class Climb:
    """What one pass upwards leaves for the pass down; q packs of p rows.

    Shape
    -----
    scores (q,); entered (q, p, hidden) what the first layer gave, past its kink; inputs (q, width) of each inner layer
    """

    scores: Tensor
    entered: Tensor
    inputs: list[Tensor]


class Sides(NamedTuple):
    """Two sides of outer products, summed over their rows a gradient of a layer's weight: (m, outputs), (m, inputs)."""

    layer: nn.Module
    left: Tensor
    right: Tensor


@dataclass
class Lesson:
    """What the gradient of the critic's loss is made of; n rows a batch in q packs.

    Shape
    -----
    scores (3q,) of fakes, reals and the points between; norms (q,) of the gradient at those points; arrived (3n, hidden) the gradient by
    the first layer's output; uphill (n, W) the gradient by the points, weighed by what the penalty makes of it; inner a layer (3q, outputs)
    and (3q, inputs), of which the last q are the penalty's
    """

    scores: Tensor
    norms: Tensor
    arrived: Tensor
    uphill: Tensor
    inner: list[Sides]


class Critic(nn.Module):
    """CTGAN's critic (paper, section 4.4): p rows judged together (PacGAN), LeakyReLU(.2) and dropout, one score a pack.

    NOTE[DIFF]: the first layer is the same for every row of a pack, and the pack is the mean of what it gives; the paper
    lays the p rows end to end. The order of rows in a pack means nothing, and one layer that sees every row learns
    relations between columns faster than p layers that see one row each.

    Dropout masks are handed in (0 or 1/KEEP), as :meth:`masks` draws them. Rows may be bfloat16 or float16: products of
    rows are then taken in it, all else, the penalty included, in float32. Of a row only the first ``filled`` numbers are
    something, what follows is nought: no direction in which a row could move, so no part of the gradient that is penalised.

    >>> draws = torch.Generator().manual_seed(0)
    >>> critic = Critic(6, 6, 3, (8, 8), 5, draws)
    >>> score, gradient = critic.judge(torch.zeros(10, 6), torch.zeros(10, dtype=torch.long), critic.masks(2, draws))
    >>> score.shape, gradient.shape
    (torch.Size([]), torch.Size([10, 6]))
    """

    def __init__(
        self, width: int, filled: int, conditions: int, hidden: Sequence[int], pac: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        self.filled, self.pac, self.hidden = filled, pac, tuple(hidden)
        self.first = ConditionalLinear(width, conditions, hidden[0], generator)
        self.inner = nn.ModuleList(
            linear(inputs, outputs, generator) for inputs, outputs in zip(hidden, [*hidden[1:], 1], strict=True)
        )

    def masks(self, packs: int, generator: torch.Generator) -> list[Tensor]:
        """Draw one dropout mask a hidden layer."""
        return list(thinning(packs, sum(self.hidden), 1 - KEEP, generator, torch.float32).split(self.hidden, dim=1))

    @torch.no_grad()
    def judge(self, rows: Tensor, condition: Tensor, masks: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
        """Return the mean score, and its gradient by the rows.

        Shape
        -----
        rows (n, W), condition (n,), masks (n / p, hidden) each -> (), (n, W)
        """
        climb = self._climb(self._enter(rows, condition), masks)
        packs = len(climb.scores)
        arrived, _ = self._down(rows.new_full((packs, 1), 1 / packs, dtype=torch.float32), climb, masks)
        gradient = arrived.to(rows.dtype).mm(self.first.dense.weight.to(rows.dtype))
        return climb.scores.mean(), gradient.float()

    @torch.no_grad()
    def teach(
        self, seen: Tensor, condition: Tensor, share: Tensor, masks: Sequence[Tensor], penalty: float
    ) -> tuple[Tensor, Tensor]:
        """Add the gradient of the critic's loss to the weights' ``grad``.

        The loss is mean(fake scores) − mean(real scores) + penalty · mean((‖gradient‖ − 1)²) (WGAN-GP, paper, algorithm 1),
        the gradient taken at share·real + (1 − share)·fake.

        Returns
        -------
        The loss without the penalty, and the norms of the gradient (n / p,).

        Shape
        -----
        seen (2n, W) the fakes, then the reals, condition (n,), share (n / p, 1), masks (3n / p, hidden) each
        """
        packs, n = len(share), len(condition)
        lesson = self._lesson(seen, condition, share, masks, penalty, 1 / packs)
        dense, learned = self.first.dense, lesson.arrived[: 2 * n]
        gradient_of(dense.weight).add_(learned.to(seen.dtype).T.mm(seen)).addmm_(
            lesson.arrived[2 * n :].T, lesson.uphill
        )
        gradient_of(dense.bias).add_(learned.sum(0))
        add_rows(gradient_of(self.first.lookup), condition, learned[:n] + learned[n:])
        for layer, left, right in lesson.inner:
            gradient_of(layer.get_parameter("weight")).addmm_(left.T, right)
            gradient_of(layer.get_parameter("bias")).add_(left[: 2 * packs].sum(0))
        fake, real, _ = lesson.scores.chunk(3)
        return fake.mean() - real.mean(), lesson.norms

    @torch.no_grad()
    def teach_clipped(
        self,
        seen: Tensor,
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
        seen (2n, W) the fakes, then the reals, condition (n,), share (n, 1), masks (3n, hidden) each
        """
        assert self.pac == 1, "rows judged together would share a gradient"
        lesson = self._lesson(seen, condition, share, masks, penalty, 1.0)
        first = Sides(self.first.dense, lesson.arrived, torch.cat([seen, lesson.uphill]))
        return self._add_clipped([first, *lesson.inner], condition, bound)

    def _enter(self, rows: Tensor, condition: Tensor, share: Tensor | None = None) -> Tensor:
        """Return the first layer's output in float32: of n rows, or of n fakes, n reals and the n points between them.

        The layer is linear, so the points come out of it as that mixture of what fake and real come out as.
        """
        n, weight = len(condition), self.first.dense.weight
        entered = weight.new_empty(len(rows) + (0 if share is None else n), self.hidden[0])
        start = self.first.start(condition, entered[:n])
        for more in range(n, len(rows), n):
            entered[more : more + n] = start
        if rows.dtype == weight.dtype:
            entered[: len(rows)].addmm_(rows, weight.T)
        else:
            entered[: len(rows)].add_(rows.mm(weight.T.to(rows.dtype)))
        if share is not None:
            fake, real, between = entered.view(3, len(share), -1)
            torch.sub(real, fake, out=between).mul_(share).add_(fake)
        return entered

    def _climb(self, entered: Tensor, masks: Sequence[Tensor]) -> Climb:
        """Go from the first layer's output, which is overwritten, to the scores."""
        by_pack = functional.leaky_relu_(entered, SLOPE).view(-1, self.pac, self.hidden[0])
        inputs = [by_pack.mean(1).mul_(masks[0])]
        for layer, mask in zip(self.inner[:-1], masks[1:], strict=True):
            inputs.append(functional.leaky_relu_(layer(inputs[-1]), SLOPE).mul_(mask))
        return Climb(self.inner[-1](inputs[-1]).squeeze(1), by_pack, inputs)

    def _down(self, by_scores: Tensor, climb: Climb, masks: Sequence[Tensor]) -> tuple[Tensor, list[Tensor]]:
        """Return the gradient by the first layer's output, (q p, hidden), and by each inner layer's (q, outputs), from one by the scores."""
        above = [by_scores]
        for layer, inputs, mask in zip(
            reversed(self.inner[1:]), reversed(climb.inputs[1:]), reversed(masks[1:]), strict=True
        ):
            by_inputs = above[-1].mm(layer.get_parameter("weight")).mul_(mask)
            above.append(_past_kink(by_inputs, inputs))
        by_pooled = above[-1].mm(self.inner[0].get_parameter("weight")).mul_(masks[0]).div_(self.pac)
        arrived = _past_kink(by_pooled[:, None].expand_as(climb.entered), climb.entered)
        return arrived.view(-1, self.hidden[0]), above[::-1]

    def _lesson(
        self, seen: Tensor, condition: Tensor, share: Tensor, masks: Sequence[Tensor], penalty: float, part: float
    ) -> Lesson:
        """Return what the gradient of part · Σ (fake score − real score + penalty · (‖∇‖ − 1)²) over the packs is made of.

        The gradient of a score by its rows is ∇ = W₁ᵀ(s₁ ⊙ W₂ᵀ(s₂ ⊙ w₃)); slopes and masks are constants between kinks. Each
        product in it is undone once on the way back, which is what double backward computes.
        """
        packs, n, weight = len(share), len(condition), self.first.dense.weight
        climb = self._climb(self._enter(seen, condition, share), masks)
        by_scores = share.new_full((3, packs, 1), part)
        by_scores[1], by_scores[2] = -part, 1.0
        arrived, above = self._down(by_scores.view(-1, 1), climb, masks)
        uphill = arrived[2 * n :].mm(weight)
        uphill[:, self.filled :].zero_()
        norms = torch.linalg.vector_norm(uphill.view(packs, self.pac, -1), dim=(1, 2))
        scale = 2 * penalty * part * (norms - 1) / norms.clamp(min=1e-12)
        uphill.view(packs, self.pac, -1).mul_(scale[:, None, None])
        last = climb.entered[2 * packs :]
        back = _past_kink(uphill.mm(weight.T).view_as(last), last).mean(1)
        inner: list[Sides] = []
        for layer, inputs, mask, over in zip(self.inner, climb.inputs, masks, above, strict=True):
            kink, mask = inputs[2 * packs :], mask[2 * packs :]
            back = back.mul_(mask) if not inner else _past_kink(back.mul_(mask), kink)
            kink.copy_(back)
            inner.append(Sides(layer, over, inputs))
            back = back.mm(layer.get_parameter("weight").T)
        return Lesson(climb.scores, norms, arrived, uphill, inner)

    def _add_clipped(self, products: list[Sides], condition: Tensor, bound: float) -> Tensor:
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
        add_rows(gradient_of(self.first.lookup), condition, entering)
        return squares.sqrt()


def _past_kink(gradient: Tensor, after: Tensor) -> Tensor:
    """Return a gradient by what went into a LeakyReLU from one by what came ``after`` it, be that multiplied by a mask besides."""
    return torch.ops.aten.leaky_relu_backward(gradient, after, SLOPE, True)


def _inner(sides: Tensor, records: int) -> Tensor:
    """Return (n, 3, 3): the inner products of a record's three vectors."""
    by_record = sides.view(3, records, -1).transpose(0, 1)
    return by_record @ by_record.transpose(1, 2)
