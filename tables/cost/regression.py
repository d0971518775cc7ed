"""The linear and the multi-layer correction of aw_nas: regressions of costs on block costs.

Both have as their inputs the cost by the table of each choice (of each block in spaces that are not
additive); the ridge of `tables.cost.ridge` has the selected candidates. aw_nas (arXiv 2012.10388)
reports for both about half the error of the plain block sum on a GPU.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tables.cost.recurrent import fit_recurrent

if TYPE_CHECKING:
    from spaces.space import SearchSpace

FOLDS = 5

Array = NDArray[np.float64]
Predict = Callable[[Array], Array]


def block_costs_of(space: SearchSpace, codes: NDArray[Any], costs: Mapping[str, float]) -> Array:
    """Return the contribution of each choice, or each block, to the block sums.

    Args:
        space: Space of the architectures.
        codes: Codes [n, choices].
        costs: Block key -> cost.

    Returns:
        Array [n, choices] where the space is additive, [n, blocks] elsewhere.
    """
    if space.additive:
        terms = space.additive_table(lambda block: costs[block.key]).terms
        return np.stack([term[codes[:, column]] for column, term in enumerate(terms)], axis=1)

    keys, counts = space.block_counts(codes)
    weighted: Array = counts * np.array([costs[key] for key in keys])
    return weighted


def fit_linear(block_costs: Array, values: Array) -> tuple[float, Array]:
    """Fit a linear correction by least squares.

    Args:
        block_costs: Contributions [n, blocks] to the block sums.
        values: Measured costs [n].

    Returns:
        The intercept and the slopes [blocks].
    """
    from sklearn.linear_model import LinearRegression

    model = LinearRegression().fit(block_costs, values)
    return float(model.intercept_), np.asarray(model.coef_, dtype=float)


def fit_multi_layer(block_costs: Array, values: Array, seed: int) -> Predict:
    """Fit a perceptron with one hidden layer of 64 units to the residuals of the block sums.

    Args:
        block_costs: Contributions [n, blocks] to the block sums; they are standardised.
        values: Measured costs [n].
        seed: Seed of its weights.

    Returns:
        A function of contributions [m, blocks] that returns costs [m].
    """
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    residuals = values - block_costs.sum(1)

    # Standardised, so that the weight decay alpha means the same on every device.
    centre = float(residuals.mean())
    scale = float(residuals.std()) or 1.0

    model = make_pipeline(
        StandardScaler(),
        MLPRegressor(
            hidden_layer_sizes=(64,), solver="lbfgs", alpha=1.0, max_iter=200, random_state=seed
        ),
    )

    with warnings.catch_warnings():
        # Early stopping is part of the regularisation here.
        warnings.simplefilter("ignore", ConvergenceWarning)
        model.fit(block_costs, (residuals - centre) / scale)

    def predict(block_costs: Array) -> Array:
        correction = scale * model.predict(block_costs)
        return np.asarray(block_costs.sum(1) + centre + correction, dtype=float)

    return predict


NETWORKS: Mapping[str, Callable[[Array, Array, int], Predict]] = {
    "mlp": fit_multi_layer,
    "lstm": fit_recurrent,
}
"""Kind of correction -> function that fits its network."""


def fold_numbers(count: int, seed: int) -> NDArray[np.int64]:
    """Return the fold [count] of each network, at random.

    Folds are of equal size to within one network; there are at most `FOLDS`.

    Args:
        count: Number of networks.
        seed: Seed of the folds.
    """
    folds: NDArray[np.int64] = np.random.default_rng(seed).permutation(count) % min(FOLDS, count)
    return folds
