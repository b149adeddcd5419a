"""Gradients of single records of the masked net: their norms, and their sum once clipped, without holding a single one.

Every weight of the net takes part in one product a record, so a record's gradient by it is an outer product whose norm is that of
two vectors (Goodfellow 2015, arXiv 1510.01799; Li et al. 2022, arXiv 2110.05679, section 4). One pass up and one pass down give the
vectors; the clipped sum is then a product over the batch, as in plain training. The tests hold it to ``torch.func.vmap(grad)``.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from lookalike.model.nets.flat import gradient_of
from lookalike.model.nets.masked import FINE, Head, MaskedNet


def factors(squares: Tensor, bound: float) -> Tensor:
    """Return what each record's gradient is multiplied by so that its norm is at most ``bound``.

    A norm that is not finite gives 0: a record whose gradient overflows must not move the sum beyond the bound either.

    >>> factors(torch.tensor([0.25, 4.0, torch.inf, torch.nan]), 1.0).tolist()
    [1.0, 0.4999999403953552, 0.0, 0.0]
    """
    # a hair less than the bound, so that rounding in the sum does not pass it
    scale = (bound / (squares.sqrt() * (1 + 1e-7) + 1e-12)).clamp(max=1.0)
    return torch.where(squares.isfinite(), scale, 0.0)


@dataclass
class Passes:
    """What one pass up and one down leave: n records, d columns, e embedding, h hidden.

    Shape
    -----
    slots (n, d); inputs (n, d, e) embeddings and their gradient ``by_inputs``; first, second (d, n, h) outputs of the two layers, and the gradients by
    what goes into their kinks, ``by_first`` (n, d, h) and ``by_second`` (d, n, h); by_logits d times (n, K)
    """

    slots: Tensor
    inputs: Tensor
    by_inputs: Tensor
    first: Tensor
    by_first: Tensor
    by_second: Tensor
    top: Tensor
    by_logits: list[Tensor]


def _passes(net: MaskedNet, codes: Tensor, first: Tensor) -> Passes:
    n = len(codes)
    slots = codes + net.offsets
    inputs = functional.embedding(slots, net.embeddings())
    below = torch.addmm(net.first_bias.flatten(), inputs.flatten(1), first)
    h1 = below.relu().view(n, net.columns, net.hidden).transpose(0, 1)
    above = torch.baddbmm(net.second_bias, h1, net.second)
    top = above.relu() + h1
    by_logits, by_top = [], torch.empty_like(top)
    for j, (head, part) in enumerate(zip(net.heads, top.unbind(0), strict=True)):
        assert isinstance(head, Head)
        weight = head.weight()
        by = torch.addmm(head.usual + head.bias, part, weight).softmax(1)
        by.scatter_add_(1, codes[:, j : j + 1], by.new_full((n, 1), -1.0))
        by_logits.append(by)
        torch.mm(by, weight.T, out=by_top[j])
    by_second = by_top * (above > 0)
    by_first = torch.baddbmm(by_top, by_second, net.second.transpose(1, 2))
    by_first = by_first.transpose(0, 1).reshape(n, -1).mul_(below > 0)
    by_inputs = by_first.mm(first.T).view_as(inputs)
    return Passes(slots, inputs, by_inputs, h1, by_first.view(n, net.columns, net.hidden), by_second, top, by_logits)


def _squares(net: MaskedNet, seen: Tensor, codes: Tensor, p: Passes) -> Tensor:
    """Return (n,) squared norms of the records' gradients by all weights."""
    inputs, by_first = p.inputs.square().sum(2), p.by_first.square().sum(2)  # (n, d) each
    found = ((inputs @ seen) * by_first).sum(1) + by_first.sum(1)
    found += p.by_inputs.square().sum(
        (1, 2)
    )  # a record's codes have slots of their own, so nothing adds up in the table
    found += torch.einsum("ndf,nde->nfe", net.features[p.slots], p.by_inputs).square().sum((1, 2))
    by_second = p.by_second.square().sum(2)
    found += (by_second * (p.first.square().sum(2) + 1)).sum(0)
    for head, part, by in zip(net.heads, p.top.unbind(0), p.by_logits, strict=True):
        assert isinstance(head, Head)
        size, by_logits = part.square().sum(1), by.square().sum(1)
        if head.scale:
            found += size * (FINE**2 * by_logits + (by @ head.hats.T).square().sum(1)) + by_logits
        else:
            found += (size + 1) * by_logits
    return found


@torch.no_grad()
def add_clipped(net: MaskedNet, codes: Tensor, ranks: Tensor, bound: float) -> Tensor:
    """Add to the weights' ``grad`` the records' gradients of −log p(record), each clipped to ``bound``; return their norms.

    Shape
    -----
    codes (n, d), ranks (d,) -> (n,)
    """
    seen = (ranks[:, None] < ranks).to(net.first.dtype)
    mask = seen[:, None, :, None]
    passes = _passes(net, codes, (net.first * mask).view(net.columns * net.embedding, -1))
    squares = _squares(net, seen, codes, passes)
    keep = factors(squares, bound)
    _collect(net, mask, passes, keep)
    return squares.sqrt()


def _collect(net: MaskedNet, mask: Tensor, p: Passes, keep: Tensor) -> None:
    n = len(keep)
    # where a record is left out for its size, nothing of it may come in as 0 · inf
    p = _without(p, keep == 0) if bool((keep == 0).any()) else p
    by_first = p.by_first * keep[:, None, None]
    gradient_of(net.first).add_((p.inputs.flatten(1).T @ by_first.flatten(1)).view_as(net.first) * mask)
    gradient_of(net.first_bias).add_(by_first.sum(0))
    by_codes = torch.zeros_like(net.table)
    by_codes.index_add_(0, p.slots.flatten(), (p.by_inputs * keep[:, None, None]).flatten(0, 1))
    gradient_of(net.table).add_(by_codes)
    gradient_of(net.reading).add_(net.features.T @ by_codes)
    by_second = p.by_second * keep[:, None]
    gradient_of(net.second).baddbmm_(p.first.transpose(1, 2), by_second)
    gradient_of(net.second_bias).add_(by_second.sum(1, keepdim=True))
    assert len(p.top[0]) == n
    for head, part, by in zip(net.heads, p.top.unbind(0), p.by_logits, strict=True):
        assert isinstance(head, Head)
        by = by * keep[:, None]
        gradient_of(head.bias).add_(by.sum(0))
        by_weight = part.T @ by
        if head.scale:
            gradient_of(head.single).add_(by_weight, alpha=FINE)
            gradient_of(head.shared).addmm_(by_weight, head.hats.T)
        else:
            gradient_of(head.single).add_(by_weight)


def _without(p: Passes, rows: Tensor) -> Passes:
    """The passes with all that some records left set to nought."""

    def clear(part: Tensor, axis: int) -> Tensor:
        shape = [1] * part.dim()
        shape[axis] = len(rows)
        return part.masked_fill(rows.view(shape), 0)

    return Passes(
        p.slots,
        clear(p.inputs, 0),
        clear(p.by_inputs, 0),
        clear(p.first, 1),
        clear(p.by_first, 0),
        clear(p.by_second, 1),
        clear(p.top, 1),
        [clear(by, 0) for by in p.by_logits],
    )
