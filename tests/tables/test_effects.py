"""Effects of candidates, and the candidates that no good network below a limit has."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from spaces.chains.additive import AdditiveTable
from tables.effects import Effects
from tables.errors import InvalidEvaluation, InvalidTable

SIZES = [3, 2, 4, 3]
ALL = np.array(list(itertools.product(*map(range, SIZES))))


def additive(seed: int, fixed: float = 0.0) -> AdditiveTable:
    """Return a table of random terms between 0 and 1."""
    rng = np.random.default_rng(seed)
    return AdditiveTable(fixed, [rng.random(size) for size in SIZES])


def sample(count: int, seed: int) -> NDArray[np.int64]:
    return ALL[np.random.default_rng(seed).permutation(len(ALL))[:count]]


def test_effects_of_a_sum_are_its_terms() -> None:
    truth, codes = additive(0, 5.0), sample(40, 1)

    effects = Effects.fit(codes, truth(codes), SIZES)

    for term, expected in zip(effects.terms, truth.terms, strict=True):
        np.testing.assert_allclose(term - term[0], expected - expected[0], atol=1e-9)


def test_errors_are_those_of_differences_to_a_reference() -> None:
    codes = sample(50, 2)
    scores = additive(0)(codes) + np.random.default_rng(3).normal(size=50)

    effects = Effects.fit(codes, scores, SIZES)

    # The same regression without the first candidate of each choice, whose effects are differences.
    columns = [codes[:, [column]] == np.arange(1, size) for column, size in enumerate(SIZES)]
    design = np.concatenate([np.ones((50, 1)), *columns], axis=1)
    coefficients, (squares,), rank, _ = np.linalg.lstsq(design, scores)
    variances = np.diag(np.linalg.inv(design.T @ design)) * squares / (50 - rank)
    covariance = effects.covariances[0]
    difference = effects.terms[0] - effects.terms[0][0]
    np.testing.assert_allclose(difference[1:], coefficients[1:3])
    for code in (1, 2):
        variance = covariance[0, 0] + covariance[code, code] - 2 * covariance[0, code]
        assert variance == pytest.approx(variances[code])


@given(st.integers(0, 1000), st.floats(0, 1))
def test_the_best_network_below_a_limit_remains(seed: int, fraction: float) -> None:
    truth, latencies = additive(seed), additive(seed + 1, 0.5)
    (fastest, _), (slowest, _) = latencies.bounds()
    limit = fastest + fraction * (slowest - fastest) + 1e-9

    effects = Effects.fit(ALL, truth(ALL), SIZES)
    removed = effects.unpromising(latencies, limit, 0.0)

    below = ALL[latencies(ALL) <= limit]
    best = below[truth(below).argmax()]
    assert not any(mask[code] for mask, code in zip(removed, best, strict=True))


def test_without_a_limit_the_best_candidates_alone_remain() -> None:
    truth = additive(0)

    removed = Effects.fit(ALL, truth(ALL), SIZES).unpromising(additive(1), None, 0.0)

    for mask, term in zip(removed, truth.terms, strict=True):
        assert np.flatnonzero(~mask).tolist() == [term.argmax()]


def test_noise_leaves_more_candidates() -> None:
    truth, codes = additive(0), sample(40, 1)
    scores = truth(codes) + 0.5 * np.random.default_rng(0).normal(size=40)
    effects = Effects.fit(codes, scores, SIZES)

    counts = [
        sum(int(mask.sum()) for mask in effects.unpromising(additive(1), 1.5, margin))
        for margin in (0.0, 1.0, 2.0, 100.0)
    ]

    assert counts == sorted(counts, reverse=True)
    assert counts[0] > counts[-1] == 0


def test_candidates_without_networks_remain() -> None:
    codes = ALL[ALL[:, 2] != 3]

    removed = Effects.fit(codes, additive(0)(codes), SIZES).unpromising(additive(1), None, 0.0)

    assert not removed[2][3]
    assert removed[2].sum() == 2


def test_few_networks_and_low_limits_are_refused() -> None:
    truth = additive(0)
    # An intercept and 2 + 1 + 3 + 2 differences.
    with pytest.raises(InvalidEvaluation, match=r"15 evaluated networks .* at least 19"):
        Effects.fit(ALL[::5], truth(ALL[::5]), SIZES)

    effects = Effects.fit(ALL, truth(ALL), SIZES)
    with pytest.raises(InvalidTable, match=r"meets the limit 0\.1; the fastest takes 1\.393"):
        effects.unpromising(additive(1, 0.5), 0.1, 2.0)
