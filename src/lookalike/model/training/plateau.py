"""A learning rate that falls when held-out rows stop fitting better, and can fall at the same places once more."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

MOST_HALVINGS = 64
"""A rate that was halved so often is nought in any precision."""
PATIENCE = 2
"""Scores in a row that are no better, at which a rate is halved."""


class Plateau(nn.Module):
    """Halves a learning rate whenever ``PATIENCE`` scores in a row were no better; a module so that checkpoints hold it.

    >>> plateau = Plateau()
    >>> for score in (3.0, 2.0, 2.5, 2.5):
    ...     plateau.hear(score)
    >>> plateau.factor
    0.5
    """

    known: Tensor
    """The best score, scores since that were no better, and steps counted."""
    halvings: Tensor
    """(MOST_HALVINGS,) the steps after which the rate was halved, or is to be; infinite where it was not."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("known", torch.tensor([math.inf, 0.0, 0.0], dtype=torch.float64))
        self.register_buffer("halvings", torch.full((MOST_HALVINGS,), math.inf, dtype=torch.float64))

    def hear(self, score: float) -> None:
        """Take note of a score; less is better."""
        best, worse, steps = self.known.tolist()
        best, worse = (score, 0) if score < best else (best, worse + 1)
        if worse == PATIENCE:
            worse = 0
            self.halvings[int(self.halvings.isfinite().sum()) % MOST_HALVINGS] = steps
        self.known.copy_(torch.tensor([best, worse, steps]))

    def count(self) -> float:
        """Count a step; return how many there were before."""
        self.known[2] += 1
        return float(self.known[2]) - 1

    @property
    def factor(self) -> float:
        """What the rate is to be multiplied with."""
        return 0.5 ** int((self.halvings <= self.known[2]).sum())

    def begin_again(self, stretch: float) -> None:
        """Start from the full rate, to halve it at the same places of a training whose epochs have ``stretch`` times the steps.

        >>> plateau = Plateau()
        >>> for score in (1.0, 1.0, 1.0):
        ...     _ = plateau.count(), plateau.hear(score)
        >>> plateau.begin_again(1.5)
        >>> [(plateau.factor, plateau.count())[0] for _ in range(7)]
        [1.0, 1.0, 1.0, 1.0, 1.0, 0.5, 0.5]
        """
        self.halvings *= stretch
        self.known.copy_(torch.tensor([math.inf, 0.0, 0.0]))
