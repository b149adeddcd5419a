"""Adam over all weights of a net, which lie in one vector."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.optim.adam import adam

from lookalike.model.nets.flat import gradient_of


class Adam:
    """Adam (Kingma and Ba 2015, arXiv 1412.6980, algorithm 1), one fused operation a step.

    torch's function without torch's class: that loads torch's compiler when it is made, 1.1 s, and takes .1 ms a step around the .1 that
    the sums take.

    Parameters
    ----------
    weights
        (N,) with a gradient that is collected in place.
    rate
        Of learning; may be set anew between steps.
    decay
        What a weight adds to its own gradient, as a share of it.
    apart
        (N,) what a weight loses besides, as a share of it at a rate of 1, apart from its gradient (Loshchilov and Hutter 2019,
        arXiv 1711.05101).

    Attributes
    ----------
    moments
        All that changes: (N,) ``mean`` and ``square`` of the gradients, () ``steps`` taken.

    >>> weights = torch.nn.Parameter(torch.zeros(2))
    >>> weights.grad = torch.tensor([1.0, -100.0])
    >>> Adam(weights, 0.5).step()
    >>> weights.detach().round(decimals=3).tolist()
    [-0.5, 0.5]
    """

    def __init__(
        self,
        weights: Tensor,
        rate: float,
        betas: tuple[float, float] = (0.9, 0.999),
        decay: float = 0.0,
        apart: Tensor | None = None,
    ) -> None:
        self.weights, self.betas, self.decay, self.apart = weights, betas, decay, apart
        # a number would be recorded in a CUDA graph for good; a tensor there is read by every step
        self._rate = torch.tensor(rate, device=weights.device) if weights.is_cuda else rate
        self.moments = {
            "mean": torch.zeros_like(weights, requires_grad=False),
            "square": torch.zeros_like(weights, requires_grad=False),
            "steps": torch.zeros((), device=weights.device),
        }

    @property
    def rate(self) -> float | Tensor:
        """Of learning."""
        return self._rate

    @rate.setter
    def rate(self, rate: float) -> None:
        if isinstance(self._rate, Tensor):
            self._rate.fill_(rate)
        else:
            self._rate = rate

    @property
    def param_groups(self) -> list[dict[str, Any]]:
        """The weights as ``torch.amp.GradScaler`` looks for them."""
        return [{"params": [self.weights]}]

    @torch.no_grad()
    def step(self) -> None:
        """Change the weights by the gradient they have now."""
        rate = self._rate
        if self.apart is not None:
            apart, once = (self.apart * rate, 1.0) if isinstance(rate, Tensor) else (self.apart, rate)
            self.weights.addcmul_(self.weights, apart, value=-once)
        adam(
            [self.weights],
            [gradient_of(self.weights)],
            [self.moments["mean"]],
            [self.moments["square"]],
            [],
            [self.moments["steps"]],
            fused=True,
            amsgrad=False,
            beta1=self.betas[0],
            beta2=self.betas[1],
            lr=rate,
            weight_decay=self.decay,
            eps=1e-8,
            maximize=False,
        )
