"""Admission of searches: every fault of a request is found before it is accepted."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from oneshot.retraining.short_settings import ShortTrainingSettings
from oneshot.search.objective import SCORES
from oneshot.search.problem import SearchProblem
from oneshot.strategies.registry import make
from service.admission.guides import ResolvedGuide, resolve_guide
from service.admission.measuring import verification_of
from service.admission.problem import bind_problem
from service.admission.tasks import Admission, FinalistsTask, RecordedDevice, SearchTask
from service.catalog.catalog import Catalog
from service.catalog.files import FileReference, device_models
from service.jobs import JsonObject, Resources
from service.problems import blaming, invalid
from service.schemas.search import SearchRequest
from service.store.agents import Agent
from spaces.errors import UnknownName
from spaces.space import Codes, SearchSpace
from tables.devices import benchmark_devices
from tables.metrics import ALIASES, COSTS, MEASURED, canonical_metric

MAX_EVALUATIONS = 1_000_000
"""Networks that a search may evaluate."""


def admit_search(
    request: SearchRequest, catalog: Catalog, agents: Sequence[Agent] = ()
) -> Admission:
    """Check a search against the catalog, and resolve its names to pinned files.

    Args:
        request: The request.
        catalog: Spaces, tables and guides that the request may name.
        agents: Devices that may measure its networks.

    Raises:
        Problem: The request names something unknown, or no network can meet it. The problem names
            the field.

    Returns:
        The job to create; its request has all defaults filled in.
    """
    with blaming("space"):
        space = catalog.space(request.space)

    device = _resolve_device(request, space, catalog)
    guide = resolve_guide(request, space, catalog)

    # Names are checked before figures, so that a typing error is never hidden by a limit.
    _check_objectives(request)
    if isinstance(device, FileReference) and _measured_metrics(request):
        # A missing block is the table's fault, whichever metric would need it.
        with blaming("device"):
            device_models(device, space)

    table = device if isinstance(device, FileReference) else None
    verify = verification_of(request, space, table, agents, catalog.sender)
    task = replace(
        _search_task(request, space, device, guide),
        finalists=_finalists(request, catalog),
        verify=verify,
    )
    problem = bind_problem(task, _UnusedGuide(), _Fields(request))
    _check_strategy(request, problem)

    update: dict[str, Any] = {
        "space": space.name,
        # The names that were resolved, so that repeating the request gives the same search.
        "device": None if device is None else device.name,
        "guide": request.guide.model_copy(update={"name": guide.name}),
    }
    if verify is not None:
        update["measure_on"] = verify.agent_name

    return Admission(
        kind="search",
        request=request.model_copy(update=update).model_dump(mode="json"),
        task=task,
        resources=Resources(cpus=float(task.threads)),
    )


def _search_task(
    request: SearchRequest,
    space: SearchSpace,
    device: FileReference | RecordedDevice | None,
    guide: ResolvedGuide,
) -> SearchTask:
    """Return the task of a request whose names are resolved."""
    # The score is always maximised, so that naming it as an objective changes nothing.
    objectives = [canonical_metric(name) for name in request.objectives if name not in SCORES]
    return SearchTask(
        space=space.name,
        table=device if isinstance(device, FileReference) else None,
        predictor=guide.predictor,
        limits=request.constraints.to_limits(),
        margin=request.margin,
        strategy=request.strategy.name,
        options=request.strategy.options,
        count=request.count,
        seed=request.seed,
        objectives=objectives,
        charges=request.charges,
        supernet=guide.supernet,
        benchmark=guide.benchmark,
        benchmark_files=guide.benchmark_files,
        rank_by=request.guide.rank_by,
        lower_bound=request.guide.kind == "lower-bound",
        under=request.guide.under,
        device=None if isinstance(device, FileReference) else device,
    )


def _finalists(request: SearchRequest, catalog: Catalog) -> FinalistsTask | None:
    """Return the finalists of a request, checked; None where it has none."""
    finalists = request.finalists
    if finalists is None:
        return None

    with blaming("finalists.data"):
        data = catalog.data_set(finalists.data)
    with blaming("finalists.training"):
        ShortTrainingSettings.from_options(finalists.training)
    return FinalistsTask(finalists.count, data, finalists.training)


def _measured_metrics(request: SearchRequest) -> list[str]:
    # Only texts that name a measured metric; the others are checked when they are bound.
    charged = (text.partition("=")[0].strip() for text in request.charges)
    metrics = (*request.constraints.to_limits(), *request.objectives, *charged)
    return [metric for metric in metrics if metric in MEASURED]


def _resolve_device(
    request: SearchRequest, space: SearchSpace, catalog: Catalog
) -> FileReference | RecordedDevice | None:
    name = request.device
    if name is None:
        metrics = _measured_metrics(request)
        if not metrics:
            return None
        # Only a single table is taken without being named: another device would be a guess.
        names = catalog.tables_of(space.name)
        if len(names) != 1:
            listed = ", ".join(names) or "none"
            raise invalid(
                f"device is needed for {metrics[0]}, the name of a table of {space.name};"
                f" available: {listed}",
                "device",
                known=names,
            )
        name = names[0]

    with blaming("device"):
        try:
            _, reference = catalog.table(name)
        except UnknownName as error:
            # Benchmarks take a second to read: only names that no table has are looked up there.
            devices = benchmark_devices(space)
            if name not in devices:
                raise UnknownName("table", name, (*error.known, *devices)) from error
            recorded = devices[name].benchmark
            files = [FileReference.from_path(path.name, path) for path in recorded.files]
            return RecordedDevice(name, recorded.name, files)
        return reference


def _check_objectives(request: SearchRequest) -> None:
    metrics = [*COSTS, *ALIASES]
    for index, metric in enumerate(request.objectives):
        if metric not in SCORES and metric not in metrics:
            field = f"objectives.{index}"
            raise invalid(
                f"{field}: unknown metric {metric!r:.80}; available: {', '.join(metrics)}",
                field,
                known=metrics,
            )


class _Fields:
    """Attributes the errors of a problem to the fields of a request."""

    def __init__(self, request: SearchRequest):
        # The first of several names of one metric is blamed.
        self._indices: dict[str, int] = {}
        for index, name in enumerate(request.objectives):
            if name not in SCORES:
                self._indices.setdefault(canonical_metric(name), index)

    def __call__(self, field: str, metric: str) -> AbstractContextManager[None]:
        if field == "charges":
            return blaming(field)
        return blaming(f"{field}.{self._indices[metric] if field == 'objectives' else metric}")


def _check_strategy(request: SearchRequest, problem: SearchProblem) -> None:
    # One constraint alone is checked when it is bound; several may exclude each other.
    if len(problem.constraints) > 1:
        with blaming("constraints"):
            problem.sample(np.random.default_rng(request.seed), 1)

    # Without options first, so that an unknown strategy is not blamed on its options.
    name = request.strategy.name
    with blaming("strategy.name"):
        make(name, problem, np.random.default_rng(0), {})
    with blaming("strategy.options"):
        strategy = make(name, problem, np.random.default_rng(0), request.strategy.options)

    if strategy.planned > MAX_EVALUATIONS:
        raise invalid(
            f"strategy.options: {name} would evaluate up to {strategy.planned} networks;"
            f" at most {MAX_EVALUATIONS} are accepted",
            "strategy.options",
        )


class _UnusedGuide:
    """A placeholder for the guide, whose scores the check of a problem never needs."""

    def score(self, codes: Codes) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        raise AssertionError("the check of a problem must not score architectures")

    def to_dict(self) -> JsonObject:
        return {}
