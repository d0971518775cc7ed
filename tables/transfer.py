"""The costs of a new device from a few measured networks and what other devices measured.

What networks cost on a device is taken for a Gaussian process over networks. Its covariance is
learned from the other
devices: their costs, each turned into normal scores of its ranks (so that the units and the
rounding of a device do not matter), span the features; f(x) = b + sum_k w_k phi_k(x), w_k ~ N(0,
1), with phi the devices' mean and their principal components scaled by their singular values. Ten
measured networks give the posterior mean in closed form (Rasmussen and Williams, Gaussian Processes
for Machine Learning, 2006, equations 2.25 and 2.42). The networks to measure are those that reduce
the posterior variance most, which needs no measurement to tell. The noise, and how much the
components count beside the mean, are chosen by treating each of the other devices as the new one;
the new device is not looked at.

HELP (Lee et al., NeurIPS 2021, arXiv 2106.08630) meta-learns a network for the same purpose.
"""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from spaces.space import SearchSpace
from tables.cost.model import CostModel
from tables.cost.sums import SearchedSums
from tables.errors import InvalidTransfer
from tables.ranks import rank_correlation

Array = NDArray[np.float64]

MEASURED = 10
"""Networks of the new device that are enough."""

NOISES = (0.02, 0.05, 0.1, 0.2)
COMPONENT_WEIGHTS = (0.3, 1.0, 3.0)

_CANDIDATES = (
    1500  # networks that a design is chosen from, and that a choice of parameters is judged on
)


@dataclass(frozen=True)
class Parameters:
    """Of the process.

    Args:
        noise: variance of a measurement beside that of the standardised costs.
        components: weight of the principal components beside the mean.
    """

    noise: float
    components: float


class Prior:
    """What other devices tell about networks.

    Args:
        costs: [networks, devices] of at least 2 other devices; the same networks on all of them.
        seed: of the networks that designs are chosen from.
        parameters: of the process; default: those with which the other devices transfer to each
            other best.

    Raises:
        InvalidTransfer: fewer than 2 devices, too few networks, or a cost that is not above 0.
    """

    def __init__(self, costs: Array, seed: int = 0, parameters: Parameters | None = None):
        costs = np.asarray(costs, dtype=float)
        if costs.ndim != 2 or costs.shape[1] < 2 or len(costs) < 2 * MEASURED:
            raise InvalidTransfer(
                f"costs of at least 2 devices and {2 * MEASURED} networks are needed, not"
                f" {costs.shape}"
            )
        if not (np.isfinite(costs).all() and (costs > 0).all()):
            raise InvalidTransfer("a cost that is not above 0 was given for another device")
        self.costs, self.seed = costs, seed
        self._sorted = np.sort(costs, axis=0)
        self.parameters = parameters if parameters is not None else self._chosen()

    def features(self, costs: Array) -> Array:
        """Features [n, k] of networks by their costs [n, devices] on the other devices."""
        scores = self._scores(costs)
        mean = (scores.mean(1, keepdims=True) - self._centre.mean()) / self._mean_scale
        components = (scores - self._centre) @ self._loadings
        return np.concatenate([mean, np.sqrt(self.parameters.components) * components], axis=1)

    def design(self, count: int = MEASURED) -> NDArray[np.int64]:
        """Which networks to measure on the new device: `count` rows of the given costs.

        Each is the one that reduces the summed posterior variance of all most: the same whatever
        the device measures.
        """
        rows = self._candidates
        features = self.features(self.costs[rows])
        covariance = features @ features.T
        chosen: list[int] = []
        for _ in range(count):
            gain = (covariance**2).sum(0) / (covariance.diagonal() + self.parameters.noise)
            gain[chosen] = -1.0
            best = int(gain.argmax())
            chosen.append(best)
            column = covariance[:, best]
            covariance = covariance - np.outer(column, column) / (
                column[best] + self.parameters.noise
            )
        found: NDArray[np.int64] = rows[chosen]
        return found

    def fit(self, rows: Array, latency_ms: Array) -> Transferred:
        """The new device's costs from its measured networks.

        Args:
            rows: [n, devices] costs of the measured networks on the other devices.
            latency_ms: [n] what they take on the new device; n is at least 3.

        Raises:
            InvalidTransfer: too few networks, or a time that is not above 0.
        """
        times = np.asarray(latency_ms, dtype=float)
        if len(times) < 3 or len(times) != len(rows):
            raise InvalidTransfer(
                f"at least 3 measured networks are needed, each with its time, not {len(times)}"
            )
        if not (np.isfinite(times).all() and (times > 0).all()):
            raise InvalidTransfer("a measured time of the new device is not above 0")
        return Transferred(self, self.features(np.asarray(rows, dtype=float)), np.log(times))

    @cached_property
    def _candidates(self) -> NDArray[np.int64]:
        rng = np.random.default_rng(self.seed)
        return np.sort(rng.permutation(len(self.costs))[:_CANDIDATES]).astype(np.int64)

    def _scores(self, costs: Array) -> Array:
        """Normal scores of the costs' ranks among the given networks, ties at their middle: [n,
        devices].
        """
        count = len(self._sorted)
        scores = np.empty(costs.shape)
        for device, values in enumerate(self._sorted.T):
            low, high = (
                np.searchsorted(values, costs[:, device], side) for side in ("left", "right")
            )
            # Between two known costs a rank of its own; beyond them the outermost.
            scores[:, device] = np.clip((low + high) / 2, 0.5, count - 0.5) / count
        return _normal_quantile(scores)

    @cached_property
    def _known(self) -> Array:
        return self._scores(self.costs)

    @cached_property
    def _centre(self) -> Array:
        centre: Array = self._known.mean(0)
        return centre

    @cached_property
    def _mean_scale(self) -> float:
        return float(self._known.mean(1).std()) or 1.0

    @cached_property
    def _loadings(self) -> Array:
        """Scores -> principal components: the first has variance 1, each other its share of the
        first's.
        """
        _, scale, right = np.linalg.svd(self._known - self._centre, full_matrices=False)
        loadings: Array = right.T / (scale[0] / np.sqrt(len(self._known)))
        return loadings

    def _chosen(self) -> Parameters:
        count = self.costs.shape[1]
        grid = [Parameters(*pair) for pair in itertools.product(NOISES, COMPONENT_WEIGHTS)]
        if count < 3:
            return Parameters(0.05, 1.0)
        judged = np.random.default_rng(self.seed + 1).permutation(len(self.costs))[:_CANDIDATES]
        scores = np.zeros(len(grid))
        for device in range(count):
            others = np.delete(self.costs, device, axis=1)
            for index, parameters in enumerate(grid):
                prior = Prior(others, self.seed, parameters)
                rows = prior.design()
                found = prior.fit(others[rows], self.costs[rows, device])
                scores[index] += rank_correlation(
                    found.predict(others[judged]), self.costs[judged, device]
                )
        return grid[int(scores.argmax())]


class Transferred:
    """The costs of a new device.

    Args:
        prior: what other devices tell.
        features: [n, k] of the measured networks.
        logs: [n] natural logarithms of their times in milliseconds.
    """

    def __init__(self, prior: Prior, features: Array, logs: Array):
        self.prior, self.measured = prior, features
        # Costs are standardised by the few that there are; a device on which all take the same
        # keeps its scale.
        self.scale = float(logs.std()) or 1.0
        self._centre = float(logs.mean())
        targets = (logs - self._centre) / self.scale
        inverse = np.linalg.inv(features @ features.T + prior.parameters.noise * np.eye(len(logs)))
        ones = np.ones(len(logs))
        self.constant = float(ones @ inverse @ targets / (ones @ inverse @ ones))
        weights = inverse @ (targets - self.constant)
        self.weights: Array = features.T @ weights
        # Leave-one-out residuals of a Gaussian process (Rasmussen and Williams, equation 5.12).
        self.residuals: Array = self.scale * weights / inverse.diagonal()

    def predict(self, rows: Array) -> Array:
        """Milliseconds [n] of networks by their costs [n, devices] on the other devices."""
        features = self.prior.features(np.asarray(rows, dtype=float))
        found: Array = np.exp(self._centre + self.scale * (self.constant + features @ self.weights))
        return found

    @property
    def deviation(self) -> float:
        """Relative deviation of a measurement from the prediction: root mean square of
        leave-one-out residuals.
        """
        return float(np.sqrt(np.mean(self.residuals**2)))


def transferred_model(
    space: SearchSpace,
    sources: Sequence[CostModel],
    codes: NDArray[np.signedinteger],
    latency_ms: Array,
    *,
    name: str,
    networks: int = 4000,
    seed: int = 0,
) -> CostModel:
    """The cost model of a new device from the cost models of others.

    Args:
        space: of all models.
        sources: at least 2.
        codes: [n, choices] of the networks measured on the new device.
        latency_ms: [n] their times.
        name: of the new device.
        networks: sampled ones on which the sources are compared.
        seed: of these.

    Raises:
        InvalidTransfer: too few sources or networks, or a time that is not above 0.
    """

    def costs(given: NDArray[np.signedinteger]) -> Array:
        return np.stack([model.estimate(given) for model in sources], axis=1)

    prior = Prior(costs(space.sample(np.random.default_rng(seed), networks)), seed)
    found = prior.fit(costs(space.check(codes)), latency_ms)
    sigma = found.deviation * float(np.median(latency_ms))
    return CostModel(
        space,
        "latency_ms",
        SearchedSums(space, lambda given: found.predict(costs(given))),
        sigma,
        name,
    )


def _normal_quantile(shares: Array) -> Array:
    """Quantiles of the standard normal distribution (bisection on the error function: numpy has no
    inverse).
    """
    import math

    grid = np.linspace(-5, 5, 4001)
    levels = np.array([0.5 * (1 + math.erf(value / math.sqrt(2))) for value in grid])
    return np.interp(shares, levels, grid)
