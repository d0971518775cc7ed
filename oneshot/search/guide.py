"""Guides: what tells a search how good an architecture is."""

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
    """Scores architectures; greater is better."""

    def score(self, codes: Codes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Scores [n] of codes [n, choices] and their deviations [n] (0 where unknown)."""

    def to_dict(self) -> dict[str, Any]:
        """What a result records of the guide."""


class PredictorGuide:
    """A trained predictor as a guide.

    Args:
        predictor: scores architectures.
        name: what the user called it.
    """

    def __init__(self, predictor: Predictor, name: str):
        self.predictor, self.name = predictor, name

    def score(self, codes: Codes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """The predictor's mean and deviation, [n] each."""
        return self.predictor.predict(codes)

    def score_relaxed(self, probabilities: Sequence[Tensor]) -> Tensor:
        """Scores [n] of distributions over candidates, differentiable; see
        `Predictor.score_relaxed`.
        """
        return self.predictor.score_relaxed(probabilities)

    def to_dict(self) -> dict[str, Any]:
        """The guide's kind and name."""
        return {"kind": "predictor", "name": self.name}


class BenchmarkGuide:
    """A benchmark as a guide: the score is what training gave, its sign turned where lower is
    better.

    Args:
        benchmark: knows the results.
        metric: one of its metrics; None: its default.
    """

    def __init__(self, benchmark: Benchmark, metric: str | None = None):
        self.benchmark, self.metric = benchmark, metric or benchmark.default_metric
        benchmark.values(self.metric)  # an unknown name is told before the search
        self._sign = 1.0 if benchmark.metrics[self.metric].higher_is_better else -1.0

    def score(self, codes: Codes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Values [n] of the metric, without deviation; raises NotInBenchmark for what was never
        trained.
        """
        found = self._sign * np.asarray(self.benchmark.query(codes, self.metric), dtype=np.float64)
        return found, np.zeros(len(codes))

    def to_dict(self) -> dict[str, Any]:
        """The guide's kind, name and metric, and the benchmark's files."""
        return {**self.benchmark.to_dict(), "metric": self.metric}


class SupernetGuide:
    """A trained supernet as a guide: the score is the negative cross-entropy on its validation
    images.

    Args:
        evaluation: the run, and how its sub-networks are evaluated.
        journal: where evaluations are kept, and looked up instead of being made again; None:
            nowhere.
        name: what results call the supernet; None: its run's folder.

    Raises:
        InvalidRun: the journal holds evaluations of another supernet, data set or setting.
    """

    def __init__(
        self,
        evaluation: SupernetEvaluation,
        journal: Journal | None = None,
        name: str | None = None,
    ):
        self.evaluation, self.journal = evaluation, journal
        self.source = evaluation.source()
        self.name = str(self.source["run"]) if name is None else name
        self._known: dict[Any, float] = {}
        self._evaluator: Evaluator | None = None
        if journal is not None:
            for done in journal.done:
                if dict(done.source) != self.source:
                    raise InvalidRun(
                        f"{journal.path} holds evaluations of another supernet, data set or"
                        " setting; remove it, or choose another output"
                    )
                self._known[done.architecture] = _score(done.metrics)

    @classmethod
    def of_run(
        cls, run: Run, settings: EvaluationSettings | None = None, name: str | None = None
    ) -> SupernetGuide:
        """The guide of a finished supernet training, in this process."""
        from oneshot.evaluation.settings import EvaluationSettings
        from oneshot.evaluation.work import SupernetEvaluation

        return cls(SupernetEvaluation(run, settings or EvaluationSettings()), name=name)

    def score(self, codes: Codes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Negative cross-entropies [n], without deviation; each is journalled as soon as it is
        known.
        """
        architectures = self.evaluation.run.space.decode(codes)
        rows = [
            row for row, architecture in enumerate(architectures) if architecture not in self._known
        ]
        if rows:
            with closing(self._stream(np.asfortranarray(codes[rows]))) as results:
                for place, metrics in results:
                    architecture = architectures[rows[place]]
                    self._known[architecture] = _score(metrics)
                    if self.journal is not None:
                        self.journal.append(Evaluation(architecture, metrics, self.source))
        return np.array([self._known[architecture] for architecture in architectures]), np.zeros(
            len(codes)
        )

    def to_dict(self) -> dict[str, Any]:
        """The guide's kind and name, and how it evaluates."""
        return {**self.source, "run": self.name, "name": self.name}

    def _stream(self, codes: Codes) -> Generator[tuple[int, dict[str, float]], None, None]:
        evaluation = self.evaluation
        if evaluation.engine != "local":
            return evaluation.stream(codes)
        if self._evaluator is None:  # kept from one batch to the next, its images with it
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
    """

    text: str
    location: str
    space: SearchSpace
    evaluation: Callable[[Run], SupernetEvaluation] | None = None
    journal: Journal | None = None
    name: str | None = None

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
    if request.evaluation is None:
        return SupernetGuide.of_run(run, name=request.name)
    return SupernetGuide(request.evaluation(run), request.journal, request.name)


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
) -> Guide:
    """Make the guide that a user names.

    Args:
        text: `predictor:FILE`, `supernet:FOLDER`, `benchmark:NAME`, `benchmark:NAME:METRIC`, or
            `KIND:LOCATION` of a plug-in's guide.
        space: Space that the guide must score.
        evaluation: Settles how sub-networks of a supernet's run are evaluated; None: by default.
        journal: Journal of a supernet's evaluations; None: they are not stored.
        name: Name of a supernet in results; None: its folder.

    Raises:
        InvalidGuide: The text does not name a guide, or one for another space.
    """
    kind, _, location = text.partition(":")
    if not location or kind not in GUIDES:
        plug_ins = [f", {other}:LOCATION" for other in GUIDES if not GUIDES.is_built_in(other)]
        raise InvalidGuide(
            f"--guide {text!r}: a guide is predictor:FILE, supernet:FOLDER or benchmark:NAME (or"
            f" NAME:METRIC){''.join(plug_ins)}{near_miss(kind, GUIDES)}"
        )
    return GUIDES.get(kind)(GuideRequest(text, location, space, evaluation, journal, name))


def _score(metrics: Mapping[str, float]) -> float:
    return -float(metrics["cross_entropy"])


def check_scores(space: ChoiceSpace, codes: Codes, scores: NDArray[np.float64]) -> None:
    """Raise InvalidGuide that names the first of codes [n, choices] whose score [n] is no
    number.
    """
    wrong = np.flatnonzero(np.isnan(scores))
    if len(wrong):
        architecture = space.decode(codes[wrong[:1]])[0]
        raise InvalidGuide(f"the guide gives no number for {architecture.to_json()}")
