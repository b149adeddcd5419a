"""CTGAN's generator (paper, section 4.4), its gradients in closed form: one buffer holds what every block gets and gives.

Autograd would lay a new buffer for every join, and multiply down to the noise, which learns nothing. The tests hold it to autograd's figures.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lookalike.model.nets.flat import gradient_of
from lookalike.model.nets.layers import ConditionalLinear

MOMENTUM = 1.0
"""BatchNorm keeps the statistics of the last batch alone."""
EPSILON = 1e-5
"""What BatchNorm adds to a variance."""


@dataclass
class Made:
    """What one pass upwards leaves for the pass down; n rows, b blocks.

    Shape
    -----
    raw (n, W); joined (n, Σ hidden + embedding) what the last layer got: the last block's output, ..., the first one's, the noise;
    entered (n, hidden) a block what its BatchNorm got, none where memory is to be saved; statistics a block the batch's mean
    and inverse deviation (hidden,)
    """

    raw: Tensor
    joined: Tensor
    condition: Tensor
    entered: list[Tensor | None]
    statistics: list[tuple[Tensor, Tensor]]


class RowMaker(nn.Module):
    """CTGAN's generator (paper, section 4.4): residual blocks FC → BatchNorm → ReLU, each joined to its own input.

    BatchNorm keeps the statistics of the last batch it saw in training mode; :meth:`settle` makes that one large batch
    under the weights that will sample, so that a sampled row does not depend on the rows drawn beside it. ``frugal`` takes
    what each BatchNorm got anew on the way down, where else it is kept.

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
        self.frugal, self.hidden = frugal, tuple(hidden)
        self.blocks, self.norms = nn.ModuleList(), nn.ModuleList()
        inputs = embedding
        for size in hidden:
            self.blocks.append(ConditionalLinear(inputs, conditions, size, generator))
            self.norms.append(nn.BatchNorm1d(size, momentum=MOMENTUM, eps=EPSILON))
            inputs += size
        self.out = ConditionalLinear(inputs, conditions, width, generator)

    def forward(self, noise: Tensor, condition: Tensor) -> Tensor:
        return self.make(noise, condition).raw

    @torch.no_grad()
    def make(self, noise: Tensor, condition: Tensor) -> Made:
        """Return the raw output, and what :meth:`learn` needs."""
        learned = sum(self.hidden)
        joined = noise.new_empty(len(noise), learned + noise.shape[1])
        joined[:, learned:] = noise
        entered: list[Tensor | None] = []
        statistics: list[tuple[Tensor, Tensor]] = []
        for (start, end), block, norm in zip(self._places(), self.blocks, self.norms, strict=True):
            assert isinstance(block, ConditionalLinear)
            came = block(joined[:, end:], condition)
            normed, mean, inverse = torch.native_batch_norm(came, *_parts(norm), self.training, MOMENTUM, EPSILON)
            torch.clamp(normed, min=0, out=joined[:, start:end])
            entered.append(None if self.frugal else came)
            statistics.append((mean, inverse))
        return Made(self.out(joined, condition), joined, condition, entered, statistics)

    @torch.no_grad()
    def learn(self, made: Made, by_raw: Tensor) -> None:
        """Add to the weights' ``grad`` what a gradient (n, W) by the raw output comes to; ``made`` in training mode."""
        learned, joined = sum(self.hidden), made.joined
        self.out.collect(joined, made.condition, by_raw)
        by_joined = by_raw.mm(self.out.dense.weight[:, :learned])
        steps = zip(self._places(), self.blocks, self.norms, made.entered, made.statistics, strict=True)
        for (start, end), block, norm, kept, statistics in reversed(list(steps)):
            assert isinstance(block, ConditionalLinear)
            came = block(joined[:, end:], made.condition) if kept is None else kept
            by_normed = torch.ops.aten.threshold_backward(by_joined[:, start:end], joined[:, start:end], 0)
            scale, _, *running = _parts(norm)
            by_entered, by_scale, by_shift = torch.ops.aten.native_batch_norm_backward(
                by_normed, came, scale, *running, *statistics, True, EPSILON, [True, True, True]
            )
            gradient_of(norm.weight).add_(by_scale)
            gradient_of(norm.bias).add_(by_shift)
            block.collect(joined[:, end:], made.condition, by_entered)
            by_joined[:, end:].addmm_(by_entered, block.dense.weight[:, : learned - end])

    def _places(self) -> list[tuple[int, int]]:
        """Return each block's columns in what the last layer gets; its input is all that follows them."""
        places, end = [], sum(self.hidden)
        for size in self.hidden:
            places.append((end - size, end))
            end -= size
        return places

    @torch.no_grad()
    def settle(self, noise: Tensor, condition: Tensor) -> None:
        """Take BatchNorm's statistics from this batch and leave the net in evaluation mode."""
        for norm in self.norms:
            assert isinstance(norm, nn.BatchNorm1d)
            norm.reset_running_stats()
        self.train()
        self(noise, condition)
        self.eval()


def _parts(norm: nn.Module) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    assert isinstance(norm, nn.BatchNorm1d)
    assert norm.running_mean is not None and norm.running_var is not None
    return norm.weight, norm.bias, norm.running_mean, norm.running_var
