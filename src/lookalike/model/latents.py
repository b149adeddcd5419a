"""Where an autoencoder's rows lie in its latent space: a Gaussian mixture fitted after training, to draw from.

NOTE[DIFF]: the paper draws latents from the prior N(0, I). What the decoder learned to decode is the aggregate of the
rows' posteriors, which is never quite the prior (with a loss_factor above 1 even less), and a latent where no row lies
decodes to a row that is like none. See "ex-post density estimation", Ghosh et al. 2020 (arXiv 1903.12436).
"""

from __future__ import annotations

import warnings

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture
from torch import Tensor

USED = 0.01
"""Nats by which a latent dimension must differ from the prior to count as used; the others are left at the prior."""
ROWS_EACH = 50
"""Rows a Gaussian must stand for at least, so that none describes a single row."""
ROWS_MOST = 25_000
"""Rows that are enough to fit."""


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
    def fit(cls, mean: Tensor, log_deviation: Tensor, components: int, rng: np.random.Generator) -> Latents:
        """Describe the posteriors of rows, (n, dimensions) means and log-deviations each."""
        divergence = 0.5 * (mean.square() + (2 * log_deviation).exp() - 2 * log_deviation - 1).mean(0)
        used = np.flatnonzero(divergence.cpu().numpy() > USED)
        components = min(components, len(mean) // ROWS_EACH)
        if not len(used) or not components:
            return cls.prior(mean.shape[1])
        centre, spread = (part.cpu().numpy().astype(np.float64)[:, used] for part in (mean, log_deviation))
        drawn = centre + rng.standard_normal(centre.shape) * np.exp(spread)
        mixture = GaussianMixture(
            components, reg_covar=1e-3, max_iter=60, init_params="k-means++", random_state=int(rng.integers(2**31))
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # good enough after max_iter, too
            mixture.fit(drawn)
        factors = np.linalg.cholesky(mixture.covariances_)
        return cls(mean.shape[1], used, mixture.weights_, mixture.means_, factors)

    def draw(self, rows: int, generator: torch.Generator) -> Tensor:
        """Return (rows, dimensions) latents."""
        latent = torch.randn(rows, self.dimensions, generator=generator)
        used, weights, means, factors = (torch.from_numpy(array) for array in self.arrays.values())
        if len(used) and rows:
            which = torch.multinomial(weights, rows, replacement=True, generator=generator)
            noise = latent[:, used.long()]
            latent[:, used.long()] = means[which] + (factors[which] @ noise[:, :, None])[:, :, 0]
        return latent
