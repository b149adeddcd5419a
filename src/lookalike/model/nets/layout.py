"""How a net sees a row: one-hot(code) of every column, then one residual for each column that has intervals, then noughts.

Legend of shape suffixes in ``model/``: n rows, d columns, C one-hot slots in all (the sum of the cardinalities),
R residuals, W the width of a row, C + R up to a multiple of 16 (see ``flat.ALIGNMENT``), p rows in a pack.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from lookalike.model.nets.flat import aligned
from lookalike.schema.encoded import EncodedColumn, EncodedTable

MODERATE = 60.0
"""Logits below this can be exponentiated as they are: 1e26, and float32 holds the sum of a billion of them."""

FEW_COLUMNS = 64
"""Of as many columns, sums over each one's slots are faster as a product with who belongs where than added one by one."""


class Layout:
    """Positions of codes and residuals in a row of width W, and the way back.

    Attributes
    ----------
    offsets
        (d,) the first slot of each column.
    filled
        C + R; what follows in a row is nought.
    segment
        (C,) the column each slot belongs to.
    residual_columns
        (R,) the columns that have a residual.
    interval
        (C, R) 1 where a slot is an interval code of the column of that residual, else 0.

    >>> yes_no = EncodedColumn("member", 2, np.zeros(2, bool))
    >>> amount = EncodedColumn("amount", 3, np.array([False, True, True]))
    >>> layout = Layout([yes_no, amount])
    >>> layout.filled, layout.width, layout.segment.tolist(), layout.interval.flatten().tolist()
    (6, 16, [0, 0, 1, 1, 1], [0.0, 0.0, 0.0, 1.0, 1.0])
    """

    def __init__(self, columns: Sequence[EncodedColumn], device: torch.device | str = "cpu") -> None:
        self.columns = tuple(columns)
        self.device = torch.device(device)
        cardinalities = np.array([column.cardinality for column in columns], dtype=np.int64)
        offsets = np.concatenate([[0], np.cumsum(cardinalities)])
        residual_columns = np.array([j for j, column in enumerate(columns) if column.has_residual], dtype=np.int64)
        interval = np.zeros((offsets[-1], len(residual_columns)), dtype=np.float32)
        for position, j in enumerate(residual_columns):
            interval[offsets[j] : offsets[j + 1], position] = columns[j].interval
        self.slots, self.residuals = int(offsets[-1]), len(residual_columns)
        self.filled = self.slots + self.residuals
        self.width = aligned(self.filled)
        self.cardinalities = torch.from_numpy(cardinalities).to(self.device)
        self.offsets = torch.from_numpy(offsets[:-1].copy()).to(self.device)
        self.segment = torch.repeat_interleave(torch.arange(len(self.columns)), torch.from_numpy(cardinalities)).to(
            self.device
        )
        self.residual_columns = torch.from_numpy(residual_columns).to(self.device)
        self.interval = torch.from_numpy(interval).to(self.device)

    @cached_property
    def any_interval(self) -> Tensor:
        """(C,) 1 where a slot is an interval code, else 0."""
        return self.interval.sum(1)

    @cached_property
    def member(self) -> Tensor:
        """(C, d) 1 where a slot is the column's, else 0."""
        return functional.one_hot(self.segment, len(self.columns)).float()

    def sums(self, x: Tensor) -> Tensor:
        """Return (n, d): the sums of (n, C) over each column's slots, float32.

        On CUDA ``scatter_add_`` adds in the order in which its threads arrive, and the same seed would give other weights; of few
        columns a product takes a fifth of its time.
        """
        if x.is_cuda or len(self.columns) <= FEW_COLUMNS:
            return x @ self.member
        return x.new_zeros(len(x), len(self.columns)).scatter_add_(1, self.segment.expand_as(x), x)

    def spread(self, x: Tensor) -> Tensor:
        """Return (n, C): at each slot what (n, d) has for its column, finite numbers all.

        On CUDA a product would round them to what TF32 holds.
        """
        if x.is_cuda or len(self.columns) > FEW_COLUMNS:
            return x.index_select(1, self.segment)
        return x @ self.member.T

    def slots_of(self, table: EncodedTable) -> Tensor:
        """Return (n, d) the slot each row has set in each column."""
        return torch.from_numpy(table.codes.astype(np.int64)).to(self.device) + self.offsets

    def residuals_of(self, table: EncodedTable) -> Tensor:
        """Return (n, R) the residuals, clipped to what a tanh can reach."""
        residuals = np.ascontiguousarray(table.residuals[:, self.residual_columns.cpu().numpy()])
        return torch.from_numpy(np.clip(residuals, -1.0, 1.0).astype(np.float32)).to(self.device)

    def rows(self, slots: Tensor, residuals: Tensor, out: Tensor | None = None) -> Tensor:
        """Return (n, W): the row vectors of (n, d) slots and (n, R) residuals, written to ``out`` where that is given."""
        rows = residuals.new_empty(len(residuals), self.width) if out is None else out
        rows.zero_().scatter_(1, slots, 1.0)
        self.residuals_in(rows).copy_(residuals)
        return rows

    def residuals_in(self, rows: Tensor) -> Tensor:
        """Return a view, (n, R), of where (n, W) rows have their residuals."""
        return rows[:, self.slots : self.filled]

    def drawn(self, logits: Tensor, draws: torch.Generator) -> Tensor:
        """Return (n, d): a code of each column, from the softmax of its part of (n, C) logits.

        One uniform number a cell, looked up in the column's running sums; Gumbel noise would need one a slot, and two
        logarithms of each. A column at a time, which stays in the processor's cache.
        """
        chance = torch.rand(len(self.columns), len(logits), 1, generator=draws, device=draws.device).to(self.device)
        logits, moderate = logits.float(), not logits.numel() or bool(logits.abs().amax() < MODERATE)
        weights = logits.exp() if moderate else logits  # in one sweep where no weight can overflow
        codes = []
        for part, below in zip(weights.split(self.cardinalities.tolist(), dim=1), chance, strict=True):
            sums = (part if moderate else (part - part.amax(1, keepdim=True)).exp_()).cumsum(1)
            # a code of no weight adds nothing to the sums, so it is passed over
            codes.append((sums <= below * sums[:, -1:]).sum(1).clamp_(max=part.shape[1] - 1))
        return torch.stack(codes, 1) if codes else torch.empty(len(logits), 0, dtype=torch.long, device=self.device)

    def table(self, codes: Tensor, residuals: Tensor) -> EncodedTable:
        """Return the encoded table of (n, d) codes and (n, R) residuals; a residual counts only beside an interval."""
        kept = np.zeros(tuple(codes.shape), dtype=np.float64)
        slots = codes + self.offsets
        for position, j in enumerate(self.residual_columns.tolist()):
            inside = self.interval[slots[:, j], position] > 0
            kept[:, j] = residuals[:, position].where(inside, 0.0).cpu().numpy()
        return EncodedTable(self.columns, codes.to(torch.int32).cpu().numpy(), kept)
