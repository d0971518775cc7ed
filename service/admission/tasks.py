"""Tasks: accepted jobs with everything they need, so that any worker at any time gives the same
result.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from oneshot.search.constraint import Constraint, Limit
from oneshot.search.objective import Objective
from service.catalog.catalog import FileReference, device_model
from spaces import __version__
from spaces.space import SearchSpace
from tables.cost.model import counting_model
from tables.metrics import COUNTS, canonical_metric
from tables.store import load


@dataclass(frozen=True)
class SearchTask:
    """An accepted search; exactly one of `predictor`, `supernet` and `benchmark` guides it.

    Args:
        space: canonical name.
        table: the device's lookup table, None where nothing that a device tells is limited or
            traded.
        predictor: the guide's file.
        limits: metric -> maximum.
        margin: deviations kept below a limit.
        strategy: its name.
        options: the strategy's.
        count: how many of the best are given in full.
        seed: the same seed gives the same result.
        objectives: metrics that are traded for the guide's score; none: the first limit's, else
            MACs.
        supernet: the trained weights of the supernet's run.
        benchmark: `NAME` or `NAME:METRIC`.
        benchmark_files: what it was read from, in its order.
        threads: of torch; another number may change the last digit of a result.
        version: of pathfit, when the search was accepted.
    """

    space: str
    table: FileReference | None
    predictor: FileReference | None
    limits: Mapping[str, float]
    margin: float
    strategy: str
    options: Mapping[str, Any]
    count: int
    seed: int
    objectives: Sequence[str] = ()
    supernet: FileReference | None = None
    benchmark: str | None = None
    benchmark_files: Sequence[FileReference] = ()
    threads: int = 1
    version: str = __version__

    def to_dict(self) -> dict[str, Any]:
        """The JSON object that `from_dict` reads."""
        return asdict(self)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> SearchTask:
        """Read the object that `to_dict` gives."""
        files = [FileReference(**file) for file in value.get("benchmark_files", ())]
        return cls(
            **{**_with_files(value, "table", "predictor", "supernet"), "benchmark_files": files}
        )


@dataclass(frozen=True)
class PredictorTask:
    """An accepted training of a predictor; the same as `python -m predictor train`.

    Args:
        space: canonical name.
        evaluations: JSON lines.
        name: of the predictor that is made.
        options: of the command by their names, such as `{"encoder": "gates", "metric": "top1",
            "refit": true}`.
        seed: of the split and the fit.
        threads: of torch.
        version: of pathfit, when the job was accepted.
    """

    space: str
    evaluations: FileReference
    name: str
    options: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    threads: int = 1
    version: str = __version__

    def to_dict(self) -> dict[str, Any]:
        """The JSON object that `from_dict` reads."""
        return asdict(self)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> PredictorTask:
        """Read the object that `to_dict` gives."""
        return cls(**_with_files(value, "evaluations"))


@dataclass(frozen=True)
class RetrainTask:
    """An accepted retraining; the same as `python -m oneshot retrain`.

    Args:
        architecture: its JSON object.
        data: a data set: its name, `NAME:PATH`, or a folder.
        options: of the command by their names, such as `{"epochs": 60, "learning_rate": 0.1}`.
        seed: of the weights and the batches.
        threads: of torch, in each process.
        supernet: the trained weights of a supernet's run to begin with.
        workers: processes that train together; more than one: by Ray Train, wherever there is room.
        version: of pathfit, when the job was accepted.
    """

    architecture: Mapping[str, Any]
    data: str
    options: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    threads: int = 1
    supernet: FileReference | None = None
    workers: int = 1
    version: str = __version__

    def to_dict(self) -> dict[str, Any]:
        """The JSON object that `from_dict` reads."""
        return asdict(self)

    @classmethod
    def from_dict(cls, value: Mapping[str, Any]) -> RetrainTask:
        """Read the object that `to_dict` gives."""
        return cls(**_with_files(value, "supernet"))


def bind(
    metric: str, maximum: float, space: SearchSpace, table: FileReference | None, margin: float
) -> Constraint:
    """A limit bound to its cost model.

    Raises:
        PathfitError: the metric is unknown, a device's is limited without a table, or the table
            does not tell it.
        Infeasible: no network of the space meets it.
    """
    name = canonical_metric(metric)
    if name in COUNTS or table is None:
        return Limit(metric, maximum).bind(space, load, margin)
    model = device_model(table, space, name)
    constraint = Constraint(name, maximum, model, margin, model.device)
    constraint.check_feasible()
    return constraint


def objective(metric: str, space: SearchSpace, table: FileReference | None) -> Objective:
    """A cost to be traded for the score, bound to its cost model; raises PathfitError as `bind`."""
    name = canonical_metric(metric)
    if name in COUNTS or table is None:
        return Objective(name, counting_model(space, name))
    return Objective(name, device_model(table, space, name))


def _with_files(value: Mapping[str, Any], *names: str) -> dict[str, Any]:
    files = {name: value[name] and FileReference(**value[name]) for name in names}
    return {**value, **files}
