"""Gaussian modes of one number: mode-specific normalisation (Xu et al. 2019, arXiv 1907.00503, section 4.2)."""

from __future__ import annotations

import warnings
from dataclasses import dataclass

import numpy as np

from lookalike.encode.base import Arrays

MINIMUM_WEIGHT = 0.005
WIDTH = 4.0
"""A residual of ±1 lies this many standard deviations from the mode."""


@dataclass(frozen=True)
class Modes(Arrays):
    """k Gaussians on a number's axis, sorted by mean: ``means``, ``deviations`` and ``weights`` are (k,) float64; ``ends`` (2,) are the
    least and the greatest number they were fitted to."""

    means: np.ndarray
    deviations: np.ndarray
    weights: np.ndarray
    ends: np.ndarray

    def assign(self, numbers: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
        """Draw a mode for each number from its posterior, and say where in the mode it lies.

        Returns (n,) int64 modes and (n,) float64 residuals ``(number - mean) / (4 deviation)``.

        >>> modes = Modes(np.array([0.0, 10.0]), np.array([1.0, 1.0]), np.array([0.5, 0.5]), np.array([-1.0, 12.0]))
        >>> modes.assign(np.array([0.0, 12.0]), np.random.default_rng(0))
        (array([0, 1]), array([0. , 0.5]))
        """
        distance = (numbers[:, None] - self.means) / self.deviations
        log_density = np.log(self.weights / self.deviations) - 0.5 * distance**2
        # NOTE[DIFF]: a mode further than its width is never drawn when a nearer one is at hand, so that clipping residuals to
        # [-1, 1] touches only values that every mode is far from.
        log_density = np.where(np.abs(distance) > WIDTH, log_density - 1e6, log_density)
        gumbel = -np.log(-np.log(rng.random(log_density.shape) * (1 - 1e-12) + 1e-300))
        modes = (log_density + gumbel).argmax(axis=1)
        return modes, distance[np.arange(len(numbers)), modes] / WIDTH

    def values(self, modes: np.ndarray, residuals: np.ndarray) -> np.ndarray:
        """The inverse of :meth:`assign`."""
        return self.means[modes] + WIDTH * self.deviations[modes] * residuals

    def mirrored(self, numbers: np.ndarray) -> np.ndarray:
        """Return (n,) numbers, those beyond an end as far on its other side, back and forth until inside.

        NOTE[DIFF]: held to the end itself, the modes' tails pile up on one person's value: of 8,000 rows by TVAE 331 had the lowest
        price of all (housing), which one real row has.

        >>> Modes(np.zeros(1), np.ones(1), np.ones(1), np.array([0.0, 10.0])).mirrored(np.array([-1.0, 4.0, 12.0, 35.0])).tolist()
        [1.0, 4.0, 8.0, 5.0]
        """
        low, high = self.ends
        width = high - low
        rounding = 1e-9 * width  # an end that was encoded comes back as itself
        beyond = (numbers < low - rounding) | (numbers > high + rounding)
        if width == 0 or not beyond.any():
            return np.clip(numbers, low, high)
        there = (numbers - low) % (2 * width)
        return np.clip(np.where(beyond, low + np.minimum(there, 2 * width - there), numbers), low, high)


def fit_modes(numbers: np.ndarray, *, maximum: int, rows: int, rng: np.random.Generator) -> Modes:
    """Fit a variational Gaussian mixture to (n,) float64 numbers, on a random subsample of at most ``rows``.

    Source: section 4.2 of the CTGAN paper.

    NOTE[DIFF]: modes that hold less than 0.5 % are dropped, which the paper does not say. Of adult's six columns of numbers 17 of 60 go, with
    at most .45 % of a column's rows, which the others take: too few to learn a code of their own from.
    """
    ends = np.array([numbers.min(), numbers.max()])
    if len(numbers) > rows:
        numbers = rng.choice(numbers, rows, replace=False)
    centre, scale = float(np.median(numbers)), float(np.std(numbers))
    if scale == 0 or len(numbers) < 2:
        return Modes(np.array([centre]), np.array([max(abs(centre) * 1e-6, 1e-12)]), np.ones(1), ends)
    # here, as it takes as long to load as a small table to learn, and who draws rows or cuts by quantiles needs none of it
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.mixture import BayesianGaussianMixture

    standard = (numbers - centre) / scale
    mixture = BayesianGaussianMixture(
        n_components=min(maximum, len(np.unique(standard))),
        weight_concentration_prior_type="dirichlet_process",
        weight_concentration_prior=0.001,
        max_iter=100,
        random_state=int(rng.integers(2**31)),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a mixture not quite converged still cuts the axis well
        mixture.fit(standard[:, None])
    kept = mixture.weights_ > MINIMUM_WEIGHT
    order = np.argsort(mixture.means_[kept, 0])
    deviations = np.sqrt(mixture.covariances_[kept, 0, 0])[order]
    return Modes(
        mixture.means_[kept, 0][order] * scale + centre,
        deviations * scale,
        mixture.weights_[kept][order] / mixture.weights_[kept].sum(),
        ends,
    )
