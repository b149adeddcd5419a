"""Where an autoencoder's rows lie in its latent space: a Gaussian mixture fitted after training, to draw from.

NOTE[DIFF]: the paper draws latents from the prior N(0, I). What the decoder learned to decode is the aggregate of the
rows' posteriors, which is never quite the prior (with a loss_factor above 1 even less), and a latent where no row lies
decodes to a row that is like none. See "ex-post density estimation", Ghosh et al. 2020 (arXiv 1903.12436).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import torch
from sklearn.cluster import MiniBatchKMeans
from torch import Tensor
from torch.nn import functional

from lookalike.model.nets.flat import powers
from lookalike.model.nets.layers import normals

USED = 0.01
"""Nats by which a latent dimension must differ from the prior to count as used; the others are left at the prior."""
ROWS_EACH = 50
"""Rows a Gaussian must stand for at least, so that none describes a single row."""
ROWS_MOST = 25_000
"""Rows that are enough to fit."""
ITERATIONS = 120
TOLERANCE = 1e-3
"""Nats a row that an iteration must gain for another one."""
BLOCK = 4_096
"""Rows whose products are held at once."""
FLOOR = 1e-3
"""Added to every variance, so that no Gaussian closes in on a row."""


class Latents:
    """Weights, means and Cholesky factors of Gaussians over the used dimensions; a normal on each of the others.

    Shape
    -----
    used (u,), weights (k,), means (k, u), factors (k, u, u)

    >>> latents = Latents.prior(3)
    >>> latents.draw(4, torch.Generator().manual_seed(0)).shape
    torch.Size([4, 3])
    """

    def __init__(
        self, dimensions: int, used: np.ndarray, weights: np.ndarray, means: np.ndarray, factors: np.ndarray
    ) -> None:
        self.dimensions = dimensions
        self.arrays = {
            "used": used.astype(np.float32),
            "weights": weights.astype(np.float32),
            "means": means.astype(np.float32),
            "factors": factors.astype(np.float32),
        }

    @classmethod
    def prior(cls, dimensions: int) -> Latents:
        return cls(dimensions, np.zeros(0), np.ones(1), np.zeros((1, 0)), np.zeros((1, 0, 0)))

    @classmethod
    def fit(
        cls,
        mean: Tensor,
        log_deviation: Tensor,
        components: int,
        rng: np.random.Generator,
        hurry: Callable[[], bool] = lambda: False,
    ) -> Latents:
        """Describe the posteriors of rows, (n, dimensions) means and log-deviations each."""
        divergence = 0.5 * (mean.square() + (2 * log_deviation).exp() - 2 * log_deviation - 1).mean(0)
        used = np.flatnonzero(divergence.cpu().numpy() > USED)
        components = min(components, len(mean) // ROWS_EACH)
        if not len(used) or not components:
            return cls.prior(mean.shape[1])
        centre, spread = (part.cpu().numpy().astype(np.float64)[:, used] for part in (mean, log_deviation))
        drawn = centre + rng.standard_normal(centre.shape) * np.exp(spread)
        mixture = fit_mixture(drawn, components, int(rng.integers(2**31)), hurry)
        return cls(mean.shape[1], used, *mixture)

    def draw(self, rows: int, generator: torch.Generator) -> Tensor:
        """Return (rows, dimensions) latents."""
        latent = normals(rows, self.dimensions, generator)
        used, weights, means, factors = (torch.from_numpy(array) for array in self.arrays.values())
        if len(used) and rows:
            which = torch.multinomial(weights, rows, replacement=True, generator=generator)
            noise = latent[:, used.long()]
            latent[:, used.long()] = means[which] + (factors[which] @ noise[:, :, None])[:, :, 0]
        return latent


def fit_mixture(
    points: np.ndarray, components: int, seed: int, hurry: Callable[[], bool] = lambda: False
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Fit Gaussians with full covariances by expectation maximisation, from k-means clusters, until it gains little.

    A log-density is linear in a point's entries and their products, so both steps are one matrix product over all points
    and Gaussians; scikit-learn's mixture, which goes through the Gaussians one by one, takes ten times as long.
    ``hurry`` is asked before each iteration whether to leave it at that.

    Shape
    -----
    points (n, u) -> weights (k,), means (k, u), Cholesky factors (k, u, u)

    >>> sides = np.repeat([-3.0, 3.0], 200)[:, None] + np.random.default_rng(0).normal(0, 0.1, (400, 1))
    >>> weights, means, factors = fit_mixture(sides, 2, seed=0)
    >>> weights.tolist(), np.sort(means[:, 0]).round(1).tolist()
    ([0.5, 0.5], [-3.0, 3.0])
    """
    clusters = MiniBatchKMeans(components, random_state=seed, n_init=3, batch_size=4_096).fit(points).labels_
    member = functional.one_hot(torch.from_numpy(clusters).long(), components).float()
    blocks = [_terms(block) for block in torch.from_numpy(points).float().split(BLOCK)]
    parts = [part.T @ block for part, block in zip(member.split(BLOCK), blocks, strict=True)]
    moments = torch.stack(parts).double().sum(0)
    fitted = -np.inf
    for _ in range(ITERATIONS):
        if hurry():
            break
        before, (fitted, moments) = fitted, _improve(blocks, _density(*_mixture(moments, points.shape[1])))
        if fitted - before < TOLERANCE:
            break
    weights, means, covariances = _mixture(moments, points.shape[1])
    return weights.numpy(), means.numpy(), torch.linalg.cholesky(covariances).numpy()


def _terms(points: Tensor) -> Tensor:
    """Return (n, t) of one, each entry, and each product of two entries, t = 1 + u + u (u + 1) / 2."""
    first, second = torch.triu_indices(points.shape[1], points.shape[1])
    return torch.cat([torch.ones_like(points[:, :1]), points, points[:, first] * points[:, second]], dim=1)


def _improve(blocks: Sequence[Tensor], density: Tensor) -> tuple[float, Tensor]:
    """Share each point out among the Gaussians; return the mean log-likelihood, but for a constant, and new moments."""
    total, moments = 0.0, torch.zeros(density.shape[1], density.shape[0], dtype=torch.float64)
    for terms in blocks:
        levels = terms @ density
        densities = levels.logsumexp(1, keepdim=True)
        total += float(densities.sum())
        moments += powers(levels.sub_(densities)).T @ terms  # float32 within a block only
    return total / sum(map(len, blocks)), moments


def _mixture(moments: Tensor, width: int) -> tuple[Tensor, Tensor, Tensor]:
    """Return weights, means and covariances from (k, t) sums of terms by Gaussian."""
    counts = moments[:, 0].clamp(min=1e-6)
    means = moments[:, 1 : width + 1] / counts[:, None]
    first, second = torch.triu_indices(width, width)
    covariances = moments.new_empty(len(moments), width, width)
    covariances[:, first, second] = moments[:, width + 1 :] / counts[:, None] - means[:, first] * means[:, second]
    covariances[:, second, first] = covariances[:, first, second]
    return counts / counts.sum(), means, covariances + FLOOR * torch.eye(width, dtype=moments.dtype)


def _density(weights: Tensor, means: Tensor, covariances: Tensor) -> Tensor:
    """Return (t, k) factors of a point's terms in log(weight · density), but for a constant of all Gaussians."""
    precision = torch.cholesky_inverse(torch.linalg.cholesky(covariances))
    pull = (precision @ means[:, :, None])[:, :, 0]
    level = weights.log() + 0.5 * torch.logdet(precision) - 0.5 * (pull * means).sum(1)
    first, second = torch.triu_indices(means.shape[1], means.shape[1])
    square = -precision[:, first, second] * torch.where(first == second, 0.5, 1.0)
    return torch.cat([level[:, None], pull, square], dim=1).T.contiguous().float()
