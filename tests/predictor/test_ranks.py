"""Maps between values and the scores of their ranks and distances."""

import numpy as np
import pytest

from predictor.ranks import NormalScores


def test_scores_of_ranks_and_values_are_standardised_and_invertible() -> None:
    values = np.random.default_rng(0).gumbel(size=60) * -1.0
    curve = NormalScores.from_ranks_and_values(values)
    scores = curve.to_scores(values)
    assert scores.mean() == pytest.approx(0, abs=1e-9)
    assert scores.std() == pytest.approx(1)
    np.testing.assert_allclose(curve.to_values(scores), values)
    assert (np.diff(scores[np.argsort(values)]) > 0).all()


def test_scores_of_ranks_and_values_change_with_neither_unit_nor_origin() -> None:
    values = np.random.default_rng(1).normal(size=40)
    scores = NormalScores.from_ranks_and_values(values).to_scores(values)
    moved = 1000 * values + 7
    np.testing.assert_allclose(
        NormalScores.from_ranks_and_values(moved).to_scores(moved), scores, atol=1e-9
    )


def test_distance_of_failed_networks_matters_little() -> None:
    values = np.linspace(80, 94, 50)
    failed = values.copy()
    failed[0] = 10
    near = NormalScores.from_ranks_and_values(values).to_scores(values)
    far = NormalScores.from_ranks_and_values(failed).to_scores(failed)
    assert np.abs(near - far)[1:].max() < 0.15


@pytest.mark.parametrize("values", [[1.0], [2.0, 2.0, 2.0], [0.0, 1.0, 1.0, 1.0, 1.0]])
def test_values_that_are_mostly_equal_have_the_scores_of_their_ranks(values: list[float]) -> None:
    array = np.array(values)
    curve = NormalScores.from_ranks_and_values(array)
    ranks = NormalScores.from_values(array)
    np.testing.assert_array_equal(curve.scores, ranks.scores)
    np.testing.assert_array_equal(curve.values, ranks.values)
