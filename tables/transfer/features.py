"""Features of networks: their costs on known devices, and their architecture."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from spaces.block import Block
from spaces.space import Codes, SearchSpace
from tables.ranks import normal_quantile

Array: TypeAlias = NDArray[np.float64]

DESIGN_WEIGHTS = {
    "score mean": 0.3,
    "score components": 0.3,
    "totals": 0.1,
    "operations": 0.15,
    "candidates": 0.15,
}
"""Prior variance of each group of features while networks are chosen; the other groups have none.

Half of it is the devices', half the architecture's: a new device may be like the known ones or not.
"""


@dataclass(frozen=True)
class FeatureGroup:
    """Linear features that have one prior variance.

    Args:
        centre: Mean [k] of the raw features over the reference networks.
        loadings: Map [k, features] from centred raw features, after which the reference networks'
            features have a mean square norm of 1.
    """

    centre: Array
    loadings: Array

    @classmethod
    def from_raw(cls, raw: Array, directions: Array | None = None) -> FeatureGroup:
        """Fit a group to raw features of reference networks.

        Args:
            raw: Raw features [networks, k].
            directions: Map [k, features] up to its scale. None: the features are the raw ones.
        """
        centre: Array = raw.mean(0)
        if directions is None:
            directions = np.eye(raw.shape[1])
        norm = math.sqrt((((raw - centre) @ directions) ** 2).sum(1).mean())

        # Raw features that are equal in all networks have nothing to learn from.
        return cls(centre, directions / norm if norm > 0 else np.zeros_like(directions))

    def __call__(self, raw: Array) -> Array:
        """Return the features [n, features] of raw features [n, k]."""
        features: Array = (raw - self.centre) @ self.loadings
        return features


class NetworkFeatures:
    """Groups of features of networks, centred and scaled on reference networks.

    For each of three scales of the known devices' costs (normal scores of their ranks, logarithms,
    milliseconds) there are the devices' mean and their principal components. Three groups describe
    the architecture: totals over the blocks, how often each operation occurs, and the candidate of
    each choice.

    Args:
        space: Space of the networks.
        codes: Codes [networks, choices] of the reference networks.
        costs: Their costs [networks, devices] on the known devices, above 0; there may be no
            device.
    """

    def __init__(self, space: SearchSpace, codes: Codes, costs: Array):
        self.space = space
        # Sorted once: every score is a rank among these costs.
        self._sorted = np.sort(costs, axis=0)
        count = len(costs)
        # A cost beyond all of the reference networks gets the score of the outermost.
        ranks = np.clip(np.arange(2 * count + 1) / 2, 0.5, count - 0.5)
        self._quantiles = normal_quantile(ranks / count)

        self.groups: dict[str, FeatureGroup] = {}
        for scale, values in self._devices(costs).items():
            self._fit_devices(scale, values)
        for name, values in self._architecture(codes).items():
            # Totals have units; counts and candidates compare as they are.
            directions = _standardising(values) if name == "totals" else None
            self.groups[name] = FeatureGroup.from_raw(values, directions)

    def __call__(self, codes: Codes, costs: Array) -> dict[str, Array]:
        """Return the features [n, features] of networks by the names of the groups.

        Args:
            codes: Codes [n, choices].
            costs: Costs [n, devices] on the known devices.
        """
        raw = {**self._devices(costs), **self._architecture(codes)}
        # `score mean` and `score components` are two groups of the raw features `score`.
        return {name: group(raw[name.split()[0]]) for name, group in self.groups.items()}

    def _fit_devices(self, scale: str, values: Array) -> None:
        """Add the mean and the principal components of devices' costs [networks, devices]."""
        standardise = _standardising(values)
        mean = standardise.mean(1, keepdims=True)
        self.groups[f"{scale} mean"] = FeatureGroup.from_raw(values, mean)

        # A component's features have its singular value as their scale.
        centred = (values - values.mean(0)) @ standardise
        _, _, components = np.linalg.svd(centred, full_matrices=False)
        directions = standardise @ components.T
        self.groups[f"{scale} components"] = FeatureGroup.from_raw(values, directions)

    def _devices(self, costs: Array) -> dict[str, Array]:
        """Return costs [n, devices] at each scale; nothing without devices."""
        if not costs.shape[1]:
            return {}
        return {"score": self.scores(costs), "logarithmic": np.log(costs), "linear": costs}

    def _architecture(self, codes: Codes) -> dict[str, Array]:
        return {
            "totals": totals(self.space, codes),
            "operations": operation_counts(self.space, codes),
            "candidates": self.space.one_hot(codes),
        }

    def scores(self, costs: Array) -> Array:
        """Return normal scores [n, devices] of the costs' ranks among the reference networks."""
        scores = np.empty(costs.shape)
        for device, values in enumerate(self._sorted.T):
            lower = np.searchsorted(values, costs[:, device], "left")
            upper = np.searchsorted(values, costs[:, device], "right")
            # The rank of a tie is the middle of its positions, (lower + upper) / 2.
            scores[:, device] = self._quantiles[lower + upper]
        return scores


def totals(space: SearchSpace, codes: Codes) -> Array:
    """Return totals over the blocks of networks, [n, 7].

    They are MACs, parameters and activations, each also as logarithm, and the number of blocks.
    """
    keys, counts = space.block_counts(codes)
    blocks = [space.all_blocks[key] for key in keys]
    costs = [(block.macs, block.params, _activations(block)) for block in blocks]
    sums: Array = counts @ np.array(costs, dtype=float)
    return np.concatenate([sums, np.log1p(sums), counts.sum(1, keepdims=True)], axis=1)


def operation_counts(space: SearchSpace, codes: Codes) -> Array:
    """Return how many choices of each network [n] select each name of a candidate, [n, names]."""
    names = list(dict.fromkeys(name for choice in space.choices for name in choice.candidates))
    counts = np.zeros((len(codes), len(names)))
    rows = np.arange(len(codes))
    for column, choice in enumerate(space.choices):
        positions = np.array([names.index(name) for name in choice.candidates])
        counts[rows, positions[codes[:, column]]] += 1
    return counts


def _activations(block: Block) -> int:
    """Return about how many values a block reads, writes and holds inside."""
    inner = block.hidden or (block.expansion or 0) * math.prod(block.input[:1])
    return math.prod(block.input) + math.prod(block.output) + inner * math.prod(block.input[1:])


def _standardising(raw: Array) -> Array:
    """Return the map [k, k] that gives raw features [n, k] a deviation of 1, or 0 to constants."""
    deviation = raw.std(0)
    # Beyond rounding errors, relative to the feature's own size.
    varies = deviation > 1e-9 * np.abs(raw).max(0)
    scale: Array = np.divide(1.0, deviation, out=np.zeros_like(deviation), where=varies)
    return np.diag(scale)
