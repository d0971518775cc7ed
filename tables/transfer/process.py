"""Gaussian processes over networks, averaged over their parameters.

The latency of a network, transformed and standardised, is v(x) = b + sum_k w_k phi_k(x) + noise,
with a vague prior on b and w_k ~ N(0, s^2 c_g) for the features of group g. A setting has the
fractions c_g of the groups and the noise's variance relative to s^2; s^2 has an inverse gamma prior
with one degree of freedom, so that predictions are Student's t (Rasmussen and Williams, Gaussian
Processes for Machine Learning, 2006, sections 2.7 and 5.4).

No setting is chosen: many are sampled from a prior and weighted by their evidence, the restricted
marginal likelihood of the measured networks. It equals the product of the densities of each network
given those before it, so that settings which predict unseen networks badly have little weight, with
or without known devices among their groups.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]

# Fractions are drawn from a Dirichlet distribution with this concentration: few groups matter.
_CONCENTRATION = 0.35

# Range of the noise's variance; idiosyncrasies of a device are part of the noise.
_NOISES = (0.01, 0.7)

# Settings that deviations are computed of: those with the greatest weights.
_HEAVIEST = 48


@dataclass(frozen=True)
class Settings:
    """Sampled settings of the process.

    Args:
        fractions: Fraction of each group's features in the prior variance, [settings, groups].
        noises: Variance [settings] of the noise relative to that of the process.
    """

    fractions: Array
    noises: Array

    @classmethod
    def sample(cls, rng: np.random.Generator, count: int, num_groups: int) -> Settings:
        """Sample settings from their prior."""
        fractions = rng.dirichlet(np.full(num_groups, _CONCENTRATION), count)
        low, high = np.log(_NOISES)
        return cls(fractions, np.exp(rng.uniform(low, high, count)))


class Process:
    """All settings of the process, conditioned on measured networks.

    Args:
        settings: Sampled settings.
        features: Features [n, features] of the measured networks by group, in the order of the
            settings' fractions.
        values: Transformed latencies [n], standardised; n is at least 3.
    """

    def __init__(self, settings: Settings, features: Mapping[str, Array], values: Array):
        self.settings = settings
        self.features = features
        self.values = values

        count = len(values)
        kernels = np.stack([group @ group.T for group in features.values()])
        covariances = np.einsum("sg,gij->sij", settings.fractions, kernels)
        covariances += settings.noises[:, None, None] * np.eye(count)
        self.inverses: Array = np.linalg.inv(covariances)

        # The constant b by generalised least squares (equation 2.42 with one basis function).
        self._row_sums: Array = self.inverses.sum(2)
        self._totals: Array = self._row_sums.sum(1)
        self.constants: Array = self._row_sums @ values / self._totals
        residuals = values - self.constants[:, None]
        # [settings, n]: the weights of w are the features of the networks times these.
        self.duals: Array = np.einsum("sij,sj->si", self.inverses, residuals)

        # One degree of freedom of s^2 is the prior's, with the variance 1 of standardised values;
        # the constant takes one.
        squares = 1.0 + np.maximum((self.duals * residuals).sum(1), 0.0)
        self.degrees = count
        self.variances: Array = squares / self.degrees
        _, log_determinants = np.linalg.slogdet(covariances)
        self.log_evidence: Array = -0.5 * (
            log_determinants + np.log(self._totals) + self.degrees * np.log(squares)
        )

    @cached_property
    def left_out(self) -> Array:
        """Value [settings, n] of each measured network, predicted from the others.

        They are y_i - [Q y]_i / Q_ii, where Q is the inverse covariance without the direction of
        the constant (equation 5.12).
        """
        diagonal = np.einsum("sii->si", self.inverses) - self._row_sums**2 / self._totals[:, None]
        predictions: Array = self.values - self.duals / diagonal
        return predictions

    def mean_weights(self, weights: Array) -> tuple[float, dict[str, Array]]:
        """Return the mean over settings of the constant and of the weights of the features.

        Args:
            weights: Weights [settings] of the settings; their sum is 1.
        """
        constant = float(weights @ self.constants)
        means = {
            name: group.T @ ((weights * fractions) @ self.duals)
            for (name, group), fractions in zip(
                self.features.items(), self.settings.fractions.T, strict=True
            )
        }
        return constant, means

    def moments(self, features: Mapping[str, Array], weights: Array) -> tuple[Array, Array]:
        """Return the mean and the variance of networks' values, each [m].

        Args:
            features: Features [m, features] of the networks by group.
            weights: Weights [settings] of the settings; the heaviest ones are used.
        """
        heaviest = np.argsort(weights)[::-1][:_HEAVIEST]
        probabilities = weights[heaviest] / weights[heaviest].sum()
        first, second = 0.0, 0.0
        for setting, probability in zip(heaviest.tolist(), probabilities.tolist(), strict=True):
            mean, variance = self._moments(features, setting)
            first = first + probability * mean
            second = second + probability * (variance + mean**2)
        return np.asarray(first), np.asarray(second) - np.square(first)

    def _moments(self, features: Mapping[str, Array], setting: int) -> tuple[Array, Array]:
        fractions = self.settings.fractions[setting]
        covariance: Array = np.zeros((len(next(iter(features.values()))), len(self.values)))
        prior: Array = np.zeros(len(covariance))
        for name, fraction in zip(features, fractions.tolist(), strict=True):
            covariance += fraction * features[name] @ self.features[name].T
            prior += fraction * (features[name] ** 2).sum(1)

        inverse = self.inverses[setting]
        mean: Array = self.constants[setting] + covariance @ self.duals[setting]
        explained = ((covariance @ inverse) * covariance).sum(1)
        # What the estimate of the constant adds (equation 2.42).
        leverage = (1 - covariance @ self._row_sums[setting]) ** 2 / self._totals[setting]
        relative = np.maximum(prior - explained, 0) + leverage + self.settings.noises[setting]
        # The variance of Student's t is larger than that of its normal limit.
        spread = self.degrees / max(self.degrees - 2, 1)
        return mean, self.variances[setting] * spread * relative


@dataclass(frozen=True)
class Transform:
    """A Box-Cox transform of latencies, standardised on the measured networks.

    Latencies of similar networks differ by factors where devices differ, which a logarithm adds up;
    blocks add up without a transform. The evidence decides, or averages.

    Args:
        power: Exponent; 0 is the logarithm.
        latencies: Latencies [n] of the measured networks, relative to their geometric mean.
    """

    power: float
    latencies: Array

    @cached_property
    def _raw(self) -> Array:
        return self._transformed(self.latencies)

    @cached_property
    def centre(self) -> float:
        """Mean of the transformed latencies."""
        return float(self._raw.mean())

    @cached_property
    def scale(self) -> float:
        """Deviation of the transformed latencies; 1 where all are equal."""
        return float(self._raw.std()) or 1.0

    @cached_property
    def values(self) -> Array:
        """Standardised transformed latencies [n]."""
        values: Array = (self._raw - self.centre) / self.scale
        return values

    @property
    def log_jacobian(self) -> float:
        """Logarithm of the derivative of the values by the latencies, over all networks."""
        slope = (self.power - 1) * float(np.log(self.latencies).sum())
        return slope - len(self.latencies) * math.log(self.scale)

    def log_latencies(self, values: Array) -> tuple[Array, Array]:
        """Return the logarithms [m] of latencies by their values, and their derivatives [m]."""
        raw = self.centre + self.scale * values
        if self.power == 0:
            return raw, np.full(len(raw), self.scale)
        # A prediction below 0 ms is one of a network beyond the fastest that was measured.
        inside = np.maximum(1 + self.power * raw, self._least)
        return np.log(inside) / self.power, self.scale / inside

    @cached_property
    def _least(self) -> float:
        # A fifth of the fastest measured latency.
        return float((0.2 * self.latencies.min()) ** self.power)

    def _transformed(self, latencies: Array) -> Array:
        if self.power == 0:
            logarithms: Array = np.log(latencies)
            return logarithms
        powers: Array = (latencies**self.power - 1) / self.power
        return powers
