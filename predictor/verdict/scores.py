"""Scores of architectures by an estimator, and the true values that they are judged by."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from predictor.errors import TooFewArchitectures
from predictor.evaluated import require_default
from predictor.verdict.judging import DEFAULT_TOPS, FEWEST_NETWORKS, judge
from predictor.verdict.verdict import Verdict
from spaces.architecture import Architecture
from spaces.files import read_text
from tables import evaluation
from tables.errors import InvalidEvaluation
from tables.evaluation import Evaluation

if TYPE_CHECKING:
    from tables.benchmarks.oracle import Benchmark

# Key of a prediction in the lines of `python -m predictor predict`.
_PREDICTION = "mean"
_SUBJECTS = {
    "supernet": "this supernet",
    "proxies": "this proxy",
    "retraining": "this training",
    _PREDICTION: "this predictor",
}


@dataclass(frozen=True)
class Scores:
    """Values of distinct architectures.

    Args:
        path: The file that they were read from.
        metric: Name of the metric.
        architectures: The architectures, [n].
        values: Their values, [n]; greater is better.
        subject: Estimator that the values come from, such as `this supernet`.
        unit: Unit of the metric; empty where it is unknown.

    Example:
        >>> import os
        >>> import tempfile
        >>> import spaces
        >>> space = spaces.get("nasbench201")
        >>> codes = np.unique(space.sample(np.random.default_rng(0), 30), axis=0)
        >>> lines = [
        ...     Evaluation(item, {"top1": float(row)}, {"kind": "supernet"}).to_json()
        ...     for row, item in enumerate(space.decode(codes))
        ... ]
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     path = Path(folder) / "evaluations.jsonl"
        ...     _ = path.write_text(os.linesep.join(lines))
        ...     scores = Scores.from_file(path)
        >>> scores.metric, scores.unit, scores.with_truth(scores).judge().figures[0].value
        ('top1', 'percent', 1.0)
    """

    path: Path
    metric: str
    architectures: Sequence[Architecture]
    values: NDArray[np.float64]
    subject: str
    unit: str = ""

    @classmethod
    def from_file(cls, path: Path, metric: str | None = None, space: str | None = None) -> Scores:
        """Read evaluations, or the lines that `python -m predictor predict` prints.

        Several evaluations of one architecture, such as those of other seeds, count as their mean.

        Args:
            path: The file, JSON lines.
            metric: Metric of the evaluations. None: the score of their task, or their only metric.
            space: Name of the space of the architectures. None: that of the first one.

        Raises:
            InvalidEvaluation: A line cannot be read, is of another space, or lacks the metric.
            UnknownName: The evaluations do not have the metric.
            InvalidValues: They have several metrics, and none was named.
            TooFewArchitectures: The file has no evaluation.
        """
        evaluations = _read(path)
        if not evaluations:
            raise TooFewArchitectures(f"{path} has no evaluation")

        expected_space = space or evaluations[0].architecture.space
        for number, item in enumerate(evaluations, 1):
            if item.architecture.space != expected_space:
                raise InvalidEvaluation(
                    f"{path}, evaluation {number}: of the space {item.architecture.space}, not"
                    f" {expected_space}"
                )

        name = metric or require_default(evaluations)
        kind = str(evaluations[0].source.get("kind"))
        # All proxies predict better networks by greater values, also the counts of a network.
        read_values = evaluation.values if kind in ("proxies", _PREDICTION) else evaluation.scores
        try:
            values = np.array(read_values(evaluations, name), dtype=np.float64)
        except InvalidEvaluation as error:
            raise InvalidEvaluation(f"{path}: {error}") from error

        rows: dict[Architecture, list[int]] = {}
        for row, item in enumerate(evaluations):
            rows.setdefault(item.architecture, []).append(row)

        means = np.array([values[indices].mean() for indices in rows.values()])
        definition = evaluation.find_metric(evaluations, name)
        unit = "" if definition is None else definition.unit

        return cls(path, name, list(rows), means, _SUBJECTS.get(kind, "this estimator"), unit)

    def with_benchmark(self, benchmark: Benchmark, metric: str | None = None) -> JudgedScores:
        """Return the scores with the values of a benchmark as the truth.

        Args:
            benchmark: Benchmark that has all architectures.
            metric: Metric of the benchmark. None: see `truth_metric`.

        Raises:
            NotInBenchmark: The benchmark lacks an architecture or its value.
            UnknownName: The benchmark does not have the metric.
        """
        name = metric or truth_metric(benchmark)
        truth = benchmark.query(list(self.architectures), name)
        definition = benchmark.metrics[name]
        labels = (self.metric, f"{name} of {benchmark.name}")
        step = sparse_step(definition.unit)
        return JudgedScores(self.values, definition.sign * truth, step, self.subject, labels)

    def with_truth(self, truth: Scores) -> JudgedScores:
        """Return the scores with those of a second file, of the architectures that both have.

        Args:
            truth: True values, such as accuracies after training.

        Raises:
            TooFewArchitectures: Fewer than 10 architectures are in both files.
        """
        row_of = {architecture: row for row, architecture in enumerate(truth.architectures)}
        rows = [row for row, item in enumerate(self.architectures) if item in row_of]
        true_rows = [row_of[self.architectures[row]] for row in rows]
        if len(rows) < FEWEST_NETWORKS:
            raise TooFewArchitectures(
                f"{truth.path} has {len(rows)} of the {len(self.architectures)} architectures of"
                f" {self.path}; a verdict needs at least {FEWEST_NETWORKS}"
            )

        step = sparse_step(truth.unit)
        labels = (self.metric, f"{truth.metric} of {truth.path.name}")

        return JudgedScores(self.values[rows], truth.values[true_rows], step, self.subject, labels)


@dataclass(frozen=True)
class JudgedScores:
    """Scores of architectures next to their true values.

    Args:
        scores: Scores, [n]; greater is better.
        truth: True values, [n]; greater is better.
        step: Unit that true values are rounded to for the sparse Kendall's tau, or None.
        subject: Estimator that the scores come from.
        labels: Names of the scores and of the true values.
    """

    scores: NDArray[np.float64]
    truth: NDArray[np.float64]
    step: float | None
    subject: str
    labels: tuple[str, str]

    def judge(self, tops: Sequence[float] = DEFAULT_TOPS, resamples: int = 1000) -> Verdict:
        """Judge the scores; see `predictor.verdict.judge`.

        Args:
            tops: Percentages of the networks that count as the best and worst.
            resamples: Number of bootstrap resamples.
        """
        return judge(self.scores, self.truth, tops, self.step, self.subject, resamples)


def truth_metric(benchmark: Benchmark) -> str:
    """Return the metric of a benchmark that networks are judged by.

    It is the first test accuracy, which no training or selection has seen, and else the benchmark's
    default metric.
    """
    tests = [name for name in benchmark.metrics if name.endswith("_test_acc")]
    return tests[0] if tests else benchmark.default_metric


def sparse_step(unit: str) -> float | None:
    """Return the unit that true values are rounded to for the sparse Kendall's tau, or None."""
    # It is defined for accuracies, rounded to 1%.
    return 1.0 if unit == "percent" else None


def _read(path: Path) -> list[Evaluation]:
    """Read evaluations or predictions."""
    lines = [line for line in read_text(path).splitlines() if line.strip()]
    try:
        first = json.loads(lines[0]) if lines else {}
    except (ValueError, RecursionError):
        first = {}

    if not isinstance(first, dict) or "metrics" in first or _PREDICTION not in first:
        return evaluation.read(path)

    predictions = []
    for number, line in enumerate(lines, 1):
        try:
            prediction = json.loads(line)
            architecture = Architecture.from_dict(prediction["architecture"])
            metrics = {_PREDICTION: float(prediction[_PREDICTION])}
        except (ValueError, KeyError, TypeError, RecursionError) as error:
            raise InvalidEvaluation(
                f"{path}, line {number}: not a line of `predictor predict`"
            ) from error

        predictions.append(Evaluation(architecture, metrics, {"kind": _PREDICTION}))

    return predictions
