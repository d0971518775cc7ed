"""The closed forms against all orders of equal scores."""

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray

from predictor.verdict import expected
from tables.ranks import kendall

Values = NDArray[np.float64]


def orders(scores: Values) -> list[list[int]]:
    """Return every order of the rows, best first, that the scores allow."""
    permutations = itertools.permutations(range(len(scores)))
    return [list(rows) for rows in permutations if (np.diff(scores[list(rows)]) <= 0).all()]


def sample(seed: int) -> tuple[Values, Values]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, 3, 6).astype(float), rng.permutation(6).astype(float)


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("count", [1, 2, 3, 5, 6])
def test_figures_are_means_over_all_orders_of_ties(seed: int, count: int) -> None:
    scores, truth = sample(seed)
    true_rank = np.array([1 + (truth > value).sum() for value in truth])
    selections = [order[:count] for order in orders(scores)]

    precisions = [(true_rank[rows] <= count).mean() for rows in selections]
    assert expected.precision(scores, truth, count) == pytest.approx(np.mean(precisions))

    best = [true_rank[rows].min() for rows in selections]
    assert expected.best_rank(scores, truth, count) == pytest.approx(np.mean(best))

    worst = [true_rank[rows].max() for rows in selections]
    assert expected.worst_rank(scores, truth, count) == pytest.approx(np.mean(worst))


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("count", [2, 3, 5])
def test_tau_inside_the_top_is_the_mean_over_all_orders(seed: int, count: int) -> None:
    scores, truth = sample(seed)
    taus = [kendall(-np.arange(count), truth[order[:count]]) for order in orders(scores)]
    assert expected.top_tau(scores, truth, count) == pytest.approx(np.mean(taus))


def test_equal_true_values_have_no_order_either() -> None:
    scores = np.array([4.0, 3.0, 2.0, 1.0])
    truth = np.array([5.0, 5.0, 5.0, 1.0])
    # Each of the three best belongs to the first two with probability 2/3.
    assert expected.precision(scores, truth, 2) == pytest.approx(2 / 3)
    assert expected.best_rank(scores, truth, 1) == 1
    assert np.isnan(expected.top_tau(scores, truth, 3))


def test_concordance_counts_pairs() -> None:
    rng = np.random.default_rng(0)
    first, second = rng.integers(0, 4, (2, 30)).astype(float)
    pairs = itertools.combinations(range(30), 2)
    signs = [np.sign(first[i] - first[j]) * np.sign(second[i] - second[j]) for i, j in pairs]
    assert expected.concordance(first, second) == sum(signs)
