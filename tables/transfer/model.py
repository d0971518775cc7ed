"""The latencies of a new device from the cost models of others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spaces.space import Architectures, Codes, SearchSpace
from tables.cost.model import CostModel
from tables.cost.sums import SearchedSums
from tables.transfer.posterior import Posterior
from tables.transfer.prior import DESIGN_SIZE, Prior

Array = NDArray[np.float64]

# Reference networks on which known devices are compared.
_REFERENCES = 4000


class DeviceTransfer:
    """A transfer of latencies from known devices to new ones.

    The comparison of the known devices is made once, for any number of new devices.

    Args:
        space: Space of all models.
        sources: Latency models of the known devices. Without any, the architecture alone predicts.
        networks: Number of sampled networks on which the known devices are compared.
        seed: Seed of these samples.

    Raises:
        InvalidTransfer: There are too few networks, or a source's cost is not above 0.

    Example:
        >>> import numpy as np, spaces, tables
        >>> from tables.transfer import DeviceTransfer
        >>> space = spaces.get("spos")
        >>> known = tables.load("amd-epyc-spos-b1-fp32-t2").cost_model(space)
        >>> transfer = DeviceTransfer(space, [known], networks=200)
        >>> codes = transfer.design(5)
        >>> latency = transfer.fit(codes, 3.0 * known.estimate(codes))
        >>> unseen = space.sample(np.random.default_rng(1), 50)
        >>> ratio = latency.predict(unseen) / known.estimate(unseen)
        >>> bool(np.abs(ratio / 3 - 1).mean() < 0.02)
        True
    """

    def __init__(
        self,
        space: SearchSpace,
        sources: Sequence[CostModel],
        *,
        networks: int = _REFERENCES,
        seed: int = 0,
    ):
        self.space = space
        self.sources = tuple(sources)
        codes = space.sample(np.random.default_rng(seed), networks)
        self.prior = Prior(space, codes, self.known_costs(codes), seed)

    def known_costs(self, codes: Codes) -> Array:
        """Return the costs [n, devices] of networks on the known devices."""
        costs: Array = np.empty((len(codes), len(self.sources)))
        for index, model in enumerate(self.sources):
            costs[:, index] = model.estimate(codes)
        return costs

    def design(self, count: int = DESIGN_SIZE) -> Codes:
        """Choose the networks to measure on a new device, codes [count, choices]."""
        codes: Codes = self.prior.codes[self.prior.design(count)]
        return codes

    def fit(self, architectures: Architectures, latency_ms: Array) -> TransferredLatency:
        """Fit the latencies of a new device.

        Args:
            architectures: Measured networks [n], or their codes [n, choices]; at least 3.
            latency_ms: Their latencies [n] in milliseconds.

        Raises:
            InvalidTransfer: There are too few networks, or a latency is not above 0.
        """
        codes = self.space.codes(architectures)
        return TransferredLatency(
            self, self.prior.fit(codes, self.known_costs(codes), np.asarray(latency_ms))
        )


@dataclass(frozen=True)
class TransferredLatency:
    """The latency of networks on a new device.

    Args:
        transfer: The known devices.
        posterior: The posterior of the new device's latencies.
    """

    transfer: DeviceTransfer
    posterior: Posterior

    def predict(self, architectures: Architectures) -> Array:
        """Return the latencies [n] of networks, or of codes [n, choices], in milliseconds."""
        codes = self.transfer.space.codes(architectures)
        return self.posterior.predict(codes, self.transfer.known_costs(codes))

    def deviation(self, architectures: Architectures) -> Array:
        """Return the relative deviations [n] of networks' latencies from the predictions."""
        codes = self.transfer.space.codes(architectures)
        return self.posterior.deviation(codes, self.transfer.known_costs(codes))


def transferred_model(
    space: SearchSpace,
    sources: Sequence[CostModel],
    codes: Codes,
    latency_ms: Array,
    *,
    name: str,
    networks: int = _REFERENCES,
    seed: int = 0,
) -> CostModel:
    """Fit the latency model of a new device.

    Args:
        space: Space of all models.
        sources: Latency models of other devices.
        codes: Codes [n, choices] of the networks that were measured on the new device.
        latency_ms: Their latencies [n] in milliseconds.
        name: Name of the new device.
        networks: Number of sampled networks on which the sources are compared.
        seed: Seed of these samples.

    Raises:
        InvalidTransfer: There are too few networks, or a latency is not above 0.

    Example:
        >>> import spaces, tables
        >>> from tables.transfer import transferred_model
        >>> space = spaces.get("spos")
        >>> known = tables.load("amd-epyc-spos-b1-fp32-t2").cost_model(space)
        >>> codes = space.sample(np.random.default_rng(0), 10)
        >>> measured = 2 * known.estimate(codes)
        >>> model = transferred_model(space, [known], codes, measured, name="new", networks=200)
        >>> model.device, model.unit
        ('new', 'ms')
    """
    transfer = DeviceTransfer(space, sources, networks=networks, seed=seed)
    latency = transfer.fit(codes, latency_ms)

    # A posterior's deviations are relative; a cost model's is in milliseconds.
    references = transfer.prior.codes
    deviations = latency.deviation(references) * latency.predict(references)
    sigma = float(np.sqrt(np.mean(deviations**2)))
    return CostModel(space, "latency_ms", SearchedSums(space, latency.predict), sigma, name)
