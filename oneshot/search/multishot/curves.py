"""Curves of a metric over the multiply-accumulates of networks of one topology.

Ning et al., "Multi-shot NAS for discovering adversarially robust convolutional neural architectures
at targeted capacities", arXiv 2012.11835, section 4.3; walkerning/aw_nas.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Array: TypeAlias = NDArray[np.float64]

_TINY = 1e-12


@dataclass(frozen=True)
class Curve:
    """A family of curves y(x).

    Args:
        name: Name of the family.
        formula: Formula in x and the parameters, in order.
        values: Function (parameters, x [n]) -> y [n].
        start: Function (x [n], y [n]) -> parameters at which a fit begins.
        lower: Least value of each parameter.
        upper: Greatest value of each parameter.
    """

    name: str
    formula: str
    values: Callable[[Sequence[float] | Array, Array], Array]
    start: Callable[[Array, Array], list[float]]
    lower: tuple[float, ...]
    upper: tuple[float, ...]

    @property
    def num_params(self) -> int:
        """Number of parameters."""
        return len(self.lower)


def _logistic(params: Sequence[float] | Array, x: Array) -> Array:
    limit, slope, offset = params
    values: Array = limit / (1 + np.exp(np.clip(slope * np.log(x) + offset, -500, 500)))
    return values


def _logistic_start(x: Array, y: Array) -> list[float]:
    # A line through the logits of the values, if the limit is a little above the greatest.
    limit = 1.05 * max(float(y.max()), _TINY)
    fractions = np.clip(y / limit, 0.01, 0.99)
    slope, offset = np.polyfit(np.log(x), np.log(1 / fractions - 1), 1)
    return [limit, min(float(slope), -0.01), float(offset)]


def _power(params: Sequence[float] | Array, x: Array) -> Array:
    limit, factor, exponent = params
    return limit - factor * x**-exponent


def _equal_power(params: Sequence[float] | Array, x: Array) -> Array:
    limit, factor = params
    return _power([limit, factor, factor], x)


def _equal_power_start(x: Array, y: Array) -> list[float]:
    # The errors have several minima: the fit begins near the lowest one.
    starts = []
    for factor in np.geomspace(0.03, 5, 40):
        limits = y + factor * x**-factor
        starts.append((float(limits.std()), float(limits.mean()), float(factor)))
    _, limit, factor = min(starts)
    return [limit, factor]


def _linear_start(columns: Callable[[Array], list[Array]]) -> Callable[[Array, Array], list[float]]:
    """Return a start by least squares where y is linear in functions of x."""

    def start(x: Array, y: Array) -> list[float]:
        solution, *_ = np.linalg.lstsq(np.stack(columns(x), axis=1), y, rcond=None)
        return [float(value) for value in solution]

    return start


def _log_of_log(params: Sequence[float] | Array, x: Array) -> Array:
    factor, offset = params
    return np.log(np.maximum(factor * np.log(x) + offset, _TINY))


def _log_of_log_start(x: Array, y: Array) -> list[float]:
    factor, offset = np.polyfit(np.log(x), np.exp(y), 1)
    return [float(factor), float(offset)]


_ONE = np.ones_like

CURVES = (
    Curve(
        "logistic",
        "a / (1 + x^b e^c)",
        _logistic,
        _logistic_start,
        (0.0, -np.inf, -np.inf),
        (np.inf, 0.0, np.inf),
    ),
    Curve(
        "power",
        "c - a x^-alpha",
        _power,
        lambda x, y: [*_linear_start(lambda x: [_ONE(x), -1 / np.sqrt(x)])(x, y), 0.5],
        (-np.inf, -np.inf, 0.01),
        (np.inf, np.inf, 5.0),
    ),
    Curve(
        "equal-power",
        "c - a x^-a",
        _equal_power,
        _equal_power_start,
        (-np.inf, 0.0),
        (np.inf, 5.0),
    ),
    Curve(
        "hyperbola",
        "a + b / x + c ln x",
        lambda params, x: params[0] + params[1] / x + params[2] * np.log(x),
        _linear_start(lambda x: [_ONE(x), 1 / x, np.log(x)]),
        (-np.inf,) * 3,
        (np.inf,) * 3,
    ),
    Curve(
        "log-of-log",
        "ln(a ln x + b)",
        _log_of_log,
        _log_of_log_start,
        (-np.inf,) * 2,
        (np.inf,) * 2,
    ),
    Curve(
        "inverse-log",
        "c - a / ln x",
        lambda params, x: params[0] - params[1] / np.log(x),
        _linear_start(lambda x: [_ONE(x), -1 / np.log(x)]),
        (-np.inf,) * 2,
        (np.inf,) * 2,
    ),
)
"""The families of the release, that of the paper first."""

LEAST_POINTS = 3
"""Least number of points: two parameters, and one point to choose the family by."""


@dataclass(frozen=True)
class Reading:
    """The value of a fitted curve.

    Args:
        value: Value of the curve.
        deviation: Its standard deviation by that of the points about the curve.
        curve: Name of the family.
        error: Root mean square of the errors at points that were left out of the fit.
    """

    value: float
    deviation: float
    curve: str
    error: float


def read_at(x: Array, y: Array, target: float, curves: Sequence[Curve] = CURVES) -> Reading:
    """Fit curves to points, and read the one of the least leave-one-out error.

    The deviation is that of a prediction of non-linear least squares, s sqrt(g^T (J^T J)^+ g), with
    the Jacobian J at the points, the gradient g at the target, and the leave-one-out error as s:
    with few points residuals are too small, and without degrees of freedom they are 0.

    Args:
        x: Costs [n], above 1, such as millions of multiply-accumulates.
        y: Values [n], of about 1, such as accuracies from 0 to 1: one family has their exponential.
        target: Cost at which the curve is read.
        curves: Families; those with as many parameters as points are left out.

    Raises:
        ValueError: There are fewer than 3 points, or no family is left.

    Example:
        >>> x = np.array([100.0, 200.0, 400.0, 800.0, 1200.0])
        >>> reading = read_at(x, 0.8 / (1 + x**-0.8 * np.exp(2.0)), 2000.0)
        >>> reading.curve, round(reading.value, 4)
        ('logistic', 0.7867)
    """
    usable = [curve for curve in curves if curve.num_params < len(x)]
    if len(x) < LEAST_POINTS or not usable:
        raise ValueError(f"{len(x)} points are too few for a curve")

    errors = [_left_out_error(curve, x, y) for curve in usable]
    best = int(np.argmin(errors))
    curve = usable[best]

    params = _fit(curve, x, y)
    point = np.array([target])
    jacobian = _gradients(curve, params, x)
    gradient = _gradients(curve, params, point)[0]
    leverage = float(gradient @ np.linalg.pinv(jacobian.T @ jacobian) @ gradient)
    error = errors[best]
    value = float(curve.values(params, point)[0])
    return Reading(value, error * math.sqrt(max(leverage, 0.0)), curve.name, error)


def _left_out_error(curve: Curve, x: Array, y: Array) -> float:
    """Return the root mean square of the errors at points that the others predict."""
    errors = []
    for index in range(len(x)):
        others = np.arange(len(x)) != index
        params = _fit(curve, x[others], y[others])
        errors.append(float(curve.values(params, x[[index]])[0]) - float(y[index]))
    return float(np.sqrt(np.mean(np.square(errors))))


def _fit(curve: Curve, x: Array, y: Array) -> Array:
    """Return the parameters of least squares."""
    from scipy.optimize import least_squares

    start = np.clip(curve.start(x, y), curve.lower, curve.upper)
    # Not at a bound, where the solver cannot begin.
    start = np.clip(start, np.asarray(curve.lower) + _TINY, np.asarray(curve.upper) - _TINY)
    result = least_squares(
        lambda params: curve.values(params, x) - y,
        start,
        bounds=(curve.lower, curve.upper),
        x_scale="jac",
        max_nfev=100,
    )
    parameters: Array = result.x
    return parameters


def _gradients(curve: Curve, params: Array, x: Array) -> Array:
    """Return the derivatives of y by the parameters, [n, parameters], by central differences."""
    columns = []
    for index, value in enumerate(params):
        step = 1e-6 * max(abs(value), 1e-3)
        above, below = params.copy(), params.copy()
        above[index] += step
        below[index] -= step
        difference = curve.values(above, x) - curve.values(below, x)
        columns.append(difference / (2 * step))
    return np.stack(columns, axis=1)
