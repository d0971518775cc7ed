"""Guides by the text that users name them with, such as `predictor:FILE`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from oneshot.errors import InvalidGuide
from oneshot.search.guide import BenchmarkGuide, Guide, LowerBoundGuide, PredictorGuide
from oneshot.search.supernet_guide import SupernetGuide
from spaces.errors import near_miss
from spaces.plugins import Registry
from tables.evaluation import Journal

if TYPE_CHECKING:
    from oneshot.evaluation.work import SupernetEvaluation
    from oneshot.run import Run
    from oneshot.search.training_guide import ShortTrainingOptions
    from spaces.space import SearchSpace


@dataclass(frozen=True)
class GuideRequest:
    """The guide that a user names, with everything that its factory may need.

    Args:
        text: Whole text, such as `predictor:FILE`, for messages.
        location: Text after the first colon.
        space: Space that the guide must score.
        evaluation: Settles how sub-networks of a supernet's run are evaluated; None: by default.
        journal: Journal of a supernet's evaluations; None: they are not stored.
        name: Name of a supernet in results; None: its folder.
        rank_by: Metric by which a supernet scores; None: the score of its task.
        training: Settings, files and processes of short trainings; None: they are not possible.
    """

    text: str
    location: str
    space: SearchSpace
    evaluation: Callable[[Run], SupernetEvaluation] | None = None
    journal: Journal | None = None
    name: str | None = None
    rank_by: str | None = None
    training: ShortTrainingOptions | None = None

    def with_journal(self, number: int) -> GuideRequest:
        """Return the request with the journal of one of the guides that a guide consists of.

        Args:
            number: Number of the guide, from 0; the first one has the journal of the request.
        """
        if self.journal is None or not number:
            return self
        path = self.journal.path
        numbered = path.with_name(f"{path.stem}-{number + 1}{path.suffix}")
        return replace(self, journal=Journal(numbered, self.space.name))

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
        "predictor": "oneshot.search.guide_registry:predictor_guide",
        "lower-bound": "oneshot.search.guide_registry:lower_bound_guide",
        "supernet": "oneshot.search.guide_registry:supernet_guide",
        "benchmark": "oneshot.search.guide_registry:benchmark_guide",
        "train": "oneshot.search.guide_registry:short_training_guide",
        "sum": "oneshot.search.sum_guide:sum_guide",
        "multishot": "oneshot.search.multishot.guide:multishot_guide",
    },
    # The names of aw_nas: `tune` trains all candidates equally long, `bf_tune` in rungs.
    aliases={"tune": "train", "bf_tune": "train"},
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


def lower_bound_guide(request: GuideRequest) -> Guide:
    """Score architectures by a predictor's mean less one deviation: `lower-bound:FILE`."""
    import predictor

    trained = predictor.load(request.location)
    request.check_space(trained.space)
    return LowerBoundGuide(trained, request.location)


def supernet_guide(request: GuideRequest) -> Guide:
    """Score architectures by a trained supernet: `supernet:FOLDER`."""
    from oneshot.run import read_run

    run = read_run(request.location, "supernet")
    if not run.space.covers(request.space):
        request.check_space(run.space)
    if request.evaluation is None:
        return SupernetGuide.from_run(
            run, name=request.name, rank_by=request.rank_by, space=request.space
        )
    return SupernetGuide(
        request.evaluation(run), request.journal, request.name, request.rank_by, request.space
    )


def benchmark_guide(request: GuideRequest) -> Guide:
    """Score architectures by a benchmark: `benchmark:NAME` or `benchmark:NAME:METRIC`."""
    from tables.benchmarks.registry import benchmark

    name, _, metric = request.location.partition(":")
    oracle = benchmark(name)
    guide = BenchmarkGuide(oracle, metric or None)
    request.check_space(oracle.space)
    return guide


def short_training_guide(request: GuideRequest) -> Guide:
    """Score architectures by short trainings: `train:DATA` or `train:FOLDER`.

    With the folder of a supernet's run the trainings begin with its weights, on its data set.
    """
    from oneshot.data.registry import load
    from oneshot.data.request import title
    from oneshot.retraining.short_training import ShortTraining
    from oneshot.run import SETTINGS, read_run
    from oneshot.search.training_guide import TrainingGuide
    from oneshot.tasks.registry import DEFAULT, canonical, make_task
    from spaces.plugins.loading import loaded_files

    options = request.training
    if options is None:
        raise InvalidGuide(
            f"--guide {request.text!r}: short trainings are a guide of `python -m oneshot search`"
        )

    supernet = None
    task_name = options.task or DEFAULT
    if (Path(request.location) / SETTINGS).is_file():
        supernet = read_run(request.location, "supernet")
        request.check_space(supernet.space)
        task_name = options.task or supernet.settings.task
        data: Mapping[str, Any] = supernet.settings.data
    else:
        data = load(request.location, request.space.input_shape).record()

    task_name = canonical(task_name)
    training = ShortTraining(
        options.folder.resolve(),
        request.space.name,
        task_name,
        data,
        options.settings,
        None if supernet is None else str(supernet.folder.resolve()),
        options.device,
        options.threads,
        loaded_files(),
    )
    source = {
        "kind": "training",
        "task": task_name,
        "data": title(data["name"]),
        "data_digest": str(data.get("digest", ""))[:16],
        "supernet": None if supernet is None else supernet.weights_digest(),
        **options.settings.to_dict(),
    }
    task = make_task(task_name, request.space)
    return TrainingGuide(training, request.space, task, source, options, request.journal)


def guide_named(
    text: str,
    space: SearchSpace,
    evaluation: Callable[[Run], SupernetEvaluation] | None = None,
    journal: Journal | None = None,
    name: str | None = None,
    rank_by: str | None = None,
    training: ShortTrainingOptions | None = None,
) -> Guide:
    """Make the guide that a user names.

    Args:
        text: `predictor:FILE`, `supernet:FOLDER`, `benchmark:NAME`, `benchmark:NAME:METRIC`,
            `train:DATA`, `train:FOLDER`, `KIND:LOCATION` of a plug-in's guide, a sum of such,
            `sum:GUIDE + WEIGHT*GUIDE`, or supernets of several widths,
            `multishot:FOLDER,FOLDER,...@flops=2e9`.
        space: Space that the guide must score.
        evaluation: Settles how sub-networks of a supernet's run are evaluated; None: by default.
        journal: Journal of a supernet's evaluations; None: they are not stored.
        name: Name of a supernet in results; None: its folder.
        rank_by: Metric by which a supernet scores; None: the score of its task.
        training: Settings, files and processes of short trainings; None: they are not possible.

    Raises:
        InvalidGuide: The text does not name a guide, or one for another space, or a ranking is
            requested of a guide that has none.
    """
    return make_guide(GuideRequest(text, "", space, evaluation, journal, name, rank_by, training))


def make_guide(request: GuideRequest) -> Guide:
    """Make the guide of a request by its text; raises InvalidGuide as `guide_named` does."""
    text = request.text
    kind, _, location = text.partition(":")
    if not location or kind not in GUIDES:
        plug_ins = [f", {other}:LOCATION" for other in GUIDES if not GUIDES.is_built_in(other)]
        raise InvalidGuide(
            f"--guide {text!r}: a guide is predictor:FILE, supernet:FOLDER, train:DATA (or"
            f" train:FOLDER of a supernet) or benchmark:NAME (or NAME:METRIC){''.join(plug_ins)}"
            f"{near_miss(kind, GUIDES)}"
        )
    if request.rank_by is not None and kind not in ("supernet", "multishot"):
        raise InvalidGuide(f"--rank-by is for supernets, not for --guide {text!r}")

    return GUIDES.get(kind)(replace(request, location=location))
