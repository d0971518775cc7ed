"""A Gaussian process over networks whose covariance is learned from other devices.

The costs of each device are turned into normal scores of their ranks, so that units and rounding do
not matter. They span the features: f(x) = b + sum_k w_k phi_k(x) with w_k ~ N(0, 1), where phi are
the devices' mean and their principal components, scaled by their singular values. Ten measured
networks give the posterior mean in closed form (Rasmussen and Williams, Gaussian Processes for
Machine Learning, 2006, equations 2.25 and 2.42).

The networks to measure are those that reduce the posterior variance most; no measurement is needed
to choose them. The noise and the weight of the components are chosen by leave-one-device-out
validation among the other devices; measurements of the new device are not used.

HELP (Lee et al., NeurIPS 2021, arXiv 2106.08630) meta-learns a network for the same purpose.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from tables.errors import InvalidTransfer
from tables.ranks import normal_quantile, spearman
from tables.transfer.posterior import Posterior

Array = NDArray[np.float64]

DESIGN_SIZE = 10
"""Number of networks of the new device that suffice."""

NOISES = (0.02, 0.05, 0.1, 0.2)
COMPONENT_WEIGHTS = (0.3, 1.0, 3.0)

# Networks that a design is chosen from, and that parameters are validated on.
_CANDIDATES = 1500


@dataclass(frozen=True)
class Parameters:
    """Parameters of the process.

    Args:
        noise: Variance of a measurement relative to that of the standardised costs.
        components: Weight of the principal components relative to the mean.
    """

    noise: float
    components: float


class Prior:
    """A prior over the costs of networks from other devices.

    Args:
        costs: Costs [networks, devices] of the same networks on at least 2 other devices.
        seed: Seed of the networks that designs are chosen from.
        parameters: Parameters of the process. None chooses those with which the other devices
            transfer to each other best.

    Raises:
        InvalidTransfer: There are fewer than 2 devices or too few networks, or a cost is not above
            0.
    """

    def __init__(self, costs: Array, seed: int = 0, parameters: Parameters | None = None):
        costs = np.asarray(costs, dtype=float)
        if costs.ndim != 2 or costs.shape[1] < 2 or len(costs) < 2 * DESIGN_SIZE:
            raise InvalidTransfer(
                f"costs: at least 2 devices and {2 * DESIGN_SIZE} networks are needed, not"
                f" {costs.shape}"
            )
        if not (np.isfinite(costs).all() and (costs > 0).all()):
            raise InvalidTransfer("costs: every cost on another device must be above 0 and finite")

        self.costs = costs
        self.seed = seed
        # Sorted once: every score is a rank among these costs.
        self._sorted = np.sort(costs, axis=0)
        self.parameters = parameters if parameters is not None else self._select_parameters()

    def features(self, costs: Array) -> Array:
        """Return features [n, k] of networks by their costs [n, devices] on the other devices."""
        scores = self._scores(costs)

        mean = (scores.mean(1, keepdims=True) - self._centre.mean()) / self._mean_scale
        components = (scores - self._centre) @ self._loadings

        # A feature times sqrt(w) is a prior of the variance w on its weight.
        return np.concatenate([mean, np.sqrt(self.parameters.components) * components], axis=1)

    def design(self, count: int = DESIGN_SIZE) -> NDArray[np.int64]:
        """Choose the networks to measure on the new device.

        Each is the one that reduces the summed posterior variance of all most, which does not
        depend on measurements.

        Args:
            count: Number of networks.

        Returns:
            Rows [count] of the prior's costs.
        """
        rows = self._candidates
        features = self.features(self.costs[rows])
        covariance = features @ features.T

        selected: list[int] = []
        for _ in range(count):
            # Measuring network i reduces the variance of j by cov(i, j)^2 / (var(i) + noise).
            gain = (covariance**2).sum(0) / (covariance.diagonal() + self.parameters.noise)

            # No network is measured twice.
            gain[selected] = -1.0
            best = int(gain.argmax())
            selected.append(best)

            # Condition the covariance on this measurement: a rank-one update.
            column = covariance[:, best]
            variance = column[best] + self.parameters.noise
            covariance = covariance - np.outer(column, column) / variance

        design: NDArray[np.int64] = rows[selected]
        return design

    def fit(self, costs: Array, latency_ms: Array) -> Posterior:
        """Fit the new device's costs to its measured networks.

        Args:
            costs: Costs [n, devices] of the measured networks on the other devices.
            latency_ms: Their latencies [n] on the new device in milliseconds; n is at least 3.

        Raises:
            InvalidTransfer: There are too few networks, or a latency is not above 0.
        """
        latencies = np.asarray(latency_ms, dtype=float)
        if len(latencies) < 3 or len(latencies) != len(costs):
            raise InvalidTransfer(
                "latency_ms: at least 3 measured networks are needed, each with its latency, not"
                f" {len(latencies)} latencies of {len(costs)} networks"
            )
        if not (np.isfinite(latencies).all() and (latencies > 0).all()):
            raise InvalidTransfer(
                "latency_ms: every latency of the new device must be above 0 and finite"
            )

        features = self.features(np.asarray(costs, dtype=float))
        return Posterior(self, features, np.log(latencies))

    @cached_property
    def _candidates(self) -> NDArray[np.int64]:
        rng = np.random.default_rng(self.seed)
        return np.sort(rng.permutation(len(self.costs))[:_CANDIDATES]).astype(np.int64)

    def _scores(self, costs: Array) -> Array:
        """Return normal scores [n, devices] of the costs' ranks among the prior's networks."""
        scores = np.empty(costs.shape)
        for device, values in enumerate(self._sorted.T):
            lower = np.searchsorted(values, costs[:, device], "left")
            upper = np.searchsorted(values, costs[:, device], "right")
            # The rank of a tie is the middle of its positions, (lower + upper) / 2.
            scores[:, device] = self._quantiles[lower + upper]
        return scores

    @cached_property
    def _quantiles(self) -> Array:
        """Normal quantiles [2 n + 1] of the half ranks 0, 1/2, ..., n."""
        count = len(self._sorted)
        # A cost beyond all of the prior's gets the score of the outermost.
        ranks = np.clip(np.arange(2 * count + 1) / 2, 0.5, count - 0.5)
        return normal_quantile(ranks / count)

    @cached_property
    def _prior_scores(self) -> Array:
        return self._scores(self.costs)

    @cached_property
    def _centre(self) -> Array:
        centre: Array = self._prior_scores.mean(0)
        return centre

    @cached_property
    def _mean_scale(self) -> float:
        return float(self._prior_scores.mean(1).std()) or 1.0

    @cached_property
    def _loadings(self) -> Array:
        """The map from scores to principal components, relative to the first one's deviation."""
        centred = self._prior_scores - self._centre
        _, scale, components = np.linalg.svd(centred, full_matrices=False)
        loadings: Array = components.T / (scale[0] / np.sqrt(len(centred)))
        return loadings

    def _select_parameters(self) -> Parameters:
        """Choose the parameters with which the other devices transfer to each other best."""
        num_devices = self.costs.shape[1]
        if num_devices < 3:
            # Leaving one of two devices out leaves a single one, which no prior can be made of.
            return Parameters(0.05, 1.0)

        grid = [Parameters(*values) for values in itertools.product(NOISES, COMPONENT_WEIGHTS)]
        # Another seed than the design's: the networks of the validation are not its candidates.
        rng = np.random.default_rng(self.seed + 1)
        validation_rows = rng.permutation(len(self.costs))[:_CANDIDATES]

        scores = np.zeros(len(grid))
        for device in range(num_devices):
            # Each device in turn is the new one, of which only the design is measured.
            others = np.delete(self.costs, device, axis=1)

            for index, parameters in enumerate(grid):
                prior = Prior(others, self.seed, parameters)
                design = prior.design()
                posterior = prior.fit(others[design], self.costs[design, device])

                predicted = posterior.predict(others[validation_rows])
                scores[index] += spearman(
                    predicted, self.costs[validation_rows, device], constant=0.0
                )
        return grid[int(scores.argmax())]
