"""Spaces whose true accuracies are known, and figures of rankings of their networks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

import tables
from predictor.metrics import kendall_tau
from predictor.verdict.expected import precision
from spaces.space import Codes, SearchSpace
from tables.benchmarks.oracle import Benchmark

METRICS = {
    "nasbench-macro": "cifar10_test_acc",
    "nasbench201": "cifar10_test_acc",
    # Of one training each; the file of 30001 cells has no test accuracies.
    "nasbench101": "cifar10_valid_acc",
}
"""Benchmark -> the metric that is its truth."""

PERCENTILES = np.arange(5, 100, 5)
TOP = 0.05
ERROR_TAUS = (0.76, 0.82, 0.88)
ERROR_DRAWS = 20

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Truth:
    """All networks of a space with their accuracies.

    Args:
        space: The space.
        codes: Codes of all architectures, int array [n, choices].
        accuracies: True accuracies in percent, [n].
        macs: Multiply-accumulates, [n].
        published: Name -> scores [n] that others measured in trained supernets.
    """

    space: SearchSpace
    codes: Codes
    accuracies: Array
    macs: Array
    published: dict[str, Array] = field(default_factory=dict)

    @classmethod
    def load(cls, name: str, data: Path | None = None) -> Truth:
        """Read the benchmark `name` from `data`, or from where it is searched for."""
        benchmark = tables.benchmark(name, data)
        space = benchmark.space
        codes = benchmark.codes()
        accuracies = np.asarray(benchmark.query(codes, METRICS[name]), dtype=float)
        published = _published(benchmark) if name == "nasbench201" else {}
        return cls(space, codes, accuracies, space.macs(codes).astype(float), published)

    @cached_property
    def network_numbers(self) -> NDArray[np.int64]:
        """Number of the network of each architecture, [n]; equal networks have equal numbers.

        Copies in NAS-Bench-Macro have accuracy and MACs in common. Cells of the other spaces were
        trained separately, so that each cell counts.
        """
        if not self.space.is_chain:
            return np.arange(len(self.codes))
        pairs = np.stack([self.accuracies, self.macs], axis=1)
        return np.unique(pairs, axis=0, return_inverse=True)[1].reshape(-1)

    @cached_property
    def distinct(self) -> NDArray[np.int64]:
        """First row of each distinct network, [m]."""
        return np.unique(self.network_numbers, return_index=True)[1]

    @cached_property
    def limits(self) -> Array:
        """Limits on MACs: percentiles 5, 10, ..., 95 over all architectures."""
        return np.percentile(self.macs, PERCENTILES)

    def figures(self, scores: Array) -> dict[str, float]:
        """Measure a ranking.

        Args:
            scores: Score of each architecture, [n]; greater is better.

        Returns:
            `tau` over the distinct networks, `p_top5` (fraction of the best 5% by score that are
            among the best 5% by accuracy) and `regret`, the mean over limits.
        """
        distinct_scores = scores[self.distinct]
        distinct_accuracies = self.accuracies[self.distinct]
        count = max(1, round(TOP * len(self.distinct)))
        return {
            "tau": kendall_tau(distinct_scores, distinct_accuracies),
            "p_top5": precision(distinct_scores, distinct_accuracies, count),
            "regret": self._regret(lambda feasible, limit: self._preferred(scores, feasible)),
        }

    def random_regret(self, least_use: float = 0.0) -> float:
        """Return the expected regret of a random architecture.

        Args:
            least_use: Fraction of the limit that the architecture uses at least.
        """
        return self._regret(lambda feasible, limit: feasible & (self.macs >= least_use * limit))

    def with_errors(self, tau: float, rng: np.random.Generator) -> Array:
        """Return scores whose independent normal errors give about this tau.

        The accuracy's quantile as a normal score is correlated with the score by r; for normal
        variables tau = 2/pi asin(r).
        """
        from scipy.stats import norm, rankdata

        accuracies = self.accuracies[self.distinct]
        quantiles = (rankdata(accuracies) - 0.5) / len(accuracies)
        correlation = np.sin(np.pi * tau / 2)
        deviation = np.sqrt(1 / correlation**2 - 1)
        scores = norm.ppf(quantiles) + deviation * rng.standard_normal(len(accuracies))
        by_network: Array = scores[self.network_numbers]
        return by_network

    def _preferred(self, scores: Array, feasible: Mask) -> Mask:
        preferred: Mask = feasible & (scores == scores[feasible].max())
        return preferred

    def _regret(self, select: Callable[[Mask, float], Mask]) -> float:
        regrets = []
        for limit in self.limits:
            feasible = self.macs <= limit
            # Ties count with their mean accuracy.
            expected = self.accuracies[select(feasible, limit)].mean()
            regrets.append(self.accuracies[feasible].max() - expected)
        return float(np.mean(regrets))


def baselines(truth: Truth, seed: int = 0) -> dict[str, dict[str, float]]:
    """Measure rankings that need no training.

    Args:
        truth: The space.
        seed: Seed of the errors.

    Returns:
        Name -> figures; only a regret for random networks.
    """
    rows = {
        "random under the limit": {"regret": truth.random_regret()},
        "random at 95 to 100% of the limit": {"regret": truth.random_regret(0.95)},
        "most MACs": truth.figures(truth.macs),
    }
    if truth.space.is_chain:
        # Identities are the candidates that cost least.
        blocks = (truth.codes > 0).sum(axis=1).astype(float)
        rows["most blocks that are no identity"] = truth.figures(blocks)
        rows["most blocks, then most MACs"] = truth.figures(blocks + truth.macs / 1e12)
    rng = np.random.default_rng(seed)
    for tau in ERROR_TAUS:
        draws = [truth.figures(truth.with_errors(tau, rng)) for _ in range(ERROR_DRAWS)]
        rows[f"independent errors, {tau}"] = {
            name: float(np.mean([draw[name] for draw in draws])) for name in draws[0]
        }
    for name, scores in truth.published.items():
        rows[name] = truth.figures(scores)
    return rows


def _published(benchmark: Benchmark) -> dict[str, Array]:
    """Read the columns of public supernets, which are no metrics, from the accuracies' file."""
    from tables.benchmarks.csv_columns import read_columns

    names = {
        "public one-shot supernet": "oneshot_supernet_acc",
        "public few-shot supernet": "fewshot_supernet_acc",
    }
    columns = read_columns(benchmark.files[0], list(names.values()))
    return {name: np.array(columns[column], dtype=float) for name, column in names.items()}
