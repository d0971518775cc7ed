"""Guides: score architectures by a predictor, a supernet or a benchmark."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from oneshot.errors import InvalidGuide
from spaces.space import Codes

if TYPE_CHECKING:
    from torch import Tensor

    from predictor.base import Predictor
    from spaces.choice_space import ChoiceSpace
    from tables.benchmarks import Benchmark


class Guide(Protocol):
    """The score that a search maximises.

    Example:
        >>> import spaces
        >>> space = spaces.get("spos-tiny")
        >>> class FewestMacs:
        ...     def score(self, codes):
        ...         return -space.macs(codes).astype(float), np.zeros(len(codes))
        ...
        ...     def to_dict(self):
        ...         return {"kind": "macs"}
        >>> guide: Guide = FewestMacs()
        >>> scores, deviations = guide.score(space.sample(np.random.default_rng(0), 4))
        >>> scores.shape
        (4,)
    """

    def score(self, codes: Codes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return scores [n] of codes [n, choices], greater is better, and their deviations [n].

        A deviation is 0 where it is unknown.
        """

    def to_dict(self) -> dict[str, Any]:
        """Return the JSON object that a search result records.

        Where the score is one metric it has `metric`, `unit` and `higher_is_better`.
        """


@runtime_checkable
class Describing(Protocol):
    """A guide that can say how far its scores are to be trusted."""

    def describe(self) -> str:
        """Describe the evidence behind the scores in one line; empty where there is none."""


class PredictorGuide:
    """A trained predictor as a guide.

    Args:
        predictor: Predictor that scores architectures.
        name: Name of the predictor in results, such as its file.

    Example:
        >>> import numpy as np
        >>> import predictor, spaces
        >>> from oneshot import PredictorGuide
        >>> space = spaces.get("spos-tiny")
        >>> codes = np.unique(space.sample(np.random.default_rng(0), 20), axis=0)
        >>> model = predictor.make("forest", space)
        >>> model.fit(codes, -np.log(space.macs(codes)))
        >>> scores, deviations = PredictorGuide(model, "small networks").score(codes)
        >>> scores.shape == deviations.shape == (len(codes),)
        True
    """

    def __init__(self, predictor: Predictor, name: str):
        self.predictor = predictor
        self.name = name

    def score(self, codes: Codes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the predictor's means [n] and deviations [n]."""
        return self.predictor.predict(codes)

    def score_relaxed(self, probabilities: Sequence[Tensor]) -> Tensor:
        """Score distributions over candidates, [n]; see `Predictor.score_relaxed`."""
        return self.predictor.score_relaxed(probabilities)

    def describe(self) -> str:
        """Describe the evidence that the predictor was trained on, where it records some."""
        return str(self.predictor.trained_on.get("evidence", ""))

    def to_dict(self) -> dict[str, Any]:
        """Return the kind, the name, and the predicted metric and the evidence where recorded."""
        metric = self.predictor.describe_metric()
        return {"kind": "predictor", "name": self.name, **metric, **self._recorded_evidence()}

    def _recorded_evidence(self) -> dict[str, str]:
        evidence = PredictorGuide.describe(self)
        return {"evidence": evidence} if evidence else {}


class LowerBoundGuide(PredictorGuide):
    """A trained predictor as a cautious guide, for evidence that is thin.

    Scores are lower bounds: the mean less one deviation.

    Example:
        >>> import numpy as np
        >>> import predictor, spaces
        >>> space = spaces.get("spos-tiny")
        >>> codes = np.unique(space.sample(np.random.default_rng(0), 20), axis=0)
        >>> model = predictor.make("forest", space)
        >>> model.fit(codes, -np.log(space.macs(codes)))
        >>> mean, deviation = model.predict(codes)
        >>> bounds, _ = LowerBoundGuide(model, "small networks").score(codes)
        >>> bool(np.allclose(bounds, mean - deviation))
        True
    """

    def score(self, codes: Codes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the bounds [n] and the predictor's deviations [n]."""
        mean, deviation = self.predictor.predict(codes)
        return mean - deviation, deviation

    def score_relaxed(self, probabilities: Sequence[Tensor]) -> Tensor:
        """Refuse: a relaxed architecture has no deviation; raises NotRelaxable."""
        from predictor.errors import NotRelaxable

        raise NotRelaxable("lower bounds of relaxed architectures are unknown; take predictor:FILE")

    def describe(self) -> str:
        """Describe the scores, and the evidence that the predictor was trained on."""
        evidence = super().describe()
        return f"scores are lower bounds, the mean less one deviation; {evidence}".rstrip("; ")

    def to_dict(self) -> dict[str, Any]:
        """Return the kind, the name and the evidence; bounds are no values of the metric."""
        return {"kind": "lower-bound", "name": self.name, **self._recorded_evidence()}


class BenchmarkGuide:
    """A benchmark as a guide, which scores architectures by their training's results.

    Metrics of which lower values are better change their sign.

    Args:
        benchmark: Benchmark with the results.
        metric: Metric of the benchmark; None for its default.

    Example:
        >>> import numpy as np
        >>> import spaces
        >>> from oneshot import BenchmarkGuide
        >>> from tables import Benchmark
        >>> from tables.benchmarks.records import Records
        >>> codes = spaces.get("nasbench201").check(np.array([[0, 1, 2, 3, 4, 0], [3] * 6]))
        >>> accuracies = {("cifar10_valid_acc", 200): np.array([85.0, 91.0])}
        >>> benchmark = Benchmark("two-cells", Records("nasbench201", codes, accuracies))
        >>> scores, _ = BenchmarkGuide(benchmark).score(codes)
        >>> scores.tolist()
        [85.0, 91.0]
    """

    def __init__(self, benchmark: Benchmark, metric: str | None = None):
        self.benchmark = benchmark
        self.metric = metric or benchmark.default_metric

        # An unknown metric is refused before the search.
        benchmark.values(self.metric)
        self._sign = benchmark.metrics[self.metric].sign

    def score(self, codes: Codes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the metric's values [n], without deviation; raises NotInBenchmark."""
        values = np.asarray(self.benchmark.query(codes, self.metric), dtype=np.float64)
        return self._sign * values, np.zeros(len(codes))

    def to_dict(self) -> dict[str, Any]:
        """Return the kind, the name, the benchmark's files, and the metric."""
        definition = self.benchmark.metrics[self.metric]
        return {**self.benchmark.to_dict(), "metric": self.metric, **definition.to_dict()}


def scored_metric(guide: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the metric that a guide's scores are of: its name, unit, direction and title.

    Scores of a metric of which lower is better are its values with their sign changed.

    Args:
        guide: Description of the guide, as results record it.

    Returns:
        The JSON object; None where the scores are of several metrics, or the metric is unknown.

    Example:
        >>> scored_metric({"kind": "predictor", "metric": "top1", "higher_is_better": True})
        {'metric': 'top1', 'higher_is_better': True}
    """
    if "metric" not in guide or "higher_is_better" not in guide:
        return None
    fields = ("metric", "unit", "higher_is_better", "title")
    return {name: guide[name] for name in fields if name in guide}


def check_scores(space: ChoiceSpace, codes: Codes, scores: NDArray[np.float64]) -> None:
    """Raise InvalidGuide with the first of codes [n, choices] whose score [n] is not a number."""
    invalid = np.flatnonzero(np.isnan(scores))
    if len(invalid):
        architecture = space.decode(codes[invalid[:1]])[0]
        raise InvalidGuide(f"the guide gives no number for {architecture.to_json()}")
