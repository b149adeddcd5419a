"""Averaged weights: they sample better than the last ones."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

DIVERGED = 1e6
"""Weights beyond this overflow in use before they are infinite themselves."""


class Average:
    """A running mean of weights, short at first so that the initial weights are soon forgotten.

    >>> weights = torch.zeros(2)
    >>> average = Average(weights, decay=0.9)
    >>> _ = weights.fill_(1.0)
    >>> average.update(0)
    >>> with average.in_place():
    ...     weights.tolist()
    [0.8999999761581421, 0.8999999761581421]
    """

    def __init__(self, weights: Tensor, decay: float) -> None:
        self.decay = decay
        self.live = weights.detach()
        self.values = self.live.clone()

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Move towards the live weights after step ``step`` (counted from 0)."""
        self.values.lerp_(self.live, 1 - min(self.decay, (1 + step) / (10 + step)))

    def impose(self) -> None:
        """Overwrite the live weights."""
        self.live.copy_(self.values)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Put the mean in the net for a while."""
        live = self.live.clone()
        try:
            self.impose()
            yield
        finally:
            self.live.copy_(live)

    def usable(self) -> bool:
        """Whether every weight is a number of a size that weights have."""
        return bool((self.values.abs() < DIVERGED).all())
