"""Gradients of single records of the masked net: their norms, and their sum once clipped, without holding a single one.

Every weight of the net takes part in one product a record, so a record's gradient by it is an outer product whose norm is that of
two vectors (Goodfellow 2015, arXiv 1510.01799; Li et al. 2022, arXiv 2110.05679, section 4). One pass up and one pass down give the
vectors; the clipped sum is then a product over the batch, as in plain training. The tests hold it to ``torch.func.vmap(grad)``.
"""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from lookalike.model.nets.masked import FINE, MaskedNet
from lookalike.model.nets.passes import Passes, collect, up_and_down


def factors(squares: Tensor, bound: float) -> Tensor:
    """Return what each record's gradient is multiplied by so that its norm is at most ``bound``.

    A norm that is not finite gives 0: a record whose gradient overflows must not move the sum beyond the bound either.

    >>> factors(torch.tensor([0.25, 4.0, torch.inf, torch.nan]), 1.0).tolist()
    [1.0, 0.4999999403953552, 0.0, 0.0]
    """
    # a hair less than the bound, so that rounding in the sum does not pass it
    scale = (bound / (squares.sqrt() * (1 + 1e-7) + 1e-12)).clamp(max=1.0)
    return torch.where(squares.isfinite(), scale, 0.0)


def _squares(net: MaskedNet, seen: Tensor, p: Passes) -> Tensor:
    """Return (n,) squared norms of the records' gradients by all weights."""
    inputs, by_below = p.inputs.square().sum(2), p.by_below.square().sum(2)  # (n, d) each
    found = ((inputs @ seen) * by_below).sum(1) + by_below.sum(1)
    found += p.by_inputs.square().sum(
        (1, 2)
    )  # a record's codes have slots of their own, so nothing adds up in the table
    found += torch.einsum("ndf,nde->nfe", net.features[p.slots], p.by_inputs).square().sum((1, 2))
    by_above = p.by_above.square().sum(2)
    found += (by_above * (p.middle.square().sum(2) + 1)).sum(0)
    for (group, heads), by in zip(net.grouped(), p.by_logits, strict=True):
        size, by_logits = p.top[group].square().sum(2), by.square().sum(2)
        if heads.scale:
            shared = (by @ heads.hats.transpose(1, 2)).square().sum(2)
            found += (size * (FINE**2 * by_logits + shared) + by_logits).sum(0)
        else:
            found += ((size + 1) * by_logits).sum(0)
    return found


@torch.no_grad()
def add_clipped(net: MaskedNet, codes: Tensor, seen: Tensor, bound: float) -> Tensor:
    """Add to the weights' ``grad`` the records' gradients of −log p(record), each clipped to ``bound``; return their norms.

    Shape
    -----
    codes (n, d), seen (d, d) -> (n,)
    """
    passes = up_and_down(net, codes, net.layers(seen))
    squares = _squares(net, seen, passes)
    collect(net, _weighted(passes, factors(squares, bound)), seen)
    return squares.sqrt()


def _weighted(p: Passes, keep: Tensor) -> Passes:
    """The passes with each record's gradients times what is kept of it. Of a record that is left out for its size nothing may come in
    as 0 · inf, on either side of a product."""
    none = keep == 0

    def clear(part: Tensor, axis: int) -> Tensor:
        return part.masked_fill(along(none, part, axis), 0) if bool(none.any()) else part

    def weigh(part: Tensor, axis: int) -> Tensor:
        return clear(part * along(keep, part, axis), axis)

    def along(figures: Tensor, part: Tensor, axis: int) -> Tensor:
        shape = [1] * part.dim()
        shape[axis] = len(figures)
        return figures.view(shape)

    return replace(
        p,
        inputs=clear(p.inputs, 0),
        middle=clear(p.middle, 1),
        top=clear(p.top, 1),
        by_inputs=weigh(p.by_inputs, 0),
        by_below=weigh(p.by_below, 0),
        by_above=weigh(p.by_above, 1),
        by_logits=[weigh(by, 1) for by in p.by_logits],
    )
