"""Admission: everything that can be wrong with a search is found before it is accepted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneshot.search.constraint import Constraint
from oneshot.search.objective import SCORES, Objective
from oneshot.search.problem import SearchProblem
from oneshot.strategies.registry import make
from service.admission.tasks import SearchTask, bind, objective
from service.catalog.catalog import Catalog, FileReference, device_model
from service.problems import blaming, invalid
from service.schemas.search import SearchRequest
from spaces.space import Codes, SearchSpace
from tables.benchmarks.registry import BENCHMARKS, benchmark
from tables.metrics import ALIASES, COSTS, MEASURED, canonical_metric

MOST_EVALUATIONS = 1_000_000


@dataclass(frozen=True)
class Guiding:
    """A guide that was found: its name, and the file or name that a worker needs."""

    name: str
    predictor: FileReference | None = None
    supernet: FileReference | None = None
    benchmark: str | None = None
    benchmark_files: Sequence[FileReference] = ()


def admit(request: SearchRequest, catalog: Catalog) -> tuple[SearchRequest, SearchTask]:
    """Check a request against what is known and what is possible.

    Args:
        request: what is asked for.
        catalog: what there is.

    Returns:
        The request with its defaults filled in, and the task for a worker.

    Raises:
        Problem: the request names something unknown or asks for something impossible; the field is
            named.
    """
    with blaming("space"):
        space = catalog.space(request.space)
    device = _device(request, space, catalog)
    guide = _guide(request, space, catalog)
    constraints = _constraints(request, space, device)
    objectives = _objectives(request, space, device)
    _check_strategy(
        request, SearchProblem(space, _Unasked(), constraints, [found for _, found in objectives])
    )
    name = None if device is None else device.name
    chosen = request.guide.model_copy(update={"name": guide.name})
    filled = request.model_copy(update={"space": space.name, "device": name, "guide": chosen})
    task = SearchTask(
        space=space.name,
        table=device,
        predictor=guide.predictor,
        limits=request.constraints.given(),
        margin=request.margin,
        strategy=request.strategy.name,
        options=request.strategy.options,
        count=request.count,
        seed=request.seed,
        objectives=[name for name, _ in objectives],
        supernet=guide.supernet,
        benchmark=guide.benchmark,
        benchmark_files=guide.benchmark_files,
    )
    return filled, task


def _device(request: SearchRequest, space: SearchSpace, catalog: Catalog) -> FileReference | None:
    name = request.device
    if name is None:
        asked = [
            metric
            for metric in (*request.constraints.given(), *request.objectives)
            if metric in MEASURED
        ]
        if not asked:
            return None
        known = catalog.tables_of(space.name)
        if len(known) != 1:
            listed = ", ".join(known) or "none"
            needed = f"device is needed, the name of a table of {space.name}; there is: {listed}"
            raise invalid(f"{asked[0]} is asked for: {needed}", "device", known=known)
        name = known[0]
    with blaming("device"):
        return catalog.table(name)[1]


def _guide(request: SearchRequest, space: SearchSpace, catalog: Catalog) -> Guiding:
    asked = request.guide
    if asked.metric is not None and asked.kind != "benchmark":
        raise invalid(f"guide.metric is a benchmark's; a {asked.kind} has none", "guide.metric")
    find = {"predictor": _predictor, "supernet": _supernet, "benchmark": _benchmark}[asked.kind]
    return find(request, space, catalog)


def _predictor(request: SearchRequest, space: SearchSpace, catalog: Catalog) -> Guiding:
    name = request.guide.name
    if name is None:
        hint = f"train one with: python -m predictor train --space '{space.name}'"
        name = _only(catalog.predictors_of(space.name), "a predictor", space, hint)
    with blaming("guide.name"):
        trained_on, reference = catalog.predictor(name)
    _check_space(f"the predictor {name!r} scores", trained_on, space)
    return Guiding(name, predictor=reference)


def _supernet(request: SearchRequest, space: SearchSpace, catalog: Catalog) -> Guiding:
    name = request.guide.name
    if name is None:
        hint = f"train one with: python -m oneshot train --space '{space.name}'"
        known = [run.name for run in catalog.supernets().values() if run.space == space.name]
        name = _only(known, "a supernet", space, hint)
    with blaming("guide.name"):
        run, weights = catalog.supernet(name)
    _check_space(f"the supernet {name!r} is one of", run.space, space)
    return Guiding(name, supernet=weights)


def _benchmark(request: SearchRequest, space: SearchSpace, _catalog: Catalog) -> Guiding:
    name, metric = request.guide.name, request.guide.metric
    if name is None:
        known = [known for known in BENCHMARKS if BENCHMARKS.get(known).space == space.name]
        name = _only(known, "a benchmark", space, "no benchmark covers it")
    with blaming("guide.name"):
        found = benchmark(name)
    _check_space(f"the benchmark {name!r} is one of", found.space.name, space)
    if metric is not None:
        with blaming("guide.metric"):
            found.values(metric)
    files = [FileReference.of(path.name, path) for path in found.files]
    return Guiding(
        name, benchmark=name if metric is None else f"{name}:{metric}", benchmark_files=files
    )


def _only(known: list[str], kind: str, space: SearchSpace, hint: str) -> str:
    if len(known) == 1:
        return known[0]
    listed = ", ".join(known) or f"none; {hint}"
    detail = f"guide.name is needed, the name of {kind} of {space.name}; there is: {listed}"
    raise invalid(detail, "guide.name", known=known)


def _check_space(what: str, given: str, space: SearchSpace) -> None:
    if given != space.name:
        raise invalid(f"{what} {given}, not {space.name}", "guide.name")


def _constraints(
    request: SearchRequest, space: SearchSpace, device: FileReference | None
) -> list[Constraint]:
    bound = []
    for metric, maximum in request.constraints.given().items():
        field = f"constraints.{metric}"
        _check_metric(metric, field)
        _check_blocks(metric, space, device)
        with blaming(field):
            bound.append(bind(metric, maximum, space, device, request.margin))
    return bound


def _objectives(
    request: SearchRequest, space: SearchSpace, device: FileReference | None
) -> list[tuple[str, Objective]]:
    found = []
    for index, name in enumerate(request.objectives):
        if name in SCORES:
            continue
        field = f"objectives.{index}"
        _check_metric(name, field)
        _check_blocks(name, space, device)
        with blaming(field):
            found.append((canonical_metric(name), objective(name, space, device)))
    return found


def _check_metric(metric: str, field: str) -> None:
    known = [*COSTS, *ALIASES]
    if metric not in known:
        raise invalid(
            f"{field}: no table tells {metric!r:.80}; there is: {', '.join(known)}",
            field,
            known=known,
        )


def _check_blocks(metric: str, space: SearchSpace, device: FileReference | None) -> None:
    """A missing block is the table's fault; what it has no figures of, and what is infeasible, that
    of who asks.
    """
    if metric in MEASURED and device is not None:
        with blaming("device"):
            device_model(device, space)


def _check_strategy(request: SearchRequest, problem: SearchProblem) -> None:
    if len(problem.constraints) > 1:
        with blaming("constraints"):
            problem.sample(np.random.default_rng(request.seed), 1)
    field = "strategy.options"
    with blaming("strategy.name"):
        make(request.strategy.name, problem, np.random.default_rng(0), {})
    with blaming(field):
        strategy = make(
            request.strategy.name, problem, np.random.default_rng(0), request.strategy.options
        )
    if strategy.planned > MOST_EVALUATIONS:
        raise invalid(
            f"{request.strategy.name} would evaluate up to {strategy.planned} networks; "
            f"at most {MOST_EVALUATIONS} are accepted",
            field,
        )


class _Unasked:
    """Stands in for the guide while a problem is only checked: that needs no score."""

    def score(self, codes: Codes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        raise AssertionError("checking a problem scores nothing")

    def to_dict(self) -> dict[str, Any]:
        return {}
