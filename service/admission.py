"""Admission: everything that can be wrong with a search is found before it is accepted."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneshot.constraint import Constraint
from oneshot.problem import SearchProblem
from oneshot.strategies.registry import make
from service.catalog import Catalog, FileReference, latency_model
from service.problems import blaming, invalid
from service.schemas import SearchRequest
from service.task import SearchTask, bind
from spaces.space import Codes, SearchSpace

MOST_EVALUATIONS = 1_000_000


def admit(request: SearchRequest, catalog: Catalog) -> tuple[SearchRequest, SearchTask]:
    """Check a request against what is known and what is possible.

    Args:
        request: what is asked for.
        catalog: what there is.

    Returns:
        The request with its defaults filled in, and the task for a worker.

    Raises:
        Problem: the request names something unknown or asks for something impossible; the field is named.
    """
    with blaming("space"):
        space = catalog.space(request.space)
    device = _device(request, catalog)
    guide = _guide(request, space.name, catalog)
    constraints = _constraints(request, space, device)
    _check_strategy(request, SearchProblem(space, _Unasked(), constraints))
    name = None if device is None else device.name
    chosen = request.guide.model_copy(update={"name": guide.name})
    filled = request.model_copy(update={"space": space.name, "device": name, "guide": chosen})
    task = SearchTask(
        space=space.name,
        table=device,
        predictor=guide,
        limits=request.constraints.given(),
        margin=request.margin,
        strategy=request.strategy.name,
        options=request.strategy.options,
        count=request.count,
        seed=request.seed,
    )
    return filled, task


def _device(request: SearchRequest, catalog: Catalog) -> FileReference | None:
    name = request.device
    if name is None:
        if request.constraints.latency_ms is None:
            return None
        known = list(catalog.tables())
        if len(known) != 1:
            raise invalid(
                f"latency_ms is limited: device is needed, the name of a table; there is: {', '.join(known) or 'none'}",
                "device",
                known=known,
            )
        name = known[0]
    with blaming("device"):
        return catalog.table(name)[1]


def _guide(request: SearchRequest, space: str, catalog: Catalog) -> FileReference:
    name = request.guide.name
    if name is None:
        known = catalog.predictors_of(space)
        if len(known) != 1:
            listed = ", ".join(known) or f"none; train one with: python -m predictor train --space '{space}'"
            raise invalid(
                f"guide.name is needed, the name of a predictor of {space}; there is: {listed}",
                "guide.name",
                known=known,
            )
        name = known[0]
    with blaming("guide.name"):
        trained_on, reference = catalog.predictor(name)
    if trained_on != space:
        raise invalid(f"the predictor {name!r} scores {trained_on}, not {space}", "guide.name")
    return reference


def _constraints(request: SearchRequest, space: SearchSpace, device: FileReference | None) -> list[Constraint]:
    bound = []
    for metric, maximum in request.constraints.given().items():
        # A missing block is the table's fault, an infeasible limit the limit's own.
        if metric == "latency_ms" and device is not None:
            with blaming("device"):
                latency_model(device, space)
        with blaming(f"constraints.{metric}"):
            bound.append(bind(metric, maximum, space, device, request.margin))
    return bound


def _check_strategy(request: SearchRequest, problem: SearchProblem) -> None:
    if len(problem.constraints) > 1:
        with blaming("constraints"):
            problem.sample(np.random.default_rng(request.seed), 1)
    field = "strategy.options"
    with blaming("strategy.name"):
        make(request.strategy.name, problem, np.random.default_rng(0), {})
    with blaming(field):
        strategy = make(request.strategy.name, problem, np.random.default_rng(0), request.strategy.options)
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
