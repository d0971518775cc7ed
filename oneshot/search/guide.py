"""Guides: score architectures by a predictor, a supernet or a benchmark."""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from oneshot.errors import InvalidGuide, InvalidRun
from spaces.errors import near_miss
from spaces.plugins import Registry
from spaces.space import Codes
from tables.evaluation import Evaluation, Journal

if TYPE_CHECKING:
    from torch import Tensor

    from oneshot.evaluation.evaluator import Evaluator
    from oneshot.evaluation.settings import EvaluationSettings
    from oneshot.evaluation.work import SupernetEvaluation
    from oneshot.run import Run
    from predictor.base import Predictor
    from spaces.choice_space import ChoiceSpace
    from spaces.space import SearchSpace
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
        """Return the JSON object that a search result records."""


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

    def to_dict(self) -> dict[str, Any]:
        """Return the kind and the name."""
        return {"kind": "predictor", "name": self.name}


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
        self._sign = 1.0 if benchmark.metrics[self.metric].higher_is_better else -1.0

    def score(self, codes: Codes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the metric's values [n], without deviation; raises NotInBenchmark."""
        values = np.asarray(self.benchmark.query(codes, self.metric), dtype=np.float64)
        return self._sign * values, np.zeros(len(codes))

    def to_dict(self) -> dict[str, Any]:
        """Return the kind, the name, the metric and the benchmark's files."""
        return {**self.benchmark.to_dict(), "metric": self.metric}


RANKINGS = ("cross_entropy", "top1")
"""Metrics by which a supernet ranks architectures; the release of SPOS ranks by top-1."""


class SupernetGuide:
    """A trained supernet as a guide, by its metrics on validation images.

    The cross-entropy tells networks apart that classify equally many images correctly.

    Args:
        evaluation: Supernet's run, and how its sub-networks are evaluated.
        journal: Journal that evaluations are written to and looked up in; None for no journal.
        name: Name of the supernet in results; None for its run's folder.
        rank_by: Metric that scores architectures: `cross_entropy` (nats, with its sign changed) or
            `top1` (percent), as the release of SPOS does (arXiv 1904.00420).

    Raises:
        InvalidRun: The journal has evaluations of another supernet, data set or setting.
        InvalidGuide: There is no such ranking.
    """

    def __init__(
        self,
        evaluation: SupernetEvaluation,
        journal: Journal | None = None,
        name: str | None = None,
        rank_by: str = "cross_entropy",
    ):
        if rank_by not in RANKINGS:
            raise InvalidGuide(f"rank_by must be {' or '.join(RANKINGS)}, not {rank_by!r}")
        self.rank_by = rank_by
        self.evaluation = evaluation
        self.journal = journal
        self.source = evaluation.source()
        self.name = str(self.source["run"]) if name is None else name
        self._scores: dict[Any, float] = {}
        self._evaluator: Evaluator | None = None
        if journal is not None:
            for evaluated in journal.done:
                if dict(evaluated.source) != self.source:
                    raise InvalidRun(
                        f"{journal.path} holds evaluations of another supernet, data set or"
                        " setting; remove it, or choose another output"
                    )
                self._scores[evaluated.architecture] = self._score(evaluated.metrics)

    @classmethod
    def from_run(
        cls,
        run: Run,
        settings: EvaluationSettings | None = None,
        name: str | None = None,
        rank_by: str = "cross_entropy",
    ) -> SupernetGuide:
        """Make the guide of a finished supernet training, evaluated in this process."""
        from oneshot.evaluation.settings import EvaluationSettings
        from oneshot.evaluation.work import SupernetEvaluation

        evaluation = SupernetEvaluation(run, settings or EvaluationSettings())
        return cls(evaluation, name=name, rank_by=rank_by)

    def score(self, codes: Codes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the negative cross-entropies or the accuracies [n], without deviation.

        Each evaluation is in the journal before the next one begins.
        """
        architectures = self.evaluation.run.space.decode(codes)
        new_rows = [
            row
            for row, architecture in enumerate(architectures)
            if architecture not in self._scores
        ]
        if new_rows:
            with closing(self._stream(np.asfortranarray(codes[new_rows]))) as results:
                for index, metrics in results:
                    architecture = architectures[new_rows[index]]
                    self._scores[architecture] = self._score(metrics)
                    if self.journal is not None:
                        self.journal.append(Evaluation(architecture, metrics, self.source))
        scores = np.array([self._scores[architecture] for architecture in architectures])
        return scores, np.zeros(len(codes))

    def to_dict(self) -> dict[str, Any]:
        """Return the kind, the name, and how the guide evaluates."""
        description = {**self.source, "run": self.name, "name": self.name}
        # Results without the entry are ranked by the cross-entropy.
        if self.rank_by != RANKINGS[0]:
            description["rank_by"] = self.rank_by
        return description

    def _score(self, metrics: Mapping[str, float]) -> float:
        value = float(metrics[self.rank_by])
        return value if self.rank_by == "top1" else -value

    def _stream(self, codes: Codes) -> Generator[tuple[int, dict[str, float]], None, None]:
        evaluation = self.evaluation
        if evaluation.engine != "local":
            return evaluation.stream(codes)
        if self._evaluator is None:
            # One evaluator for all batches, so that its images are loaded once.
            from oneshot.evaluation.work import load_evaluator

            self._evaluator = load_evaluator(
                evaluation.run,
                evaluation.data,
                evaluation.settings,
                evaluation.device,
                evaluation.threads,
            )
        return self._evaluator.stream(codes)


@dataclass(frozen=True)
class GuideRequest:
    """The guide that a user names, with what its factory may need.

    Args:
        text: Whole text, such as `predictor:FILE`, for messages.
        location: Text after the first colon.
        space: Space that the guide must score.
        evaluation: Settles how sub-networks of a supernet's run are evaluated; None: by default.
        journal: Journal of a supernet's evaluations; None: they are not stored.
        name: Name of a supernet in results; None: its folder.
        rank_by: Metric by which a supernet scores, one of `RANKINGS`; None: the cross-entropy.
    """

    text: str
    location: str
    space: SearchSpace
    evaluation: Callable[[Run], SupernetEvaluation] | None = None
    journal: Journal | None = None
    name: str | None = None
    rank_by: str | None = None

    def check_space(self, space: SearchSpace) -> None:
        """Raise InvalidGuide where a guide is for another space than the requested one."""
        if space != self.space:
            raise InvalidGuide(
                f"--guide {self.text!r} is one for {space.name}, not for {self.space.name}"
            )


GUIDES = Registry["Callable[[GuideRequest], Guide]"](
    "guide",
    "pathfit.guides",
    {
        "predictor": "oneshot.search.guide:predictor_guide",
        "supernet": "oneshot.search.guide:supernet_guide",
        "benchmark": "oneshot.search.guide:benchmark_guide",
    },
    broken=InvalidGuide,
)
"""Kind, the text before the colon -> function that makes the guide of a request."""

G = TypeVar("G", bound="Callable[[GuideRequest], Guide]")


def register_guide(kind: str) -> Callable[[G], G]:
    """Return a decorator that registers a function `(request) -> Guide`.

    Args:
        kind: Text before the colon in `--guide KIND:LOCATION`; it can be taken once.
    """
    return GUIDES.register(kind)


def predictor_guide(request: GuideRequest) -> Guide:
    """Score architectures by a trained predictor: `predictor:FILE`."""
    import predictor

    trained = predictor.load(request.location)
    request.check_space(trained.space)
    return PredictorGuide(trained, request.location)


def supernet_guide(request: GuideRequest) -> Guide:
    """Score architectures by a trained supernet: `supernet:FOLDER`."""
    from oneshot.run import read_run

    run = read_run(request.location, "supernet")
    request.check_space(run.space)
    rank_by = request.rank_by or RANKINGS[0]
    if request.evaluation is None:
        return SupernetGuide.from_run(run, name=request.name, rank_by=rank_by)
    return SupernetGuide(request.evaluation(run), request.journal, request.name, rank_by)


def benchmark_guide(request: GuideRequest) -> Guide:
    """Score architectures by a benchmark: `benchmark:NAME` or `benchmark:NAME:METRIC`."""
    from tables.benchmarks.registry import benchmark

    name, _, metric = request.location.partition(":")
    oracle = benchmark(name)
    guide = BenchmarkGuide(oracle, metric or None)
    request.check_space(oracle.space)
    return guide


def guide_named(
    text: str,
    space: SearchSpace,
    evaluation: Callable[[Run], SupernetEvaluation] | None = None,
    journal: Journal | None = None,
    name: str | None = None,
    rank_by: str | None = None,
) -> Guide:
    """Make the guide that a user names.

    Args:
        text: `predictor:FILE`, `supernet:FOLDER`, `benchmark:NAME`, `benchmark:NAME:METRIC`, or
            `KIND:LOCATION` of a plug-in's guide.
        space: Space that the guide must score.
        evaluation: Settles how sub-networks of a supernet's run are evaluated; None: by default.
        journal: Journal of a supernet's evaluations; None: they are not stored.
        name: Name of a supernet in results; None: its folder.
        rank_by: Metric by which a supernet scores, one of `RANKINGS`; None: the cross-entropy.

    Raises:
        InvalidGuide: The text does not name a guide, or one for another space, or a ranking is
            requested of a guide that has none.
    """
    kind, _, location = text.partition(":")
    if not location or kind not in GUIDES:
        plug_ins = [f", {other}:LOCATION" for other in GUIDES if not GUIDES.is_built_in(other)]
        raise InvalidGuide(
            f"--guide {text!r}: a guide is predictor:FILE, supernet:FOLDER or benchmark:NAME (or"
            f" NAME:METRIC){''.join(plug_ins)}{near_miss(kind, GUIDES)}"
        )
    if rank_by is not None and kind != "supernet":
        raise InvalidGuide(f"--rank-by is for supernets, not for --guide {text!r}")
    request = GuideRequest(text, location, space, evaluation, journal, name, rank_by)
    return GUIDES.get(kind)(request)


def check_scores(space: ChoiceSpace, codes: Codes, scores: NDArray[np.float64]) -> None:
    """Raise InvalidGuide with the first of codes [n, choices] whose score [n] is not a number."""
    invalid = np.flatnonzero(np.isnan(scores))
    if len(invalid):
        architecture = space.decode(codes[invalid[:1]])[0]
        raise InvalidGuide(f"the guide gives no number for {architecture.to_json()}")
