"""A prior over the latencies of networks on a new device, from other devices and architectures.

The networks to measure are those that reduce the posterior variance most; no measurement is needed
to choose them. The fit averages Gaussian processes whose features are the costs on the known
devices and the networks' architectures, and stacks them with two ridges; see
`tables.transfer.process` and `tables.transfer.posterior`.

HELP (Lee et al., NeurIPS 2021, arXiv 2106.08630) meta-learns a network for the same purpose.
"""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from spaces.space import Codes, SearchSpace
from tables.errors import InvalidTransfer
from tables.transfer.features import DESIGN_WEIGHTS, NetworkFeatures
from tables.transfer.posterior import Posterior
from tables.transfer.process import Settings

Array = NDArray[np.float64]

DESIGN_SIZE = 10
"""Number of networks of the new device that suffice."""

# Networks that a design is chosen from.
_CANDIDATES = 1500

# Variance of a measurement relative to that of the process while networks are chosen.
_DESIGN_NOISE = 0.05

_NUM_SETTINGS = 400


class Prior:
    """A prior over the latencies of networks on a new device.

    It is fitted once and serves any number of new devices.

    Args:
        space: Space of the networks.
        codes: Codes [networks, choices] of reference networks.
        costs: Their costs [networks, devices] on the known devices. Without devices, [networks, 0],
            the architecture alone predicts.
        seed: Seed of the sampled settings and of the networks that designs are chosen from.

    Raises:
        InvalidTransfer: There are too few networks, or a cost is not above 0.

    Example:
        >>> import numpy as np, spaces
        >>> from tables.transfer import Prior
        >>> space = spaces.get("spos-tiny")
        >>> codes = space.sample(np.random.default_rng(0), 200)
        >>> known = space.macs(codes)[:, None] / 1e6
        >>> prior = Prior(space, codes, known)
        >>> rows = prior.design(5)
        >>> posterior = prior.fit(codes[rows], known[rows], 1.0 + 2.0 * known[rows, 0])
        >>> error = posterior.predict(codes, known) / (1.0 + 2.0 * known[:, 0]) - 1
        >>> bool(np.abs(error).mean() < 0.05)
        True
    """

    def __init__(self, space: SearchSpace, codes: Codes, costs: Array, seed: int = 0):
        costs = np.asarray(costs, dtype=float)
        if costs.ndim != 2 or len(costs) != len(codes) or len(costs) < 2 * DESIGN_SIZE:
            raise InvalidTransfer(
                f"costs: at least {2 * DESIGN_SIZE} networks are needed, each with its codes and"
                f" its cost on every known device, not {costs.shape} costs of {len(codes)} networks"
            )
        if not (np.isfinite(costs).all() and (costs > 0).all()):
            raise InvalidTransfer("costs: every cost on another device must be above 0 and finite")

        self.space = space
        self.codes = codes
        self.costs = costs
        self.seed = seed
        self.features = NetworkFeatures(space, codes, costs)

    def design(self, count: int = DESIGN_SIZE) -> NDArray[np.int64]:
        """Choose the networks to measure on the new device.

        Each is the one that reduces the summed posterior variance of all most, which does not
        depend on measurements.

        Args:
            count: Number of networks.

        Returns:
            Rows [count] of the prior's networks.

        Raises:
            InvalidTransfer: The prior has fewer networks.
        """
        rows = self._candidates
        if count > len(rows):
            raise InvalidTransfer(f"networks: at most {len(rows)} can be chosen, not {count}")

        features = self.features(self.codes[rows], self.costs[rows])
        weights = {name: DESIGN_WEIGHTS.get(name, 0.0) for name in features}
        # Groups of devices are missing where no device is known.
        total = sum(weights.values())
        covariance = np.zeros((len(rows), len(rows)))
        for name, weight in weights.items():
            if weight:
                covariance += weight / total * features[name] @ features[name].T

        selected: list[int] = []
        for _ in range(count):
            # Measuring network i reduces the variance of j by cov(i, j)^2 / (var(i) + noise).
            gain = (covariance**2).sum(0) / (covariance.diagonal() + _DESIGN_NOISE)

            # No network is measured twice.
            gain[selected] = -1.0
            best = int(gain.argmax())
            selected.append(best)

            # Condition the covariance on this measurement: a rank-one update.
            column = covariance[:, best]
            variance = column[best] + _DESIGN_NOISE
            covariance = covariance - np.outer(column, column) / variance

        design: NDArray[np.int64] = rows[selected]
        return design

    def fit(self, codes: Codes, costs: Array, latency_ms: Array) -> Posterior:
        """Fit the new device's latencies to its measured networks.

        Args:
            codes: Codes [n, choices] of the measured networks.
            costs: Their costs [n, devices] on the known devices.
            latency_ms: Their latencies [n] on the new device in milliseconds; n is at least 3.

        Raises:
            InvalidTransfer: There are too few networks, or a latency is not above 0.
        """
        latencies = np.asarray(latency_ms, dtype=float)
        if len(latencies) < 3 or len(latencies) != len(codes):
            raise InvalidTransfer(
                "latency_ms: at least 3 measured networks are needed, each with its latency, not"
                f" {len(latencies)} latencies of {len(codes)} networks"
            )
        if not (np.isfinite(latencies).all() and (latencies > 0).all()):
            raise InvalidTransfer(
                "latency_ms: every latency of the new device must be above 0 and finite"
            )

        costs = np.asarray(costs, dtype=float)
        return Posterior(self.features, self._settings, codes, costs, latencies)

    @cached_property
    def _candidates(self) -> NDArray[np.int64]:
        # Equal networks would be measured twice.
        _, rows = np.unique(self.codes, axis=0, return_index=True)
        rng = np.random.default_rng(self.seed)
        return np.sort(rng.permutation(rows)[:_CANDIDATES]).astype(np.int64)

    @cached_property
    def _settings(self) -> Settings:
        rng = np.random.default_rng([self.seed, 1])
        return Settings.sample(rng, _NUM_SETTINGS, len(self.features.groups))
