"""Torch parts with their shapes: seeded initial weights, and the net that makes rows.

Nothing here reads or moves torch's global random state: weights and noise come from a ``torch.Generator`` that is
handed in. Shape suffixes: see :mod:`lookalike.model.nets.layout`.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional
from torch.nn.utils import skip_init
from torch.utils.checkpoint import checkpoint


def linear(inputs: int, outputs: int, generator: torch.Generator) -> nn.Linear:
    """Return a linear layer with torch's usual initial weights, U(±1/√inputs), drawn from ``generator``.

    >>> linear(3, 2, torch.Generator().manual_seed(0)).weight.shape
    torch.Size([2, 3])
    """
    layer = skip_init(nn.Linear, inputs, outputs)
    bound = max(inputs, 1) ** -0.5
    with torch.no_grad():
        layer.weight.uniform_(-bound, bound, generator=generator)
        layer.bias.uniform_(-bound, bound, generator=generator)
    return layer


class ConditionalLinear(nn.Module):
    """Linear layer on ``x ⊕ one-hot(condition)``, the one-hot part being a row looked up instead of multiplied.

    Shape
    -----
    x (n, inputs), condition (n,) or (n, p) in [0, conditions) -> (n, outputs); of p conditions the rows are summed.

    >>> layer = ConditionalLinear(4, 3, 2, torch.Generator().manual_seed(0))
    >>> layer(torch.zeros(5, 4), torch.tensor([0, 1, 2, 0, 0])).shape
    torch.Size([5, 2])
    """

    def __init__(self, inputs: int, conditions: int, outputs: int, generator: torch.Generator) -> None:
        super().__init__()
        self.dense = linear(inputs, outputs, generator)
        bound = (inputs + conditions) ** -0.5
        self.lookup = nn.Parameter(torch.empty(conditions, outputs).uniform_(-bound, bound, generator=generator))

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        rows = functional.embedding(condition, self.lookup)
        total: Tensor = self.dense(x) + (rows.sum(1) if condition.dim() == 2 else rows)
        return total


class RowMaker(nn.Module):
    """CTGAN's generator (paper, section 4.4): residual blocks FC → BatchNorm → ReLU, each joined to its own input.

    BatchNorm keeps the statistics of the last batch it saw in training mode; :meth:`settle` makes that one large batch
    under the weights that will sample, so that a sampled row does not depend on the rows drawn beside it.

    Shape
    -----
    noise (n, embedding), condition (n,) -> raw output (n, W)

    >>> net = RowMaker(8, 4, (16, 16), 10, torch.Generator().manual_seed(0))
    >>> net(torch.zeros(5, 8), torch.zeros(5, dtype=torch.long)).shape
    torch.Size([5, 10])
    """

    def __init__(
        self,
        embedding: int,
        conditions: int,
        hidden: Sequence[int],
        width: int,
        generator: torch.Generator,
        *,
        frugal: bool = False,
    ) -> None:
        super().__init__()
        self.frugal = frugal
        self.blocks, self.norms = nn.ModuleList(), nn.ModuleList()
        inputs = embedding
        for size in hidden:
            self.blocks.append(ConditionalLinear(inputs, conditions, size, generator))
            self.norms.append(nn.BatchNorm1d(size, momentum=1.0))
            inputs += size
        self.out = ConditionalLinear(inputs, conditions, width, generator)

    def forward(self, noise: Tensor, condition: Tensor) -> Tensor:
        x = noise
        for block, norm in zip(self.blocks, self.norms, strict=True):
            if self.frugal and torch.is_grad_enabled():
                # no noise is drawn inside a block, so there is no random state to keep
                x = checkpoint(self._join, block, norm, x, condition, use_reentrant=False, preserve_rng_state=False)
            else:
                x = self._join(block, norm, x, condition)
        raw: Tensor = self.out(x, condition)
        return raw

    @staticmethod
    def _join(block: nn.Module, norm: nn.Module, x: Tensor, condition: Tensor) -> Tensor:
        return torch.cat([norm(block(x, condition)).relu_(), x], dim=1)

    @torch.no_grad()
    def settle(self, noise: Tensor, condition: Tensor) -> None:
        """Take BatchNorm's statistics from this batch and leave the net in evaluation mode."""
        for norm in self.norms:
            assert isinstance(norm, nn.BatchNorm1d)
            norm.reset_running_stats()
        self.train()
        self(noise, condition)
        self.eval()


def thinning(rows: int, width: int, dropout: float, generator: torch.Generator, dtype: torch.dtype) -> Tensor:
    """Return (rows, width) factors of a dropout layer: 0 with probability ``dropout`` (in steps of 1/256), else 1 / (1 - dropout).

    A random byte each, as a random number each takes four times as long.

    >>> 0.7 < (thinning(100, 100, 0.25, torch.Generator().manual_seed(0), torch.float32) > 0).float().mean() < 0.8
    tensor(True)
    """
    words = torch.empty(-(-rows * width // 8), dtype=torch.int64, device=generator.device)
    words.random_(-(2**63), None, generator=generator)
    bytes_ = words.view(torch.uint8)[: rows * width].view(rows, width)
    return bytes_.to(dtype).ge_(round(dropout * 256)).div_(1 - dropout)
