"""All columns of a row at once: the softmax of every span of slots, activated rows.

A span is a column's slots. The gradients are written out: a graph of ten small steps would take longer than the sums.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from lookalike.model.nets.flat import powers
from lookalike.model.nets.layers import uniform
from lookalike.model.nets.layout import Layout


def powers_and_totals(logits: Tensor, layout: Layout) -> tuple[Tensor, Tensor, Tensor]:
    """Return e^(x − top), not less than ``FAINT``, its sum a span and the top a span: (n, C), (n, d), (n, d)."""
    top = logits.new_full((len(logits), len(layout.columns)), -torch.inf)
    top.scatter_reduce_(1, layout.segment.expand_as(logits), logits, "amax")
    raised = powers(logits.sub(layout.spread(top)))
    return raised, layout.sums(raised), top


class _SegmentedSoftmax(torch.autograd.Function):
    """Softmax inside each segment of the last dimension, with its closed-form gradient y ⊙ (g − Σ_segment y ⊙ g)."""

    @staticmethod
    def forward(ctx: Any, logits: Tensor, layout: Layout) -> Tensor:
        y, total, _ = powers_and_totals(logits, layout)
        y.div_(layout.spread(total))
        ctx.save_for_backward(y)
        ctx.layout = layout
        return y

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        (y,) = ctx.saved_tensors
        return _softmax_backward(gradient, y, ctx.layout), None


def _softmax_backward(gradient: Tensor, y: Tensor, layout: Layout) -> Tensor:
    weighted = y * gradient
    total = layout.sums(weighted)
    return weighted.addcmul_(y, layout.spread(total), value=-1.0)


def segmented_softmax(logits: Tensor, layout: Layout) -> Tensor:
    """Return the softmax of each column's slots, all columns at once.

    Shape
    -----
    logits (n, C) -> (n, C)

    >>> import numpy as np
    >>> from lookalike.schema.encoded import EncodedColumn
    >>> layout = Layout([EncodedColumn("a", 2, np.zeros(2, bool)), EncodedColumn("b", 4, np.zeros(4, bool))])
    >>> segmented_softmax(torch.zeros(1, 6), layout).tolist()
    [[0.5, 0.5, 0.25, 0.25, 0.25, 0.25]]
    """
    y: Tensor = _SegmentedSoftmax.apply(logits, layout)
    return y


def gumbel(rows: int, slots: int, generator: torch.Generator) -> Tensor:
    """Return standard Gumbel noise (rows, slots), for all columns in one draw.

    From 16 bits each: a number from all 32 takes twice as long, and only shows where the noise is beyond 11.

    >>> gumbel(2, 3, torch.Generator().manual_seed(0)).isfinite().all().item()
    True
    """
    return uniform(rows, slots, generator).log_().neg_().log_().neg_()


@dataclass
class Activated:
    """Rows, and what their gradient takes.

    Shape
    -----
    rows (n, W); bent (n, R) the tanh of the residuals; inside (n, R) the probability of an interval
    """

    rows: Tensor
    bent: Tensor
    inside: Tensor
    layout: Layout
    temperature: float

    def gradient(self, by_rows: Tensor) -> Tensor:
        """Return a gradient by the raw output, (n, W), from one by the rows."""
        layout, by_raw = self.layout, torch.empty_like(by_rows)
        by_codes, by_residuals = by_rows[:, : layout.slots], layout.residuals_in(by_rows)
        if layout.residuals:
            by_codes = torch.addmm(by_codes, by_residuals * self.bent, layout.interval.T)
        by_logits = _softmax_backward(by_codes, self.rows[:, : layout.slots], layout)
        torch.div(by_logits, self.temperature, out=by_raw[:, : layout.slots])
        by_bent = (1 - self.bent.square()).mul_(self.inside)
        torch.mul(by_bent, by_residuals, out=layout.residuals_in(by_raw))
        by_raw[:, layout.filled :].zero_()
        return by_raw


def activate(raw: Tensor, noise: Tensor, layout: Layout, temperature: float, out: Tensor | None = None) -> Activated:
    """Turn a generator's raw output into rows: Gumbel softmax on the codes, tanh on the residuals (paper, section 4.4).

    NOTE[DIFF]: a residual is multiplied by the probability that its column's code is an interval. In the data it is 0
    beside a spike or a missing value, and the critic would otherwise tell rows apart by that alone.

    Shape
    -----
    raw (n, W), noise (n, C) -> rows (n, W), written to ``out`` where that is given
    """
    rows = torch.empty_like(raw) if out is None else out
    logits = torch.add(raw[:, : layout.slots], noise, out=rows[:, : layout.slots]).div_(temperature)
    raised, total, _ = powers_and_totals(logits, layout)
    codes = torch.div(raised, layout.spread(total), out=logits)
    bent = layout.residuals_in(raw).tanh()
    inside = codes @ layout.interval
    torch.mul(bent, inside, out=layout.residuals_in(rows))
    rows[:, layout.filled :].zero_()
    return Activated(rows, bent, inside, layout, temperature)
