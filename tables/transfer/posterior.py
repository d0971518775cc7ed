"""The posterior of a new device's costs, given a few measured networks."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from tables.transfer.prior import Prior

Array = NDArray[np.float64]


class Posterior:
    """The posterior mean of the costs of a new device.

    Args:
        prior: Prior by the other devices' costs.
        features: Features [n, k] of the measured networks.
        log_latencies: Natural logarithms [n] of their latencies in milliseconds.
    """

    def __init__(self, prior: Prior, features: Array, log_latencies: Array):
        self.prior = prior

        # Standardise by the few measurements. Where all networks take the same time the deviation
        # is 0, and the scale stays 1.
        self.scale = float(log_latencies.std()) or 1.0
        self._centre = float(log_latencies.mean())
        targets = (log_latencies - self._centre) / self.scale

        noise = prior.parameters.noise * np.eye(len(targets))
        inverse = np.linalg.inv(features @ features.T + noise)
        # The constant b by generalised least squares (Rasmussen and Williams, equation 2.42 with a
        # single basis function and a vague prior).
        ones = np.ones(len(targets))
        self.constant = float(ones @ inverse @ targets / (ones @ inverse @ ones))

        # The posterior mean of the weights (equation 2.25).
        dual_weights = inverse @ (targets - self.constant)
        self.weights: Array = features.T @ dual_weights
        # Leave-one-out residuals of a Gaussian process (equation 5.12).
        self.residuals: Array = self.scale * dual_weights / inverse.diagonal()

    def predict(self, costs: Array) -> Array:
        """Return the latencies [n] in milliseconds of networks.

        Args:
            costs: Costs [n, devices] of the networks on the other devices.
        """
        features = self.prior.features(np.asarray(costs, dtype=float))
        standardised = self.constant + features @ self.weights
        latencies: Array = np.exp(self._centre + self.scale * standardised)
        return latencies

    @property
    def deviation(self) -> float:
        """Relative deviation of a measurement: root mean square of the leave-one-out residuals."""
        return float(np.sqrt(np.mean(self.residuals**2)))
