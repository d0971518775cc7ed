"""Verdicts on predictors and searches by the benchmarks of their spaces."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from predictor.errors import TooFewArchitectures
from predictor.verdict.judging import FEWEST_NETWORKS, judge
from predictor.verdict.scores import sparse_step, truth_metric
from spaces.space import Codes, SearchSpace

if TYPE_CHECKING:
    from predictor.base import Predictor
    from tables.benchmarks.oracle import Benchmark

TOPS = (1.0, 5.0)
"""Percentages of the networks that count as the best in recorded verdicts."""

# Networks that a predictor is judged on, drawn from a larger benchmark.
_MOST_NETWORKS = 20_000


def benchmark_name(space: SearchSpace) -> str | None:
    """Return the name of the benchmark of a space whose files exist; None without one."""
    from tables.benchmarks.registry import BENCHMARKS, find

    for name in BENCHMARKS:
        if BENCHMARKS.get(name).space == space.name and find(name) is not None:
            return name
    return None


def judge_predictor(model: Predictor, benchmark: Benchmark, trained: Codes) -> dict[str, Any]:
    """Judge a predictor on the networks of a benchmark that it was not trained on.

    Args:
        model: The fitted predictor.
        benchmark: Benchmark of the predictor's space.
        trained: Codes [n, choices] of the architectures that it was trained on.

    Returns:
        The verdict with its truth, as records have it; see `record`.

    Raises:
        TooFewArchitectures: Fewer than 10 networks of the benchmark are left.
    """
    metric = _truth(benchmark, str(model.trained_on.get("metric", "")))
    rows = benchmark.known_rows(metric)
    known = benchmark.find_rows(trained)
    # Labellings of one cell share its row, so that none of them is judged.
    rows = np.setdiff1d(rows, known[known >= 0])
    if len(rows) < FEWEST_NETWORKS:
        raise TooFewArchitectures(
            f"{benchmark.name} has {len(rows)} networks besides those of the training; a verdict"
            f" needs at least {FEWEST_NETWORKS} networks"
        )
    if len(rows) > _MOST_NETWORKS:
        rows = np.sort(np.random.default_rng(0).choice(rows, _MOST_NETWORKS, replace=False))

    codes = np.asfortranarray(benchmark.codes()[rows])
    scores, _ = model.predict(codes)
    return record(scores, benchmark, rows, metric, "this predictor")


def judge_candidates(
    scores: NDArray[np.float64], codes: Codes, benchmark: Benchmark, subject: str
) -> dict[str, Any] | None:
    """Judge the scores of a search's candidates by a benchmark.

    Args:
        scores: Scores [n], greater is better.
        codes: Codes [n, choices] of the candidates.
        benchmark: Benchmark of their space.
        subject: Estimator that the scores come from, such as `this supernet`.

    Returns:
        The verdict with its truth; None where the benchmark has fewer than 10 of the candidates.
    """
    metric = truth_metric(benchmark)
    rows = benchmark.find_rows(codes)
    found = np.isin(rows, benchmark.known_rows(metric)) & np.isfinite(scores)
    if int(found.sum()) < FEWEST_NETWORKS:
        return None
    return record(scores[found], benchmark, rows[found], metric, subject)


def record(
    scores: NDArray[np.float64],
    benchmark: Benchmark,
    rows: NDArray[np.int64],
    metric: str,
    subject: str,
) -> dict[str, Any]:
    """Judge scores by a benchmark and return the verdict as records have it.

    Args:
        scores: Scores [n], greater is better.
        benchmark: The benchmark.
        rows: Rows [n] of the networks in it.
        metric: Metric of the benchmark that is the truth.
        subject: Estimator that the scores come from.
    """
    definition = benchmark.metrics[metric]
    truth = definition.sign * benchmark.values(metric)[rows]
    verdict = judge(scores, truth, TOPS, sparse_step(definition.unit), subject)
    return {"truth": f"{metric} of {benchmark.name}", **verdict.to_dict()}


def _truth(benchmark: Benchmark, metric: str) -> str:
    """Return the true values of a predicted metric: of its own data set where there are any."""
    data, separator, _ = metric.rpartition("_valid_")
    name = f"{data}_test_acc"
    return name if separator and name in benchmark.metrics else truth_metric(benchmark)
