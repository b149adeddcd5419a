"""The masked net's gradients in closed form: a pass up and a pass down, then products over the batch.

Autograd would take some thirty small operations a column for it, and multiply through the half of the first layer that no column
sees. The tests hold it to autograd's figures.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional

from lookalike.model.nets.flat import add_rows, gradient_of, powers
from lookalike.model.nets.layers import thinning
from lookalike.model.nets.masked import FINE, MaskedNet


@dataclass
class Passes:
    """What both passes leave; n records, d columns, e embedding, h hidden.

    Shape
    -----
    surprise (d, n) −log p of the codes; slots (n, d); inputs (n, d, e) embeddings; middle, top (d, n, h) what the second layer and the heads get;
    and the gradients: by_inputs (n, d, e), by_below (n, d, h) and by_above (d, n, h) by what goes into the kinks of the first and
    second layer, by_logits (g, n, K) a group of heads
    """

    surprise: Tensor
    slots: Tensor
    inputs: Tensor
    middle: Tensor
    top: Tensor
    by_inputs: Tensor
    by_below: Tensor
    by_above: Tensor
    by_logits: list[Tensor]


@torch.no_grad()
def up_and_down(
    net: MaskedNet,
    codes: Tensor,
    layers: list[Tensor],
    *,
    weight: float | Tensor = 1.0,
    dropout: float = 0.0,
    draws: torch.Generator | None = None,
) -> Passes:
    """Return what the gradients of ``weight`` · Σ −log p(record) are made of.

    Shape
    -----
    codes (n, d), layers as :meth:`MaskedNet.layers` gives them; ``draws`` are the coins of the dropout, without which there is none
    """
    n, d, hidden = len(codes), net.columns, net.hidden
    slots = codes + net.offsets
    inputs = functional.embedding(slots, net.embeddings())
    rows = inputs.view(n, -1)
    below, biases = rows.new_empty(n, d * hidden), net.first_bias.flatten()
    for tile, layer in zip(net.tiles, layers, strict=True):
        units = net.units(tile)
        torch.addmm(biases[units], rows[:, : len(layer)], layer, out=below[:, units])
    below.relu_()
    if draws is not None:
        below.mul_(thinning(n, d * hidden, dropout, draws, below.dtype))
    middle = below.view(n, d, hidden).transpose(0, 1)
    above = torch.baddbmm(net.second_bias, middle, net.second).relu_()
    top = above + middle
    # signs, where a comparison would do: those give bools, and what bools multiply takes ten times as long
    kinks = above.sign_()
    if draws is not None:
        thinned = thinning(d * n, hidden, dropout, draws, top.dtype).view_as(top)
        top.mul_(thinned)
    by_top = torch.empty_like(top)
    surprise, drawn = torch.empty(d, n, 1, device=codes.device), codes.T.unsqueeze(2)
    minus, by_logits = surprise.new_full((), -1.0).expand_as(surprise), []
    for group, heads in net.grouped():
        own = heads.weight()
        logs = torch.baddbmm(heads.bias + heads.padding, top[group], own).float().log_softmax(2)
        torch.neg(logs.gather(2, drawn[group]), out=surprise[group])
        # not the exponential alone: of what is next to nothing it takes the processor a hundred times as long
        by = powers(logs).scatter_add_(2, drawn[group], minus[group]).mul_(weight).to(top.dtype)
        torch.bmm(by, own.transpose(1, 2), out=by_top[group])
        by_logits.append(by)
    if draws is not None:
        by_top.mul_(thinned)
    by_above = kinks.mul_(by_top)
    by_below = torch.baddbmm(by_top, by_above, net.second.transpose(1, 2)).transpose(0, 1).reshape(n, -1)
    # a unit that dropout left out is nought as one below its kink is; what stayed was scaled
    by_below.mul_(below.sign())
    if draws is not None:
        by_below.div_(1 - dropout)
    by_inputs = torch.zeros_like(rows)
    for tile, layer in zip(net.tiles, layers, strict=True):
        by_inputs[:, : len(layer)].addmm_(by_below[:, net.units(tile)], layer.T)
    return Passes(
        surprise.squeeze(2),
        slots,
        inputs,
        middle,
        top,
        by_inputs.view_as(inputs),
        by_below.view(n, d, hidden),
        by_above,
        by_logits,
    )


@torch.no_grad()
def collect(net: MaskedNet, p: Passes, seen: Tensor) -> None:
    """Add the records' gradients to the weights' ``grad``; ``seen`` (d, d) as :meth:`MaskedNet.sees` gives it."""
    rows, by_below = p.inputs.flatten(1), p.by_below.flatten(1)
    for tile, layer in zip(net.tiles, net.first, strict=True):
        gradient_of(layer).addmm_(rows[:, : len(layer)].T, by_below[:, net.units(tile)])
    hide_gradients(net, seen)
    gradient_of(net.first_bias).add_(p.by_below.sum(0))
    by_codes = torch.zeros_like(net.table)
    add_rows(by_codes, p.slots.flatten(), p.by_inputs.flatten(0, 1))
    gradient_of(net.table).add_(by_codes)
    gradient_of(net.reading).addmm_(net.features.T, by_codes)
    gradient_of(net.second).baddbmm_(p.middle.transpose(1, 2), p.by_above)
    gradient_of(net.second_bias).add_(p.by_above.sum(1, keepdim=True))
    for (group, heads), by in zip(net.grouped(), p.by_logits, strict=True):
        part = p.top[group].transpose(1, 2)
        gradient_of(heads.bias).add_(by.sum(1, keepdim=True))
        if heads.scale:
            by_weight = part @ by
            gradient_of(heads.single).add_(by_weight, alpha=FINE)
            gradient_of(heads.shared).baddbmm_(by_weight, heads.hats.transpose(1, 2))
        else:
            gradient_of(heads.single).baddbmm_(part, by)


def hide_gradients(net: MaskedNet, seen: Tensor) -> None:
    """Set to nought what the first layer would learn between columns that do not see each other, be it noise."""
    net.hide([gradient_of(layer) for layer in net.first], seen)
