"""Resolve the guide of a search: a predictor, a supernet or a benchmark."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from oneshot.evaluation.ranking import Ranking
from oneshot.tasks.registry import metrics_of
from service.catalog.catalog import Catalog
from service.catalog.files import FileReference
from service.problems import blaming, invalid
from service.schemas.search import GuideChoice, SearchRequest
from spaces.errors import PathfitError
from spaces.registry import get
from spaces.space import SearchSpace
from tables.benchmarks.registry import BENCHMARKS, benchmark

PREDICTOR_KINDS = ("predictor", "lower-bound")
"""Kinds of guides that score by a predictor."""


@dataclass(frozen=True)
class ResolvedGuide:
    """A guide with the files that a worker needs; exactly one of its kinds is set.

    Args:
        name: Name that requests use.
        predictor: File of the predictor.
        supernet: Trained weights of the supernet's run.
        benchmark: `NAME` or `NAME:METRIC` of the benchmark.
        benchmark_files: Files of the benchmark.
    """

    name: str
    predictor: FileReference | None = None
    supernet: FileReference | None = None
    benchmark: str | None = None
    benchmark_files: Sequence[FileReference] = ()


def resolve_guide(request: SearchRequest, space: SearchSpace, catalog: Catalog) -> ResolvedGuide:
    """Find the guide of a request; the space's only one if the request names none.

    Raises:
        Problem: There is no such guide, several could be meant, or it is of another space.
    """
    choice = request.guide
    if choice.metric is not None and choice.kind != "benchmark":
        raise invalid(
            f"guide.metric is for benchmarks only; a {choice.kind} has none", "guide.metric"
        )

    if choice.rank_by is not None and choice.kind != "supernet":
        raise invalid(
            f"guide.rank_by is for supernets only; a {choice.kind} has none", "guide.rank_by"
        )

    if choice.under and choice.kind != "supernet":
        raise invalid(f"guide.under is for supernets only; a {choice.kind} has none", "guide.under")

    if choice.kind in PREDICTOR_KINDS:
        return _resolve_predictor(choice.name, space, catalog)
    if choice.kind == "supernet":
        return _resolve_supernet(choice, space, catalog)

    return _resolve_benchmark(choice.name, choice.metric, space)


def _resolve_predictor(name: str | None, space: SearchSpace, catalog: Catalog) -> ResolvedGuide:
    if name is None:
        hint = f"train one with: python -m predictor train --space '{space.name}'"
        name = _only_name(catalog.predictors_of(space.name), "a predictor", space, hint)

    with blaming("guide.name"):
        trained_on, reference = catalog.predictor(name)

    _check_space(f"the predictor {name!r} scores", trained_on, space)
    return ResolvedGuide(reference.name, predictor=reference)


def _resolve_supernet(choice: GuideChoice, space: SearchSpace, catalog: Catalog) -> ResolvedGuide:
    name = choice.name
    if name is None:
        hint = f"train one with: python -m oneshot train --space '{space.name}'"
        runs = catalog.supernets().values()
        names = [run.name for run in runs if _covers(run.space, space)]
        name = _only_name(names, "a supernet", space, hint)

    with blaming("guide.name"):
        run, weights = catalog.supernet(name)

    if not _covers(run.space, space):
        _check_space(f"the supernet {name!r} is of", run.space, space)
    _check_ranking(choice, run.task)

    return ResolvedGuide(name, supernet=weights)


def _check_ranking(choice: GuideChoice, task: str) -> None:
    conditions = None
    if choice.under:
        # Imported on demand: perturbations import torch, which the web process does without.
        from oneshot.perturbations.conditions import Conditions

        with blaming("guide.under"):
            conditions = Conditions.parse(choice.under)

    if choice.rank_by is not None:
        with blaming("guide.name"):
            metrics = metrics_of(task)
        with blaming("guide.rank_by"):
            Ranking.under(choice.rank_by, metrics, conditions)


def _resolve_benchmark(name: str | None, metric: str | None, space: SearchSpace) -> ResolvedGuide:
    if name is None:
        names = [name for name in BENCHMARKS if BENCHMARKS.get(name).space == space.name]
        name = _only_name(names, "a benchmark", space, "no benchmark covers it")

    with blaming("guide.name"):
        table = benchmark(name)

    _check_space(f"the benchmark {name!r} is of", table.space.name, space)
    if metric is not None:
        # Reading the column raises if the benchmark has no such metric.
        with blaming("guide.metric"):
            table.values(metric)

    files = [FileReference.from_path(path.name, path) for path in table.files]
    identifier = name if metric is None else f"{name}:{metric}"

    return ResolvedGuide(name, benchmark=identifier, benchmark_files=files)


def _only_name(names: list[str], kind: str, space: SearchSpace, hint: str) -> str:
    if len(names) == 1:
        return names[0]
    # With none to choose from, the way to get one is more useful than an empty list.
    listed = ", ".join(names) or f"none; {hint}"
    detail = f"guide.name is needed, the name of {kind} of {space.name}; available: {listed}"
    raise invalid(detail, "guide.name", known=names)


def _covers(run_space: str, space: SearchSpace) -> bool:
    """Return whether the supernet of a run evaluates the architectures of a space."""
    # A run may be of a space of a plug-in that this service lacks.
    try:
        return run_space == space.name or get(run_space).covers(space)
    except PathfitError:
        return False


def _check_space(subject: str, actual: str, space: SearchSpace) -> None:
    if actual != space.name:
        raise invalid(f"{subject} {actual}, not {space.name}", "guide.name")
