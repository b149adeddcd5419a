"""Torch parts with their shapes: layers with seeded initial weights, their gradients written out, and the coins of a dropout.

Nothing here reads or moves torch's global random state: weights and noise come from a ``torch.Generator`` that is
handed in. Shape suffixes: see :mod:`lookalike.model.nets.layout`.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn

from lookalike.model.nets.flat import add_rows, gradient_of


class _Unset(nn.Linear):
    """A linear layer whose weights are still to be drawn. ``torch.nn.utils.skip_init`` would load torch's compiler, .7 s."""

    def reset_parameters(self) -> None:
        """Draw nothing: torch's layer draws from its global generator here."""


def linear(inputs: int, outputs: int, generator: torch.Generator) -> nn.Linear:
    """Return a linear layer with torch's usual initial weights, U(±1/√inputs), drawn from ``generator``.

    >>> linear(3, 2, torch.Generator().manual_seed(0)).weight.shape
    torch.Size([2, 3])
    """
    layer = _Unset(inputs, outputs)
    bound = max(inputs, 1) ** -0.5
    with torch.no_grad():
        layer.weight.uniform_(-bound, bound, generator=generator)
        layer.bias.uniform_(-bound, bound, generator=generator)
    return layer


def collect(layer: nn.Module, x: Tensor, gradient: Tensor) -> None:
    """Add to a linear layer's ``grad`` what a gradient (n, outputs) by its output comes to, x (n, inputs) being what it got."""
    gradient_of(layer.get_parameter("weight")).addmm_(gradient.T, x)
    gradient_of(layer.get_parameter("bias")).add_(gradient.sum(0))


class ConditionalLinear(nn.Module):
    """Linear layer on ``x ⊕ one-hot(condition)``, the one-hot part being a row looked up instead of multiplied.

    Shape
    -----
    x (n, inputs), condition (n,) in [0, conditions) -> (n, outputs), written to ``out`` where that is given

    >>> layer = ConditionalLinear(4, 3, 2, torch.Generator().manual_seed(0))
    >>> layer(torch.zeros(5, 4), torch.tensor([0, 1, 2, 0, 0])).shape
    torch.Size([5, 2])
    """

    def __init__(self, inputs: int, conditions: int, outputs: int, generator: torch.Generator) -> None:
        super().__init__()
        self.dense = linear(inputs, outputs, generator)
        bound = (inputs + conditions) ** -0.5
        self.lookup = nn.Parameter(torch.empty(conditions, outputs).uniform_(-bound, bound, generator=generator))

    def forward(self, x: Tensor, condition: Tensor, out: Tensor | None = None) -> Tensor:
        return self.start(condition, out).addmm_(x, self.dense.weight.T)

    def start(self, condition: Tensor, out: Tensor | None = None) -> Tensor:
        """Return (n, outputs): what a row of noughts comes out as."""
        return torch.index_select(self.lookup + self.dense.bias, 0, condition, out=out)

    def collect(self, x: Tensor, condition: Tensor, gradient: Tensor) -> None:
        """Add to the weights' ``grad`` what a gradient (n, outputs) by the output comes to."""
        collect(self.dense, x, gradient)
        add_rows(gradient_of(self.lookup), condition, gradient)


@dataclass
class Passed:
    """What rows came out as, and what each layer got: (n, outputs), (n, inputs) a layer, or only the first one's."""

    output: Tensor
    inputs: list[Tensor]


class Layers(nn.Module):
    """Fully connected layers with ReLU between them, none after the last.

    ``frugal`` keeps only what went into the first one, and takes the rest anew on the way down.

    Shape
    -----
    (n, inputs) -> (n, outputs)

    >>> Layers(4, (8, 8), 3, torch.Generator().manual_seed(0))(torch.zeros(5, 4)).shape
    torch.Size([5, 3])
    """

    def __init__(
        self, inputs: int, hidden: Sequence[int], outputs: int, generator: torch.Generator, *, frugal: bool = False
    ) -> None:
        super().__init__()
        self.frugal = frugal
        sizes = [inputs, *hidden, outputs]
        self.layers = nn.ModuleList(linear(a, b, generator) for a, b in pairwise(sizes))

    def forward(self, x: Tensor) -> Tensor:
        return self.keep(x).output

    @torch.no_grad()
    def keep(self, x: Tensor) -> Passed:
        """Return what rows come out as, and what :meth:`learn` needs."""
        passed = self._through(x)
        return Passed(passed.output, [x]) if self.frugal else passed

    def _through(self, x: Tensor) -> Passed:
        inputs = [x]
        *inner, last = self.layers
        for layer in inner:
            inputs.append(layer(inputs[-1]).relu_())
        return Passed(last(inputs[-1]), inputs)

    @torch.no_grad()
    def learn(self, passed: Passed, gradient: Tensor) -> Tensor:
        """Add to the weights' ``grad`` what a gradient (n, outputs) by the output comes to; return that by what the first layer gave."""
        inputs = self._through(passed.inputs[0]).inputs if self.frugal else passed.inputs
        first, *inner = zip(self.layers, inputs, strict=True)
        for layer, x in reversed(inner):
            collect(layer, x, gradient)
            gradient = gradient.mm(layer.get_parameter("weight"))
            torch.ops.aten.threshold_backward.grad_input(gradient, x, 0, grad_input=gradient)
        collect(*first, gradient)
        return gradient

    @torch.no_grad()
    def below(self, gradient: Tensor) -> Tensor:
        """Return the gradient by the input, (n, inputs), from what :meth:`learn` returns: a product that the bottom of a net can do without."""
        return gradient.mm(self.layers[0].get_parameter("weight"))


def random_bits(count: int, dtype: torch.dtype, generator: torch.Generator) -> Tensor:
    """Return (count,) integers of ``dtype``, every bit a fair coin: drawn eight bytes at a time, where a number each would take several times as long.

    >>> random_bits(3, torch.uint8, torch.Generator().manual_seed(0)).shape
    torch.Size([3])
    """
    words = torch.empty(-(-count * dtype.itemsize // 8), dtype=torch.int64, device=generator.device)
    words.random_(-(2**63), None, generator=generator)
    return words.view(dtype)[:count]


def uniform(rows: int, width: int, generator: torch.Generator, low: float = 0.0) -> Tensor:
    """Return (rows, width) uniform numbers between ``low`` and 1, from 16 random bits each, in the middle of their step: never an end.

    >>> 0 < uniform(2, 3, torch.Generator().manual_seed(0)).min() < 1
    tensor(True)
    """
    step = (1 - low) * 2.0**-16
    bits = random_bits(rows * width, torch.int16, generator).view(rows, width)
    return bits.add(2.0**15 + 0.5 + low / step).mul_(step)


def normals(rows: int, width: int, generator: torch.Generator) -> Tensor:
    """Return standard normal noise (rows, width).

    From 16 bits each, which takes two thirds as long as torch's own: none is beyond 4.2, where one in 40,000 would be.

    >>> normals(2, 3, torch.Generator().manual_seed(0)).isfinite().all().item()
    True
    """
    return uniform(rows, width, generator, low=-1.0).erfinv_().mul_(math.sqrt(2))


def thinning(rows: int, width: int, dropout: float, generator: torch.Generator, dtype: torch.dtype) -> Tensor:
    """Return (rows, width) factors of a dropout layer: 0 with probability ``dropout`` (in steps of 1/256), else 1 / (1 - dropout).

    >>> 0.7 < (thinning(100, 100, 0.25, torch.Generator().manual_seed(0), torch.float32) > 0).float().mean() < 0.8
    tensor(True)
    """
    drawn = random_bits(rows * width, torch.uint8, generator).view(rows, width)
    return drawn.to(dtype).ge_(round(dropout * 256)).div_(1 - dropout)
