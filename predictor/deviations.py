"""Deviations in the unit of the values, calibrated by leaving one out."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from predictor.ranks import NormalScores

# Fractions of a normal distribution within one and within two deviations.
_WITHIN_ONE = 0.683
_WITHIN_TWO = 0.954
# Weight of the second fraction against the first: errors have heavier tails than a normal
# distribution, so that one factor cannot meet both.
_TAIL_WEIGHT = 0.6
# Degrees of freedom of the errors' distribution: a few networks that fail to train must not widen
# the deviations of all others.
_DEGREES_OF_FREEDOM = 4.0
# Width of the window of predicted scores whose errors set a local factor, and the weight in it of
# all other errors, in errors.
_WINDOW = 0.5
_POOLED_ERRORS = 5.0
# The kernel's parameters were fitted with the networks that are left out, which makes errors of
# few networks too small.
_SMALL_SAMPLE = 0.5
# Deviations of the prior of the logarithms of scale and floor.
_PRIOR_DEVIATION = 2.0
# Predicted scores between which the local factor is interpolated.
_POSITIONS = np.linspace(-3.0, 3.0, 31)
# Nodes of the integral over a score's normal distribution.
_NODES = 9


@dataclass(frozen=True)
class ValueDeviations:
    r"""A map from predicted normal scores with their deviations to deviations of values.

    The curve from scores to values is steep where few networks lie and flat where they crowd, at
    the best ones, though networks differ there by the noise of their training as elsewhere. A
    deviation carried through the curve is therefore too wide for bad networks and too narrow for
    good ones. Here it is scaled, and a floor in the unit of the values is added in quadrature:

    .. math::
        d(m, s) = f(m) \sqrt{a^2 c(m, s)^2 + b^2}

    with c the standard deviation of the values of a normal score (m, s). The scale a and the floor
    b have the greatest likelihood of the errors of left-out networks under Student's distribution;
    the factor f makes 68% of the errors of networks with similar scores smaller than one deviation
    and 95% smaller than two, as nearly as one factor can.

    Args:
        curve: Map between values and normal scores.
        scale: Factor a of the carried deviations.
        floor: Least deviation b before the factor, in the unit of the values.
        factors: Factor f at 31 scores from -3 to 3, [31].

    Example:
        >>> import numpy as np
        >>> from predictor.deviations import ValueDeviations
        >>> from predictor.ranks import NormalScores
        >>> rng = np.random.default_rng(0)
        >>> mean = rng.normal(size=200)
        >>> values = 90 + mean + 0.3 * rng.normal(size=200)
        >>> curve = NormalScores.from_values(values)
        >>> deviations = ValueDeviations.fit(curve, mean, np.full(200, 0.1), values)
        >>> inside = np.abs(values - curve.to_values(mean)) <= deviations(mean, np.full(200, 0.1))
        >>> bool(0.6 < inside.mean() < 0.8)
        True
    """

    curve: NormalScores
    scale: float
    floor: float
    factors: NDArray[np.float64]

    @classmethod
    def fit(
        cls,
        curve: NormalScores,
        mean: NDArray[np.float64],
        deviation: NDArray[np.float64],
        values: NDArray[np.float64],
    ) -> ValueDeviations:
        """Fit scale, floor and factors.

        Args:
            curve: Map between values and normal scores.
            mean: Score of each network, predicted without it, [n].
            deviation: Deviation of that score, [n].
            values: Values of the networks, [n].
        """
        errors = np.abs(values - curve.to_values(mean))
        carried = _carried_deviation(curve, mean, deviation)
        unit = float(np.median(errors)) or float(errors.mean())

        # Without errors, or without a curve, nothing can be learned of their size.
        if unit == 0 or not (carried > 0).all():
            return cls(curve, 1.0, 0.0, np.ones(len(_POSITIONS)))

        scale, floor = _greatest_likelihood(errors / unit, carried / unit)
        floor *= unit
        ratios = errors / np.hypot(scale * carried, floor)
        return cls(curve, scale, floor, _local_factors(mean, ratios))

    def __call__(
        self, mean: NDArray[np.float64], deviation: NDArray[np.float64]
    ) -> NDArray[np.float64]:
        """Convert deviations of scores to the unit of the values.

        Args:
            mean: Predicted scores, [n].
            deviation: Their deviations, [n].

        Returns:
            Deviations of the values, [n].
        """
        carried = _carried_deviation(self.curve, mean, deviation)
        factor = np.interp(mean, _POSITIONS, self.factors)
        return np.asarray(factor * np.hypot(self.scale * carried, self.floor))


def _carried_deviation(
    curve: NormalScores, mean: NDArray[np.float64], deviation: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return the standard deviation [n] of the values of normally distributed scores."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
    weights = weights / weights.sum()
    values = np.stack([curve.to_values(mean + node * deviation) for node in nodes])

    mean_value = weights @ values
    variance = weights @ np.square(values - mean_value)
    return np.asarray(np.sqrt(variance))


def _greatest_likelihood(
    errors: NDArray[np.float64], carried: NDArray[np.float64]
) -> tuple[float, float]:
    """Return scale and floor of errors [n] with carried deviations [n]; both in units of errors."""
    from scipy.optimize import minimize

    # A scale of 1 for the median deviation and a floor well below the median error.
    start = np.array([-np.log(np.median(carried)), -1.0])

    def loss(parameters: NDArray[np.float64]) -> float:
        scale, floor = np.exp(parameters)
        variance = np.square(scale * carried) + floor**2
        tail = np.log1p(np.square(errors) / variance / _DEGREES_OF_FREEDOM)
        likelihood = -0.5 * np.log(variance) - 0.5 * (_DEGREES_OF_FREEDOM + 1) * tail
        prior = -0.5 * np.square((parameters[1] - start[1]) / _PRIOR_DEVIATION)
        return -float(likelihood.sum() + prior)

    best = minimize(loss, start, method="Nelder-Mead", options={"xatol": 1e-3, "fatol": 1e-3})
    scale, floor = np.exp(best.x)
    return float(scale), float(floor)


def _local_factors(mean: NDArray[np.float64], ratios: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the factor at each position: a compromise of two quantiles of nearby errors.

    Args:
        mean: Predicted scores, [n].
        ratios: Errors by their deviations before the factor, [n].
    """
    order = np.argsort(ratios)
    ratios = ratios[order]
    mean = mean[order]
    small_sample = 1 + _SMALL_SAMPLE / np.sqrt(len(ratios))

    factors = []
    for position in _POSITIONS:
        weights = np.exp(-0.5 * np.square((mean - position) / _WINDOW))
        weights = weights + _POOLED_ERRORS / len(ratios)
        ranks = (np.cumsum(weights) - 0.5 * weights) / weights.sum()
        one, two = np.interp([_WITHIN_ONE, _WITHIN_TWO], ranks, ratios)
        factors.append(one ** (1 - _TAIL_WEIGHT) * (two / 2) ** _TAIL_WEIGHT)

    return np.asarray(small_sample * np.array(factors))
