"""A model of the scores over the simplex, one Gaussian process per language, and what the next evaluation may gain.

The processes share their kernel: Matérn 5/2 plus white noise. An objective such as the worst language is computed from the
modelled scores instead of being modelled itself: the lowest of several noisy scores is too low and not smooth, the scores
themselves are neither (composite Bayesian optimisation: Astudillo and Frazier 2019, "Bayesian Optimization of Composite
Functions", ICML). Languages are taken as independent given the weights.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from polylect.errors import MergeError
from polylect.merge.search.objectives import Floats, Objective
from polylect.merge.search.simplex import Weights

__all__ = ["Surrogate"]

_LENGTHS = (0.35, 0.5, 0.7, 1.0, 1.4, 2.0)
"""Length scales that are tried; two corners of the simplex are 1.41 apart. Shorter ones would take the luck of single
evaluations for peaks."""

_NOISES = (0.02, 0.05, 0.1, 0.2, 0.4, 0.7, 0.9)
"""Shares of the noise in the variance that are tried; the rest is the smooth part's."""

_SAMPLES = 128
"""Draws of the scores that an expected improvement is averaged over."""


class Surrogate:
    """Gaussian processes fitted to evaluations.

    Args:
        weights: the n evaluated points.
        scores: their scores, shape (n, languages).

    Raises:
        MergeError: scikit-learn is not installed.
    """

    def __init__(self, weights: Sequence[Weights], scores: Floats) -> None:
        self._mean = scores.mean(axis=0)
        spread = scores.std(axis=0)
        self._spread = np.where(spread > 0, spread, 1.0)
        self._process = _process().fit(np.array(weights), (scores - self._mean) / self._spread)

    def expected(self, weights: Sequence[Weights]) -> Floats:
        """Return the posterior mean of the scores without noise, shape (points, languages)."""
        return self._posterior(weights)[0]

    def gains(self, weights: Sequence[Weights], objective: Objective, best: Floats, than: float, seed: int) -> Floats:
        """Return how far the objective of each point is expected to exceed `than`, shape (points,).

        Expected improvement (Jones, Schonlau and Welch 1998), averaged over draws from the posterior; all points
        get the same draws, so that chance does not favour one.
        """
        mean, deviation = self._posterior(weights)
        draws = np.random.default_rng(seed).standard_normal((_SAMPLES, mean.shape[1]))
        scores = mean[:, None, :] + deviation[:, None, :] * draws
        return np.asarray(np.maximum(objective.of(scores, best) - than, 0.0).mean(axis=1))

    def _posterior(self, weights: Sequence[Weights]) -> tuple[Floats, Floats]:
        """Return mean and standard deviation of the noiseless scores, both of shape (points, languages)."""
        points = len(weights)
        mean, deviation = self._process.predict(np.array(weights), return_std=True)
        # One language comes back without its axis.
        mean, deviation = mean.reshape(points, -1), deviation.reshape(points, -1)
        # What scikit-learn returns is the deviation of a further noisy score.
        latent = np.sqrt(np.maximum(deviation**2 - self._process.kernel_.k2.noise_level, 0.0))
        return mean * self._spread + self._mean, latent * self._spread


def _process() -> Any:
    try:
        from sklearn.gaussian_process import GaussianProcessRegressor
        from sklearn.gaussian_process.kernels import ConstantKernel, Matern, WhiteKernel
    except ImportError as error:
        raise MergeError(
            "scikit-learn is not installed, but the search needs it. Install it: pip install scikit-learn"
        ) from error
    kernel = ConstantKernel(0.9) * Matern(length_scale=0.7, nu=2.5) + WhiteKernel(noise_level=0.1)
    return GaussianProcessRegressor(kernel=kernel, optimizer=_best_of_grid)


def _best_of_grid(objective: Callable[..., Any], initial: Floats, bounds: Floats) -> tuple[Floats, float]:
    """Choose length scale and noise by the marginal likelihood over a grid: few evaluations leave it flat or with many peaks.

    `objective` takes the logarithms of the smooth part's variance, its length scale and the noise's variance, and returns
    the negative log marginal likelihood, summed over languages. The scores are standardised: both variances sum to 1.
    """
    points = [np.log((1 - noise, length, noise)) for length in _LENGTHS for noise in _NOISES]
    values = [float(objective(point, eval_gradient=False)) for point in points]
    lowest = int(np.argmin(values))
    return points[lowest], values[lowest]
