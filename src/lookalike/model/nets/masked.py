"""One net for all conditional distributions of a row: p(column | the columns before it), columns side by side in blocks."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from lookalike.model.nets.flat import aligned
from lookalike.model.nets.ordinal import features, hats, is_scale
from lookalike.schema.encoded import EncodedColumn

FINE = 0.3
"""Weight of what a code learns alone beside what it learns with its neighbours."""
TILE_WIDTH = 384
"""Hidden units, about, whose products are taken at once: wide enough to multiply well, narrow enough to leave most of the other
triangle out."""
MOST_PADDED, FEW_CODES = 1.5, 16
"""Columns share a product in their heads if the one has at most so many times the codes of the other, or has but few."""


class Heads(nn.Module):
    """Logits of columns beside each other that have about as many codes: frequencies, corrected by what the hidden units know.

    One product does for all of them, padded to a multiple of 16 that holds the most codes, K (see ``flat.ALIGNMENT``; a softmax of
    seven takes ten times as long as one of sixteen); what is padding is never drawn.

    Shape
    -----
    (g, n, hidden) -> (g, n, K)

    >>> columns = [EncodedColumn("size", 3, np.zeros(3, bool)), EncodedColumn("colour", 2, np.zeros(2, bool))]
    >>> heads = Heads(columns, [np.array([2, 1, 1]), np.array([1, 1])], 8)
    >>> heads(torch.zeros(2, 5, 8)).softmax(2)[1, 0, :3].tolist()
    [0.5, 0.5, 0.0]
    """

    padding: Tensor
    hats: Tensor

    def __init__(self, columns: Sequence[EncodedColumn], counts: Sequence[np.ndarray], hidden: int) -> None:
        super().__init__()
        self.cardinalities = [column.cardinality for column in columns]
        self.scale = is_scale(columns[0])
        most = aligned(max(self.cardinalities))
        bias, padding = (
            np.zeros((len(columns), 1, most), np.float32),
            np.full((len(columns), 1, most), -np.inf, np.float32),
        )
        for i, (own, size) in enumerate(zip(counts, self.cardinalities, strict=True)):
            bias[i, 0, :size], padding[i, 0, :size] = np.log((own + 0.5) / (own + 0.5).sum()), 0
        self.bias = nn.Parameter(torch.from_numpy(bias))
        self.register_buffer("padding", torch.from_numpy(padding), persistent=False)
        self.single = nn.Parameter(torch.zeros(len(columns), hidden, most))
        if self.scale:
            shapes = [hats(size).T for size in self.cardinalities]
            padded = np.zeros((len(columns), max(map(len, shapes)), most), np.float32)
            for i, shape in enumerate(shapes):
                padded[i, : len(shape), : shape.shape[1]] = shape
            self.register_buffer("hats", torch.from_numpy(padded), persistent=False)
            self.shared = nn.Parameter(torch.zeros(len(columns), hidden, padded.shape[1]))

    @staticmethod
    def groups(columns: Sequence[EncodedColumn]) -> list[slice]:
        """Cut the columns where padding would be more than half of a column's codes and more than a few, and where labels meet axes.

        >>> labels = [EncodedColumn(str(k), k, np.zeros(k, bool)) for k in (2, 3, 9, 40, 50, 900)]
        >>> Heads.groups(labels)
        [slice(0, 3, None), slice(3, 5, None), slice(5, 6, None)]
        """
        starts: list[int] = []
        sizes = [column.cardinality for column in columns]
        for j, column in enumerate(columns):
            if starts and is_scale(column) == is_scale(columns[starts[-1]]):
                group = sizes[starts[-1] : j + 1]
                if max(group) <= max(MOST_PADDED * min(group), FEW_CODES):
                    continue
            starts.append(j)
        return [slice(start, stop) for start, stop in pairwise([*starts, len(columns)])]

    def weight(self, which: slice = slice(None)) -> Tensor:
        """Return (g, hidden, K): what a hidden unit adds to a code's logit, alone and with the code's neighbours."""
        if not self.scale:
            return self.single[which]
        return torch.baddbmm(self.single[which], self.shared[which], self.hats[which], beta=FINE)

    def forward(self, h: Tensor, which: slice = slice(None)) -> Tensor:
        """Return the logits of the group, or of some of its columns."""
        return torch.baddbmm(self.bias[which] + self.padding[which], h, self.weight(which))


class MaskedNet(nn.Module):
    """Embeddings of a row's codes, a block-triangular layer, a layer and a head for each column (TabularARGN, arXiv
    2501.12012, section 3, in few products instead of a net a column).

    The net has an order: its columns are those of a row in that order, and column j sees the columns before it, nothing else.
    With ``any_order`` what sees what is handed in instead, (d, d), as :meth:`sees` makes it from ranks.

    NOTE[DIFF]: codes of an axis go in with :func:`features` beside their embedding and come out over :func:`hats`.

    Attributes
    ----------
    tiles
        Columns that lie beside each other, whose hidden units are computed at once from the columns up to the tile's end.
    first
        (stop · embedding, len(tile) · hidden) a tile; what no column may see is nought in it, and stays so where no order is handed in.

    Shape
    -----
    codes (n, d) -> d tensors (n, K) of logits

    >>> columns = [EncodedColumn("a", 2, np.zeros(2, bool)), EncodedColumn("b", 3, np.zeros(3, bool))]
    >>> net = MaskedNet(columns, [np.array([1, 1]), np.array([1, 1, 1])], 4, 8, torch.Generator().manual_seed(0))
    >>> [logits.shape for logits in net(torch.zeros(5, 2, dtype=torch.long))]
    [torch.Size([5, 2]), torch.Size([5, 3])]
    """

    features: Tensor
    offsets: Tensor
    before: Tensor
    """(d, d) what sees what in the net's own order."""

    def __init__(
        self,
        columns: Sequence[EncodedColumn],
        counts: Sequence[np.ndarray],
        embedding: int,
        hidden: int,
        generator: torch.Generator,
        *,
        any_order: bool = False,
    ) -> None:
        super().__init__()
        self.columns, self.embedding, self.hidden, self.any_order = len(columns), embedding, hidden, any_order
        self.cardinalities = [column.cardinality for column in columns]
        codes, wide = sum(self.cardinalities), self.columns if any_order else max(TILE_WIDTH // hidden, 1)
        self.tiles = [range(self.columns)[start : start + wide] for start in range(0, self.columns, wide)]

        def normal(*shape: int, inputs: float) -> nn.Parameter:
            return nn.Parameter(torch.randn(*shape, generator=generator) * inputs**-0.5)

        known = [features(column, count) for column, count in zip(columns, counts, strict=True)]
        self.register_buffer("features", torch.from_numpy(np.concatenate(known)))
        self.register_buffer("offsets", torch.tensor([0, *self.cardinalities]).cumsum(0)[:-1])
        self.table = normal(codes, embedding, inputs=embedding)
        self.reading = normal(self.features.shape[1], embedding, inputs=self.features.shape[1])
        inputs = max(self.columns * embedding / 2, 1)
        self.first = nn.ParameterList(
            normal(tile.stop * embedding, len(tile) * hidden, inputs=inputs) for tile in self.tiles
        )
        self.first_bias = nn.Parameter(torch.zeros(self.columns, hidden))
        self.second = normal(self.columns, hidden, hidden, inputs=hidden)
        self.second_bias = nn.Parameter(torch.zeros(self.columns, 1, hidden))
        self.groups = Heads.groups(columns)
        self.heads = nn.ModuleList(Heads(columns[group], counts[group], hidden) for group in self.groups)
        before = torch.ones(self.columns, self.columns).triu(1)
        self.register_buffer("before", before, persistent=False)
        if not any_order:
            self.hide([weight.data for weight in self.first], before)

    def sees(self, ranks: Tensor | None = None) -> Tensor:
        """Return (d, d): 1 where the row's column is seen by the column's, by their ranks (d,) or by the net's own order."""
        return self.before if ranks is None else (ranks[:, None] < ranks).to(self.before)

    def sees_in_a_step(self, draws: torch.Generator) -> Tensor:
        """Return (d, d): what sees what in a step of training, by the net's own order or, if it learns any, by one drawn for the step."""
        return self.sees(torch.randperm(self.columns, generator=draws)) if self.any_order else self.before

    def units(self, tile: range) -> slice:
        """Return where the hidden units of a tile's columns lie among all."""
        return slice(tile.start * self.hidden, tile.stop * self.hidden)

    def hide(self, parts: Iterable[Tensor], seen: Tensor) -> None:
        """Set to nought, in place, what in tensors of the shapes of ``first`` lies between columns that do not see each other.

        Columns before a tile are seen by all of it, so only its own columns need to be looked at.
        """
        for tile, part in zip(self.tiles, parts, strict=True):
            own = slice(tile.start, tile.stop)
            by_column = part.view(tile.stop, self.embedding, len(tile), self.hidden)[own]
            by_column.mul_(seen[own, own][:, None, :, None])

    def layers(self, seen: Tensor | None = None) -> list[Tensor]:
        """Return the first layer's weights, a tile each, as far as they are seen."""
        if not self.any_order:
            return list(self.first)
        (whole,) = self.first
        assert seen is not None, "a net of any order must be told what sees what"
        by_column = whole.view(self.columns, self.embedding, self.columns, self.hidden)
        return [(by_column * seen[:, None, :, None]).view_as(whole)]

    def embeddings(self) -> Tensor:
        """Return (C, embedding): every code of every column."""
        return torch.addmm(self.table, self.features, self.reading)

    def forward(self, codes: Tensor, seen: Tensor | None = None, known: Tensor | None = None) -> list[Tensor]:
        """Return logits; with ``known`` (n, d) bool, those of a net of any order that knows no other cells."""
        rows = functional.embedding(codes + self.offsets, self.embeddings())
        rows = (rows if known is None else rows * known.unsqueeze(2)).flatten(1)
        h = torch.cat([rows[:, : len(part)] @ part for part in self.layers(seen)], 1) + self.first_bias.flatten()
        h = self.through(h.relu().view(len(rows), self.columns, self.hidden).transpose(0, 1), slice(None))
        return [
            logits[:, :size]
            for group, heads in self.grouped()
            for logits, size in zip(heads(h[group]), heads.cardinalities, strict=True)
        ]

    def grouped(self) -> Iterator[tuple[slice, Heads]]:
        """Yield the columns of each group, and their heads."""
        for group, heads in zip(self.groups, self.heads, strict=True):
            assert isinstance(heads, Heads)
            yield group, heads

    def logits(self, j: int, h: Tensor) -> Tensor:
        """Return (n, K) logits of column j, (n, hidden) its own hidden units."""
        group, heads = next((group, heads) for group, heads in self.grouped() if j < group.stop)
        own = j - group.start
        return heads(h.unsqueeze(0), slice(own, own + 1))[0, :, : heads.cardinalities[own]]

    def biases(self) -> list[Tensor]:
        """Return (K,) the bias of each column's logits, a view each."""
        return [
            heads.bias.data[i, 0, :size] for _, heads in self.grouped() for i, size in enumerate(heads.cardinalities)
        ]

    def added(self, embeddings: Tensor, columns: Sequence[int], to: int) -> Tensor:
        """Return (2 + K', hidden): what the first layer's block of column ``to`` gets from the bias, from nothing, and from each
        code of some columns."""
        parts = embeddings.split(self.cardinalities)
        nothing = torch.zeros_like(self.first_bias[:1])
        which = next(i for i, tile in enumerate(self.tiles) if to in tile)
        tile = self.tiles[which]
        block = self.first[which].view(tile.stop, self.embedding, len(tile), self.hidden)[:, :, to - tile.start]
        return torch.cat([self.first_bias[to, None], nothing, *(parts[j] @ block[j] for j in columns)])

    def through(self, h: Tensor, which: slice) -> Tensor:
        """Return (columns, n, hidden): the second layer of some columns, with a way past it."""
        return torch.baddbmm(self.second_bias[which], h, self.second[which]).relu() + h
