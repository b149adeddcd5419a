"""One net for all conditional distributions of a row: p(column | the columns before it), columns side by side in blocks."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from lookalike.model.nets.layers import kept
from lookalike.model.nets.ordinal import LogisticMixture, features, hats, is_scale
from lookalike.schema.encoded import EncodedColumn

FINE = 0.3
"""Weight of what a code learns alone beside what it learns with its neighbours."""


class Head(nn.Module):
    """Logits of one column's codes: its frequencies, corrected by what the hidden units know.

    Shape
    -----
    (n, hidden) -> (n, K)

    >>> column = EncodedColumn("size", 3, np.zeros(3, bool))
    >>> Head(column, np.array([2, 1, 1]), 8, 0, torch.Generator().manual_seed(0))(torch.zeros(5, 8)).shape
    torch.Size([5, 3])
    """

    usual: Tensor
    hats: Tensor

    def __init__(
        self, column: EncodedColumn, counts: np.ndarray, hidden: int, components: int, generator: torch.Generator
    ) -> None:
        super().__init__()
        smooth = (counts + 0.5) / (counts + 0.5).sum()
        self.register_buffer("usual", torch.from_numpy(np.log(smooth).astype(np.float32)))
        self.bias = nn.Parameter(torch.zeros(column.cardinality))
        self.single = nn.Parameter(torch.zeros(hidden, column.cardinality))
        self.scale = is_scale(column)
        self.mixture: LogisticMixture | None = None
        if self.scale:
            shapes = torch.from_numpy(hats(column.cardinality).T.copy())
            self.register_buffer("hats", shapes)
            self.shared = nn.Parameter(torch.zeros(hidden, len(shapes)))
            if components:
                self.mixture = LogisticMixture(hidden, counts, components, generator)

    def weight(self) -> Tensor:
        """Return (hidden, K): what a hidden unit adds to a code's logit, alone and with the code's neighbours."""
        return torch.addmm(self.single, self.shared, self.hats, beta=FINE) if self.scale else self.single

    def forward(self, h: Tensor) -> Tensor:
        weight = self.weight()
        if self.mixture is None:
            return torch.addmm(self.usual + self.bias, h, weight)
        # the mixture starts near the column's own distribution: then its frequencies are not to be counted twice
        return torch.addmm(self.bias, h, weight).float() + self.mixture(h)


class MaskedNet(nn.Module):
    """Embeddings of a row's codes, a block-triangular layer, a layer and a head for each column (TabularARGN, arXiv
    2501.12012, section 3, in one product instead of a net a column).

    Block j of the first layer sees the columns of lower rank than column j, and nothing else crosses between columns.

    NOTE[DIFF]: codes of an axis go in with :func:`features` beside their embedding and come out over :func:`hats`.

    Shape
    -----
    codes (n, d), ranks (d,) -> d tensors (n, K) of logits

    >>> columns = [EncodedColumn("a", 2, np.zeros(2, bool)), EncodedColumn("b", 3, np.zeros(3, bool))]
    >>> net = MaskedNet(columns, [np.array([1, 1]), np.array([1, 1, 1])], 4, 8, 0, torch.Generator().manual_seed(0))
    >>> [logits.shape for logits in net(torch.zeros(5, 2, dtype=torch.long), torch.arange(2))]
    [torch.Size([5, 2]), torch.Size([5, 3])]
    """

    features: Tensor
    offsets: Tensor

    def __init__(
        self,
        columns: Sequence[EncodedColumn],
        counts: Sequence[np.ndarray],
        embedding: int,
        hidden: int,
        components: int,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.columns, self.embedding, self.hidden = len(columns), embedding, hidden
        self.cardinalities = [column.cardinality for column in columns]
        codes = sum(self.cardinalities)

        def normal(*shape: int, inputs: float) -> nn.Parameter:
            return nn.Parameter(torch.randn(*shape, generator=generator) * inputs**-0.5)

        known = [features(column, count) for column, count in zip(columns, counts, strict=True)]
        self.register_buffer("features", torch.from_numpy(np.concatenate(known)))
        self.register_buffer("offsets", torch.tensor([0, *self.cardinalities]).cumsum(0)[:-1])
        self.table = normal(codes, embedding, inputs=embedding)
        self.reading = normal(self.features.shape[1], embedding, inputs=self.features.shape[1])
        self.first = normal(self.columns, embedding, self.columns, hidden, inputs=max(self.columns * embedding / 2, 1))
        self.first_bias = nn.Parameter(torch.zeros(self.columns, hidden))
        self.second = normal(self.columns, hidden, hidden, inputs=hidden)
        self.second_bias = nn.Parameter(torch.zeros(self.columns, 1, hidden))
        self.heads = nn.ModuleList(
            Head(column, count, hidden, components, generator) for column, count in zip(columns, counts, strict=True)
        )

    def embeddings(self) -> Tensor:
        """Return (C, embedding): every code of every column."""
        return torch.addmm(self.table, self.features, self.reading)

    def forward(
        self, codes: Tensor, ranks: Tensor, dropout: float = 0.0, draws: torch.Generator | None = None
    ) -> list[Tensor]:
        rows = functional.embedding(codes + self.offsets, self.embeddings()).flatten(1)
        seen = (ranks[:, None] < ranks).to(rows.dtype)  # (d, d): whether a column sees another
        first = (self.first * seen[:, None, :, None]).view(rows.shape[1], -1)
        h = torch.addmm(self.first_bias.flatten(), rows, first)
        h = _thin(h.relu(), dropout, draws).view(len(rows), self.columns, self.hidden).transpose(0, 1)
        h = _thin(self.through(h, slice(None)), dropout, draws)
        # unbind, not h[j]: going backward, each index would fill a tensor of all columns with zeros
        return [head(part) for head, part in zip(self.heads, h.unbind(0), strict=True)]

    def added(self, embeddings: Tensor, columns: Sequence[int], to: int) -> Tensor:
        """Return (2 + K', hidden): what the first layer's block of column ``to`` gets from the bias, from nothing, and from each
        code of some columns."""
        parts = embeddings.split(self.cardinalities)
        nothing = torch.zeros_like(self.first_bias[:1])
        return torch.cat([self.first_bias[to, None], nothing, *(parts[j] @ self.first[j, :, to] for j in columns)])

    def through(self, h: Tensor, which: slice) -> Tensor:
        """Return (columns, n, hidden): the second layer of some columns, with a way past it."""
        return torch.baddbmm(self.second_bias[which], h, self.second[which]).relu() + h


def _thin(h: Tensor, dropout: float, draws: torch.Generator | None) -> Tensor:
    """Dropout, its coins drawn from ``draws``."""
    if not dropout or draws is None:
        return h
    return h * kept(h.numel(), dropout, draws).view(h.shape).to(h.dtype).div_(1 - dropout)
