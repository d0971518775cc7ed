"""Bind the constraints and objectives of a search to their cost models."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from typing import Literal, Protocol

from oneshot.errors import InvalidCharge
from oneshot.search.charge import Charge, ChargedCost, ChargedGuide
from oneshot.search.constraint import Constraint, Limit
from oneshot.search.guide import Guide
from oneshot.search.objective import Objective
from oneshot.search.problem import SearchProblem
from service.admission.tasks import SearchTask
from service.catalog.files import device_model
from spaces.registry import get
from spaces.space import SearchSpace
from tables.benchmarks.device import BenchmarkDevice
from tables.benchmarks.registry import benchmark
from tables.cost.model import CostModel, counting_model
from tables.metrics import COUNTS, canonical_metric
from tables.store import load


class Attribute(Protocol):
    """Attributes the errors of a block to a constraint or an objective of the request."""

    def __call__(
        self, field: Literal["constraints", "objectives", "charges"], metric: str
    ) -> AbstractContextManager[None]:
        """Return the context in which the metric is bound."""


def bind_problem(
    task: SearchTask, guide: Guide, attribute: Attribute | None = None
) -> SearchProblem:
    """Bind a search to cost models, for its admission as well as for the worker that runs it.

    Args:
        task: Search with its names resolved to pinned files.
        guide: Scores architectures. Admission passes one that never scores, as it only checks.
        attribute: Attributes errors to a field of the request. None lets errors pass.

    Raises:
        PathfitError: A metric is unknown, the task has no table for a measured one, or the table
            has no figures of it.
        Infeasible: No network of the space meets a constraint.
    """
    attribute = attribute or _pass_errors
    space = get(task.space)
    constraints = []
    for metric, maximum in task.limits.items():
        with attribute("constraints", metric):
            constraints.append(_bind_limit(metric, maximum, space, task))

    objectives = []
    for metric in task.objectives:
        with attribute("objectives", metric):
            objectives.append(_bind_objective(metric, space, task))

    charges = []
    for index, text in enumerate(task.charges):
        with attribute("charges", str(index)):
            charges.append(_bind_charge(text, space, task))
    if charges:
        guide = ChargedGuide(guide, charges)

    return SearchProblem(space, guide, constraints, objectives)


def _pass_errors(field: str, metric: str) -> AbstractContextManager[None]:
    return nullcontext()


def _bind_limit(metric: str, maximum: float, space: SearchSpace, task: SearchTask) -> Constraint:
    name = canonical_metric(metric)
    # Without a device `Limit` reports that a measured metric needs one.
    if name in COUNTS or not _has_device(task):
        return Limit(metric, maximum).bind(space, load, task.margin)

    model = _device_model(task, space, name)
    constraint = Constraint(name, maximum, model, task.margin, model.device)
    constraint.check_feasible()

    return constraint


def _bind_objective(metric: str, space: SearchSpace, task: SearchTask) -> Objective:
    name = canonical_metric(metric)
    if name in COUNTS or not _has_device(task):
        return Objective(name, counting_model(space, name))
    return Objective(name, _device_model(task, space, name))


def _bind_charge(text: str, space: SearchSpace, task: SearchTask) -> ChargedCost:
    charge = Charge.parse(text)
    if "@" in charge.target:
        raise InvalidCharge(
            f"charge {text!r:.80}: measured costs are those on `device`; leave out the table"
        )
    name = canonical_metric(charge.target)
    # Without a device binding reports that a measured metric needs one.
    if name in COUNTS or not _has_device(task):
        return charge.bind(space, load)
    return ChargedCost(name, _device_model(task, space, name), charge)


def _has_device(task: SearchTask) -> bool:
    return task.table is not None or task.device is not None


def _device_model(task: SearchTask, space: SearchSpace, metric: str) -> CostModel:
    if task.device is not None:
        device = BenchmarkDevice(benchmark(task.device.benchmark), task.device.name)
        return device.cost_model(space, metric)
    assert task.table is not None
    return device_model(task.table, space, metric)
