"""How far the pair tables of generated rows are from those of real rows: CTGAN's term against mode collapse.

NOTE[DIFF]: the paper trusts packs of rows (PacGAN) alone to keep the generator diverse. Matching the tables of all pairs
of columns besides (feature matching, Salimans et al. 2016, arXiv 1606.03498, on the very tables that matter) took adult
from a quality of .953 to .969 after 60 epochs, shape and trend both. It is off by default all the same: what it matches in
training is close to what a report measures, and a figure that is trained for says less.
"""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional

from lookalike.model.nets.layout import Layout
from lookalike.model.nets.spans import segmented_softmax

CODES = 16
"""A column with more codes has them thrown together at random into so many groups, anew each step."""
COLUMNS = 64
"""Of more columns so many are drawn, anew each step. Both bound the cost of wide tables without leaving anything out."""


class PairTables:
    """Compares the pair tables of generated and real rows.

    >>> import numpy as np
    >>> from lookalike.schema.encoded import EncodedColumn
    >>> pairs = PairTables(Layout([EncodedColumn(name, 2, np.zeros(2, bool)) for name in "ab"]))
    >>> rows = torch.tensor([[1.0, 0.0, 1.0, 0.0], [0.0, 1.0, 0.0, 1.0]]).repeat(500, 1)
    >>> draws = torch.Generator().manual_seed(0)
    >>> pairs(9 * rows, rows, draws) < pairs(0 * rows, rows, draws)
    tensor(True)
    """

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self.sizes = layout.cardinalities.clamp(max=CODES)
        self.whole = len(layout.columns) <= COLUMNS and bool((layout.cardinalities <= CODES).all())
        self.code = torch.arange(layout.slots, device=layout.device) - layout.offsets[layout.segment]
        self.wide = (layout.cardinalities > CODES)[layout.segment]

    def __call__(self, raw: Tensor, real: Tensor, draws: torch.Generator) -> Tensor:
        """Return the squared distance between the two samples' pair tables, estimated without bias.

        The generated table of columns a and b is the mean over rows of p_a p_bᵀ, with p the softmax of a row's logits. Given
        its noise a row's codes are drawn independently, so this is the very expectation of the table that sampling gives;
        unlike rows activated at a low temperature, it has gradients everywhere. What a row would add by its likeness to
        itself is left out: with it, a small batch would reward blurred rows. A residual is one more entry beside the codes.

        Shape
        -----
        raw (n, W) logits and residuals before tanh, real (n, W) rows -> ()
        """
        layout = self.layout
        codes = segmented_softmax(raw[:, : layout.slots], layout)
        made = torch.cat([codes, layout.residuals_in(raw).tanh() * (codes @ layout.interval)], dim=1)
        real = real[:, : layout.filled]
        place, column = self._places(draws)
        if not self.whole:
            width = len(column) + 1  # the last place collects what is left out
            made, real = (rows.new_zeros(len(rows), width).index_add(1, place, rows)[:, :-1] for rows in (made, real))
        member = functional.one_hot(column, len(layout.columns)).float()
        apart = (made.T @ made - real.T @ real) * (1.0 - member @ member.T)
        size = made.square() @ member
        alike = size.sum(1).square().sum() - size.square().sum()
        return (apart.square().sum() - alike) / len(raw) ** 2

    def _places(self, draws: torch.Generator) -> tuple[Tensor, Tensor]:
        """Return (W,) where each entry of a row goes in the narrower rows compared, and the column of each of their entries."""
        layout, count, device = self.layout, len(self.layout.columns), self.layout.device
        chosen = torch.ones(count, dtype=torch.bool, device=device)
        if count > COLUMNS:
            chosen[torch.randperm(count, generator=draws, device=device)[COLUMNS:]] = False
        sizes = self.sizes * chosen
        first, slots = sizes.cumsum(0) - sizes, int(sizes.sum())
        group = torch.randint(CODES, (layout.slots,), generator=draws, device=device)
        code_place = first[layout.segment] + torch.where(self.wide, group, self.code)
        kept = chosen[layout.residual_columns]
        width = slots + int(kept.sum())
        residual_place = slots + kept.cumsum(0) - 1
        place = torch.cat(
            [
                code_place.where(chosen[layout.segment], width),
                residual_place.where(kept, torch.full_like(residual_place, width)),
            ]
        )
        return place, torch.cat(
            [torch.arange(count, device=device).repeat_interleave(sizes), layout.residual_columns[kept]]
        )
