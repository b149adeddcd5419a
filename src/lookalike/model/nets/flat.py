"""All weights of a net in one tensor: Adam, and whatever else goes over every weight, is one operation."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable
from typing import Generic, TypeVar

import torch
from torch import Tensor, nn

ALIGNMENT = 16
"""Weights, and each row of a wide one, start at a multiple of 64 bytes, and rows of data are as many numbers wide, as matrix products like
it (1,000 rows of 191 and of 192 by 256: 233 and 308 GFLOP/s)."""
FAINT = 1e-17
"""Next to nothing; a thousandth of its square is still no denormal number (below 1.2e-38), with which processors take a hundred times as long."""
Net = TypeVar("Net", bound=nn.Module)


def flatten(net: nn.Module) -> nn.Parameter:
    """Move the weights of ``net`` and their gradients into one vector each, which this returns; ``net`` keeps views.

    Gradients are collected in place: set them to zero (``flat.grad.zero_()``), never to None. Moving ``net`` to another
    device afterwards would break the tie.

    >>> net = nn.Linear(2, 1)
    >>> flat = flatten(net)
    >>> with torch.no_grad():
    ...     _ = flat.fill_(1.0)
    >>> net(torch.ones(1, 2)).sum().backward()
    >>> net.weight.tolist(), flat.shape, flat.grad.sum().item()
    ([[1.0, 1.0]], torch.Size([32]), 3.0)
    """
    parameters = list(net.parameters())
    sizes = [_room(parameter) for parameter in parameters]
    flat = nn.Parameter(torch.zeros(sum(sizes), device=parameters[0].device, dtype=parameters[0].dtype))
    flat.grad = torch.zeros_like(flat)
    for parameter, values, gradients in zip(parameters, flat.data.split(sizes), flat.grad.split(sizes), strict=True):
        placed = _place(values, parameter).copy_(parameter.data)
        parameter.data, parameter.grad = placed, _place(gradients, parameter)
    return flat


def aligned(count: int) -> int:
    """Return the least multiple of :data:`ALIGNMENT` that is not below ``count``.

    >>> aligned(20), aligned(32)
    (32, 32)
    """
    return -(-count // ALIGNMENT) * ALIGNMENT


def _wide(parameter: Tensor) -> bool:
    """Whether the rows of a weight are long enough to leave places between them."""
    return parameter.dim() == 2 and parameter.shape[1] >= 4 * ALIGNMENT


def _room(parameter: Tensor) -> int:
    """Places that a weight takes up in the vector."""
    return len(parameter) * aligned(parameter.shape[1]) if _wide(parameter) else aligned(parameter.numel())


def _place(room: Tensor, parameter: Tensor) -> Tensor:
    """Return where in its room a weight lies."""
    if _wide(parameter):
        return room.view(len(parameter), -1)[:, : parameter.shape[1]]
    return room[: parameter.numel()].view_as(parameter)


class Weights(Generic[Net]):
    """A net's weights in float32, and the net that takes the products: a copy in ``dtype``, or the net itself in float32.

    Adam changes the float32 weights by gradients that the other net collected; rounding never adds up over steps
    (Micikevicius et al. 2018, arXiv 1710.03740, section 3.1). Converting all weights at once costs two operations a step,
    where autocast converts each operand of each product.

    Attributes
    ----------
    master
        Every weight, float32: what the optimizer, averaging and checkpoints see, through the net given.
    net
        The net to call while training.

    >>> net = nn.Linear(2, 1).requires_grad_(False)
    >>> _ = net.weight.fill_(1.0), net.bias.fill_(0.0), net.requires_grad_(True)
    >>> weights = Weights(net, torch.bfloat16)
    >>> weights.net(torch.ones(1, 2, dtype=torch.bfloat16)).sum().backward()
    >>> weights.collect()
    >>> net.weight.grad.tolist()
    [[1.0, 1.0]]
    """

    def __init__(self, net: Net, dtype: torch.dtype) -> None:
        self.master = flatten(net)
        self._rooms = [(name, _room(parameter)) for name, parameter in net.named_parameters()]
        self.net, self.low = net, self.master
        if dtype != torch.float32:
            self.net = copy.deepcopy(net).to(dtype)
            self.low = flatten(self.net)

    def figures(self, of: Callable[[str], float]) -> Tensor:
        """Return (size of ``master``,) a figure for every weight, by the name that its tensor has in the net.

        >>> net = nn.Linear(3, 1)
        >>> Weights(net, torch.float32).figures(lambda name: float(name == "bias")).sum().item()
        16.0
        """
        parts = [self.master.new_full((room,), of(name)) for name, room in self._rooms]
        return torch.cat(parts).detach()

    def clear(self) -> None:
        """Set all gradients to next to nothing: with nought, step after step, Adam's moments would fade to denormal numbers."""
        gradient_of(self.low).fill_(FAINT)

    def collect(self) -> None:
        """Take the gradients over to the float32 weights."""
        if self.low is not self.master:
            gradient_of(self.master).copy_(gradient_of(self.low))

    @torch.no_grad()
    def spread(self) -> None:
        """Take the float32 weights over to the net that takes the products."""
        if self.low is not self.master:
            self.low.copy_(self.master)


def powers(exponents: Tensor) -> Tensor:
    """Return e^x for exponents of at most about nought, in their place; what would be less than :data:`FAINT` is that.

    >>> [f"{power:.1e}" for power in powers(torch.tensor([0.0, -1.0, -95.0]))]
    ['1.0e+00', '3.7e-01', '1.0e-17']
    """
    return exponents.clamp_(min=math.log(FAINT)).exp_()


def add_rows(into: Tensor, places: Tensor, rows: Tensor) -> None:
    """Add rows (n, m) to those of ``into`` that (n,) places name, always in the same order.

    On CUDA ``index_add_`` adds in the order in which its threads arrive, and so does an embedding's gradient: the same seed would give
    other weights. ``index_put_`` sorts first; unsafe, it does not look whether the places are there, which no recorded step may.

    >>> total = torch.zeros(2, 1)
    >>> add_rows(total, torch.tensor([0, 1, 1]), torch.ones(3, 1))
    >>> total.tolist()
    [[1.0], [2.0]]
    """
    if into.is_cuda:
        torch.ops.aten._index_put_impl_(into, [places], rows, True, True)
    else:
        into.index_add_(0, places, rows)


def gradient_of(weight: Tensor | nn.Module) -> Tensor:
    """Return where a weight's gradient is collected."""
    assert isinstance(weight, Tensor)
    if weight.grad is None:
        weight.grad = torch.zeros_like(weight)
    return weight.grad
