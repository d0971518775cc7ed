"""Effects of candidates on a score, and the candidates that no good network below a limit has."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from spaces.chains.additive import AdditiveTable
from spaces.space import Codes
from tables.errors import InvalidEvaluation, InvalidTable

Array = NDArray[np.float64]

_FEWEST_NETWORKS = 2
"""Fewest evaluated networks of a candidate whose effect is known."""

_SPARE = 10
"""Fewest networks beyond the number of effects, from which the noise is estimated."""

_STEPS = 100
"""Bisections of the price of a limit, after which it is exact to the last digit."""


@dataclass(frozen=True)
class Effects:
    """Effects of the candidates of each choice, whose sum models the score of a network.

    Args:
        terms: For each choice the effect of each candidate, [candidates]; NaN where fewer than two
            networks have it. Only differences within a choice have a meaning.
        covariances: For each choice the covariance of the estimates, [candidates, candidates].
    """

    terms: Sequence[Array]
    covariances: Sequence[Array]

    @classmethod
    def fit(cls, codes: Codes, scores: Array, sizes: Sequence[int]) -> Self:
        """Fit effects by least squares.

        Args:
            codes: Codes of the evaluated networks, [n, choices].
            scores: Their scores, [n].
            sizes: Number of candidates of each choice.

        Raises:
            InvalidEvaluation: There are too few networks for as many effects.

        Example:
            >>> codes = np.random.default_rng(0).integers(0, 2, (20, 2))
            >>> effects = Effects.fit(codes, codes @ np.array([3.0, -1.0]), [2, 2])
            >>> [round(float(term[1] - term[0]), 6) for term in effects.terms]
            [3.0, -1.0]
        """
        one_hot = [codes[:, [column]] == np.arange(size) for column, size in enumerate(sizes)]
        design = np.concatenate([np.ones((len(codes), 1)), *one_hot], axis=1)
        rank = int(np.linalg.matrix_rank(design))
        if len(codes) < rank + _SPARE:
            raise InvalidEvaluation(
                f"{len(codes)} evaluated networks are too few for the effects of the candidates:"
                f" evaluate at least {rank + _SPARE}"
            )

        # Of columns that add up to one in each choice, only differences are determined.
        inverse = np.linalg.pinv(design.T @ design, hermitian=True)
        effects = inverse @ design.T @ scores
        residuals = scores - design @ effects
        covariance = inverse * float(residuals @ residuals) / (len(codes) - rank)

        starts = 1 + np.cumsum([0, *sizes])
        parts = [slice(*ends) for ends in itertools.pairwise(starts)]
        counts = design.sum(0)
        known = np.where(counts >= _FEWEST_NETWORKS, effects, np.nan)
        return cls([known[part] for part in parts], [covariance[part, part] for part in parts])

    def unpromising(
        self, latencies: AdditiveTable, limit: float | None, margin: float
    ) -> list[NDArray[np.bool_]]:
        """Return for each choice which candidates no good network has, bool [candidates].

        The limit has a price, the score that a unit of latency is worth (its Lagrange multiplier).
        A candidate's regret is the greatest difference of effect less priced latency to that of
        another one of its choice; no network with it is better than the bound of all by less.
        Fixing by reduced costs, as of the multiple-choice knapsack (Sinha and Zoltners, Operations
        Research 27, 1979): it may go where its regret exceeds the gap between that bound and the
        best network that was found. Here it must by `margin` standard errors.

        Args:
            latencies: Latency of each candidate.
            limit: Greatest latency of a network. None: there is none.
            margin: Standard errors of a difference of effects.

        Raises:
            InvalidTable: No network of candidates with known effects is below the limit.
        """
        # Candidates with unknown effects are never the best, and never unpromising.
        terms = [np.where(np.isnan(term), -np.inf, term) for term in self.terms]
        price = _price(terms, latencies, limit)
        values = [
            term - price * latency for term, latency in zip(terms, latencies.terms, strict=True)
        ]
        best = [int(value.argmax()) for value in values]
        unused = 0.0 if limit is None else limit - _latency(best, latencies)
        # With a tolerance, since sums of the last digits decide between equals.
        gap = price * unused + 1e-9 * sum(float(np.ptp(term[np.isfinite(term)])) for term in terms)

        results = []
        for code, value, covariance in zip(best, values, self.covariances, strict=True):
            variances = np.diag(covariance)
            errors = np.sqrt(np.maximum(variances[code] + variances - 2 * covariance[code], 0.0))
            results.append(np.isfinite(value) & (value[code] - value > gap + margin * errors))
        return results


def _price(terms: Sequence[Array], latencies: AdditiveTable, limit: float | None) -> float:
    """Return the least price of latency at which the best network is below the limit."""

    def best_latency(price: float) -> float:
        pairs = zip(terms, latencies.terms, strict=True)
        best = [int((term - price * latency).argmax()) for term, latency in pairs]
        return _latency(best, latencies)

    if limit is None or best_latency(0.0) <= limit:
        return 0.0

    pairs = zip(terms, latencies.terms, strict=True)
    fastest = latencies.fixed + sum(
        float(latency[np.isfinite(term)].min()) for term, latency in pairs
    )
    if fastest > limit:
        raise InvalidTable(
            f"no network of the evaluated candidates meets the limit {limit:g}; the fastest takes"
            f" {fastest:.4g}"
        )

    high = 1.0
    while best_latency(high) > limit:
        high *= 2
    low = 0.0
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if best_latency(middle) > limit:
            low = middle
        else:
            high = middle
    return high


def _latency(codes: Sequence[int], latencies: AdditiveTable) -> float:
    return latencies.fixed + sum(
        float(latency[code]) for latency, code in zip(latencies.terms, codes, strict=True)
    )
