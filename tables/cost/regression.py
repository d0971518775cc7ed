"""The linear and the multi-layer correction of aw_nas: networks' costs regressed on the costs of
their parts.

Both take as their inputs what each choice (in spaces that are not additive: each block) costs by
the table; the ridge of `tables.cost.ridge` takes which candidate was chosen. aw_nas (arXiv
2012.10388) reports for its linear and its multi-layer correction about half the error of the plain
block sum on a GPU.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tables.cost.ridge import fit

if TYPE_CHECKING:
    from spaces.space import SearchSpace

FOLDS = 5

Array = NDArray[np.float64]
Predict = Callable[[Array], Array]


def parts(space: SearchSpace, codes: NDArray[Any], costs: Mapping[str, float]) -> Array:
    """What each choice, or each kind of block, contributes to the block sum: float [n, parts].

    Args:
        space: whose architectures.
        codes: [n, choices].
        costs: block key -> cost.
    """
    if space.additive:
        terms = space.additive_table(lambda block: costs[block.key]).terms
        return np.stack([term[codes[:, column]] for column, term in enumerate(terms)], axis=1)
    keys, counts = space.block_counts(codes)
    weighted: Array = counts * np.array([costs[key] for key in keys])
    return weighted


def linear(given: Array, values: Array) -> tuple[float, Array]:
    """Least squares of `values` [n] on `given` [n, parts]: the intercept and the coefficients
    [parts].
    """
    from sklearn.linear_model import LinearRegression

    model = LinearRegression().fit(given, values)
    return float(model.intercept_), np.asarray(model.coef_, dtype=float)


def multi_layer(given: Array, values: Array, seed: int) -> Predict:
    """A perceptron with one hidden layer of 64, on standardised inputs, that learns what the block
    sum leaves.

    Args:
        given: [n, parts].
        values: [n].
        seed: of its weights.

    Returns:
        Parts [m, parts] -> costs [m].
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rest = values - given.sum(1)
    centre, scale = float(rest.mean()), float(rest.std()) or 1.0
    model = make_pipeline(
        StandardScaler(),
        MLPRegressor(
            hidden_layer_sizes=(64,), solver="lbfgs", alpha=1.0, max_iter=200, random_state=seed
        ),
    )
    with warnings.catch_warnings():
        # Stopping early is part of the regularisation here.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(given, (rest - centre) / scale)
    return lambda more: np.asarray(more.sum(1) + centre + scale * model.predict(more), dtype=float)


def fold_residuals(kind: str, features: Array, given: Array, values: Array, seed: int) -> Array:
    """Residuals [n] of a kind of correction, each network predicted by the fit of the other folds.

    Args:
        kind: `ridge`, `linear` or `mlp`.
        features: [n, features], for the ridge.
        given: [n, parts], for the others.
        values: [n].
        seed: of the folds and of the perceptron's weights.
    """
    residuals = np.empty(len(values))
    fold = np.random.default_rng(seed).permutation(len(values)) % min(FOLDS, len(values))
    for number in range(fold.max() + 1):
        out, rest = fold == number, fold != number
        if kind == "ridge":
            found = fit(features[rest], given[rest].sum(1), values[rest])
            predicted = given[out].sum(1) + found.intercept + features[out] @ found.deltas
        elif kind == "linear":
            intercept, slopes = linear(given[rest], values[rest])
            predicted = intercept + given[out] @ slopes
        else:
            predicted = multi_layer(given[rest], values[rest], seed)(given[out])
        residuals[out] = values[out] - predicted
    return residuals
