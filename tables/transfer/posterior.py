"""The posterior of a new device's latencies, given a few measured networks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from spaces.space import Codes
from tables.cost.ridge import Correction, fit_ridge
from tables.transfer.features import NetworkFeatures
from tables.transfer.process import Process, Settings, Transform

Array = NDArray[np.float64]

POWERS = (0.0, 0.5, 1.0)
"""Exponents of the transforms of latencies; 0 is the logarithm."""

# Transforms whose weight is less change nothing.
_NEGLIGIBLE = 1e-4

# Groups of features of the ridges: one of the known devices, one of the measurements alone.
_RIDGES = (("logarithmic components",), ("totals", "operations", "candidates"))


@dataclass(frozen=True)
class Component:
    """The process of one transform of the latencies.

    Args:
        transform: The transform.
        process: The process, conditioned on the transformed latencies.
        weight: Weight of the transform among all.
        setting_weights: Weights of the process's settings; their sum is 1.
    """

    transform: Transform
    process: Process
    weight: float
    setting_weights: Array

    def log_latencies(self, features: Mapping[str, Array]) -> Array:
        """Return the logarithms [n] of the latencies of networks by their features."""
        constant, weights = self.process.mean_weights(self.setting_weights)
        values = np.full(len(next(iter(features.values()))), constant)
        for name, group in features.items():
            values += group @ weights[name]
        logarithms, _ = self.transform.log_latencies(values)
        return logarithms

    def moments(self, features: Mapping[str, Array]) -> tuple[Array, Array]:
        """Return the mean and the variance of the logarithms of latencies, each [n]."""
        mean, variance = self.process.moments(features, self.setting_weights)
        logarithms, slope = self.transform.log_latencies(mean)
        return logarithms, variance * slope**2

    def left_out(self) -> Array:
        """Return the logarithms [n] of the measured latencies, each predicted from the others."""
        values = self.setting_weights @ self.process.left_out
        logarithms, _ = self.transform.log_latencies(values)
        return logarithms


class Posterior:
    """The latencies of networks on a new device.

    Three members are stacked: the processes of `tables.transfer.process`, averaged over transforms
    and settings, a ridge regression on the known devices' log latencies, and one on the
    architectures. Their weights are inverse to the mean squares of their leave-one-out residuals,
    so that a member which fails on this device hardly counts.

    Args:
        features: Groups of features of the networks.
        settings: Settings of the process.
        codes: Codes [n, choices] of the measured networks.
        costs: Their costs [n, devices] on the known devices.
        latency_ms: Their latencies [n] on the new device in milliseconds, above 0; n is at least 3.
    """

    def __init__(
        self,
        features: NetworkFeatures,
        settings: Settings,
        codes: Codes,
        costs: Array,
        latency_ms: Array,
    ):
        self._features = features
        self._log_centre = float(np.log(latency_ms).mean())
        measured = features(codes, costs)
        logarithms = np.log(latency_ms) - self._log_centre

        self.components = _components(settings, measured, np.exp(logarithms))
        left_out = sum(component.weight * component.left_out() for component in self.components)
        errors = [float(np.mean((logarithms - left_out) ** 2))]

        self._ridges: list[tuple[tuple[str, ...], Correction]] = []
        for names in _RIDGES:
            # Without known devices there is no ridge on them.
            if set(names) <= set(measured):
                joined = _joined(measured, names)
                ridge = fit_ridge(joined, np.zeros(len(joined)), logarithms)
                self._ridges.append((names, ridge))
                errors.append(ridge.residual**2)

        precisions = 1 / np.maximum(errors, 1e-12)
        self.member_weights: Array = precisions / precisions.sum()

    def predict(self, codes: Codes, costs: Array) -> Array:
        """Return the latencies [n] of networks in milliseconds.

        Args:
            codes: Codes [n, choices].
            costs: Costs [n, devices] on the known devices.
        """
        members = self._members(self._features(codes, costs))
        latencies: Array = np.exp(self._log_centre + self.member_weights @ members)
        return latencies

    def deviation(self, codes: Codes, costs: Array) -> Array:
        """Return the relative deviations [n] of networks' latencies from the predictions.

        They are those of the processes, and the differences of the members. Arguments are those of
        `predict`.
        """
        features = self._features(codes, costs)
        first = np.zeros(len(codes))
        second = np.zeros(len(codes))
        for component in self.components:
            mean, variance = component.moments(features)
            first += component.weight * mean
            second += component.weight * (variance + mean**2)

        members = self._members(features)
        difference = self.member_weights @ (members - self.member_weights @ members) ** 2
        deviations: Array = np.sqrt(np.maximum(second - first**2, 0.0) + difference)
        return deviations

    def _members(self, features: Mapping[str, Array]) -> Array:
        """Return each member's logarithms [members, n] of latencies over the measured mean."""
        processes = sum(
            component.weight * component.log_latencies(features) for component in self.components
        )
        ridges = [
            ridge.intercept + _joined(features, names) @ ridge.deltas
            for names, ridge in self._ridges
        ]
        return np.stack([np.asarray(processes), *ridges])


def _components(
    settings: Settings, measured: Mapping[str, Array], relative: Array
) -> list[Component]:
    """Condition the process on each transform of latencies [n], weighted by their evidence."""
    transforms = [Transform(power, relative) for power in POWERS]
    processes = [Process(settings, measured, transform.values) for transform in transforms]
    log_weights = np.stack(
        [
            process.log_evidence + transform.log_jacobian
            for process, transform in zip(processes, transforms, strict=True)
        ]
    )
    weights = np.exp(log_weights - log_weights.max())
    by_transform = weights.sum(1)
    by_transform[by_transform < _NEGLIGIBLE * by_transform.sum()] = 0.0
    by_transform /= by_transform.sum()

    return [
        Component(transform, process, float(weight), row / row.sum())
        for transform, process, weight, row in zip(
            transforms, processes, by_transform, weights, strict=True
        )
        if weight
    ]


def _joined(features: Mapping[str, Array], names: tuple[str, ...]) -> Array:
    return np.concatenate([features[name] for name in names], axis=1)
