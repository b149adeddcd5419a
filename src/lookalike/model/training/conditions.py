"""Which column and which code a training row is asked to have, and which real rows have it (paper, section 4.3)."""

from __future__ import annotations

import copy
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor

from lookalike.model.nets.flat import powers
from lookalike.model.nets.layout import Layout
from lookalike.schema.encoded import EncodedColumn, EncodedTable


def conditionable(columns: Sequence[EncodedColumn], modes: bool) -> list[int]:
    """Return the columns a condition may name: those with a choice to make, and no intervals unless ``modes``.

    >>> colour = EncodedColumn("colour", 3, np.zeros(3, bool))
    >>> amount = EncodedColumn("amount", 3, np.ones(3, bool))
    >>> constant = EncodedColumn("constant", 1, np.zeros(1, bool))
    >>> conditionable([colour, amount, constant], modes=False)
    [0]
    """
    return [j for j, c in enumerate(columns) if c.cardinality > 1 and (modes or not c.has_residual)]


class Conditions:
    """Draws conditions: a conditionable column with equal chance, then one of its codes by (log-)frequency.

    NOTE[DIFF]: the logarithm is that of the count and one, where the paper's is of the frequency: a code of one row, whose logarithm is
    nought, would never be drawn. Others hardly notice: of adult's 41 countries the one of five rows is drawn at .0117 for .0106.

    A condition is one integer in [0, size): the codes of all conditionable columns, counted through. Without such a
    column there is the one empty condition, 0.

    Attributes
    ----------
    counts
        (size,) float64: how often each code occurs in training; everything is drawn on its device, from generators there.

    >>> colour = EncodedColumn("colour", 2, np.zeros(2, bool))
    >>> conditions = Conditions([colour], [0], torch.tensor([9.0, 1.0]))
    >>> conditions.draw(4, torch.Generator().manual_seed(0), logarithmic=False).tolist()
    [0, 1, 0, 0]
    """

    def __init__(self, columns: Sequence[EncodedColumn], chosen: Sequence[int], counts: Tensor) -> None:
        self.columns, self.counts = list(chosen), counts.double()
        sizes = [columns[j].cardinality for j in chosen]
        self.starts = np.concatenate([[0], np.cumsum(sizes)]).astype(np.int64)
        self.size = max(int(self.starts[-1]), 1)
        self._by_log = self._cumulate(self.counts.log1p())
        self._by_count = self._cumulate(self.counts)

    @classmethod
    def of(cls, table: EncodedTable, chosen: Sequence[int]) -> Conditions:
        """Count the codes of ``table``."""
        counts = [np.bincount(table.codes[:, j], minlength=table.columns[j].cardinality) for j in chosen]
        flat = np.concatenate(counts) if counts else np.zeros(0)
        return cls(table.columns, chosen, torch.from_numpy(flat.astype(np.float64)))

    def _cumulate(self, weights: Tensor) -> Tensor:
        """Return (size,) chances cumulated, column after column: column i ends at i + 1."""
        parts = []
        for i, part in enumerate(weights.split(np.diff(self.starts).tolist())):
            share = part.cumsum(0) / part.sum()
            share[int(part.nonzero().max()) :] = 1.0  # exactly, so that rounding never reaches a code without rows
            parts.append(share + i)
        return torch.cat(parts) if parts else weights

    def to(self, device: torch.device) -> Conditions:
        """Return the same conditions, drawn on ``device``."""
        moved = copy.copy(self)
        moved.counts, moved._by_log, moved._by_count = (
            part.to(device) for part in (self.counts, self._by_log, self._by_count)
        )
        return moved

    def draw(self, rows: int, generator: torch.Generator, *, logarithmic: bool) -> Tensor:
        """Return (rows,) conditions; all of them in one search."""
        where = self.counts.device
        if not self.columns:
            return torch.zeros(rows, dtype=torch.long, device=where)
        column = torch.randint(len(self.columns), (rows,), generator=generator, device=where)
        point = column + torch.rand(rows, generator=generator, dtype=torch.float64, device=where)
        return torch.searchsorted(self._by_log if logarithmic else self._by_count, point, right=True)

    def fixed(self, rows: int, wanted: Mapping[int, int], generator: torch.Generator) -> Tensor:
        """Return (rows,) conditions that ask for the rarest of the wanted codes that can be asked for."""
        known = [
            int(self.starts[self.columns.index(column)]) + code
            for column, code in wanted.items()
            if column in self.columns
        ]
        if not known:
            return self.draw(rows, generator, logarithmic=False)
        return torch.full((rows,), min(known, key=lambda c: float(self.counts[c])))

    def targets(self, layout: Layout) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """Return what the cross-entropy of a condition needs.

        Shape
        -----
        (size,) which conditionable column a condition names, (size,) which code of it, (columns, K) the slots of each such
        column, (columns, K) which of those exist; K is the largest cardinality, shorter columns repeat their last slot.
        """
        sizes = np.diff(self.starts)
        column = np.repeat(np.arange(len(sizes)), sizes)
        code = np.arange(len(column)) - self.starts[column]
        steps = np.arange(int(sizes.max(initial=1)))
        slots = layout.offsets.cpu().numpy()[self.columns][:, None] + np.minimum(steps, sizes[:, None] - 1)
        column_of, code_of, slots_of, exists = (
            torch.from_numpy(part).to(layout.device) for part in (column, code, slots, steps < sizes[:, None])
        )
        return column_of, code_of, slots_of, exists


def missed(raw: Tensor, condition: Tensor, targets: tuple[Tensor, Tensor, Tensor, Tensor], by_raw: Tensor) -> Tensor:
    """Return the mean cross-entropy between conditions and the logits of the columns they name; add its gradient to ``by_raw``.

    Shape
    -----
    raw, by_raw (n, W), condition (n,), targets as :meth:`Conditions.targets` gives them -> ()
    """
    column, code, slots, exists = targets
    named = column[condition]
    chosen, wanted = slots[named], code[condition][:, None]
    logs = raw.gather(1, chosen).masked_fill_(~exists[named], -torch.inf).log_softmax(1)
    loss = -logs.gather(1, wanted).mean()
    by_logits = powers(logs).scatter_add_(1, wanted, logs.new_full(wanted.shape, -1.0)).div_(len(raw))
    by_raw.scatter_add_(1, chosen, by_logits)  # a slot repeated for a shorter column adds next to nothing
    return loss


class RowIndex:
    """For each condition the rows that meet it, in compressed form: drawing any number of rows is one gather.

    Memory: n integers a conditionable column.
    """

    def __init__(self, table: EncodedTable, conditions: Conditions) -> None:
        orders = [np.argsort(table.codes[:, j], kind="stable") for j in conditions.columns] or [np.arange(len(table))]
        where = conditions.counts.device
        self.order = torch.from_numpy(np.concatenate(orders).astype(np.int32)).to(where)
        self.count = conditions.counts.long() if conditions.columns else torch.tensor([len(table)], device=where)
        self.start = self.count.cumsum(0) - self.count

    def draw(self, conditions: Tensor, generator: torch.Generator) -> Tensor:
        """Return (n,) one row for each condition, each of its rows with equal chance."""
        share = torch.rand(len(conditions), generator=generator, dtype=torch.float64, device=self.count.device)
        count = self.count[conditions]
        inside = (share * count).long().minimum(count - 1)
        return self.order[self.start[conditions] + inside].long()
