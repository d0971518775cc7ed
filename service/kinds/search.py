"""Search: the best networks of a space under constraints; the parts of a problem are kept between
jobs.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

import predictor
from oneshot.search.guide import BenchmarkGuide, Guide, PredictorGuide, guide_named
from oneshot.search.loop import run_search
from oneshot.search.problem import SearchProblem
from service.admission.tasks import SearchTask, bind, objective
from service.catalog.catalog import ChangedFile, FileReference
from service.kinds.base import Context, Outcome
from spaces.errors import PathfitError
from spaces.files import digest
from spaces.registry import get
from spaces.space import SearchSpace

if TYPE_CHECKING:
    from predictor.base import Predictor

RESULT = "result.json"
_SUPERNET_CHUNK = (
    25  # sub-networks that are evaluated between two looks at whether the search is still wanted
)


class InvalidTask(PathfitError):
    """A task that names nothing to search with."""


class Search:
    """The job kind `search`."""

    def run(self, task: Mapping[str, Any], context: Context) -> Outcome:
        """Search as the task says; the candidates are in the artifact alone."""
        asked = SearchTask.from_dict(task)
        torch.set_num_threads(asked.threads)
        found = run_search(
            problem_of(asked),
            asked.strategy,
            options=asked.options,
            seed=asked.seed,
            progress=lambda done, planned, best: context.progress(
                {"evaluated": done, "planned": planned, "best": best}
            ),
            chunk=_SUPERNET_CHUNK if asked.supernet is not None else None,
        )
        value = found.to_dict(asked.count)
        whole = json.dumps(value, allow_nan=False) + "\n"
        del value["candidates"]
        return Outcome(value, {RESULT: whole.encode()})


def problem_of(task: SearchTask) -> SearchProblem:
    """The problem of a task.

    Raises:
        ChangedFile: a file is not what the task was accepted with.
        PathfitError: one of them cannot be read.
    """
    space = get(task.space)
    if task.table is not None:
        task.table.checked()
    constraints = [
        bind(metric, maximum, space, task.table, task.margin)
        for metric, maximum in task.limits.items()
    ]
    traded = [objective(metric, space, task.table) for metric in task.objectives]
    return SearchProblem(space, _guide(task, space), constraints, traded)


def _guide(task: SearchTask, space: SearchSpace) -> Guide:
    if task.predictor is not None:
        task.predictor.checked()
        return PredictorGuide(_load(task.predictor), task.predictor.name)
    if task.supernet is not None:
        folder = task.supernet.checked().parent
        return guide_named(f"supernet:{folder}", space, name=task.supernet.name)
    if task.benchmark is not None:
        guide = guide_named(f"benchmark:{task.benchmark}", space)
        assert isinstance(guide, BenchmarkGuide)
        _check_benchmark(guide, task)
        return guide
    raise InvalidTask("the search has no guide: a predictor, a supernet or a benchmark")


def _check_benchmark(guide: BenchmarkGuide, task: SearchTask) -> None:
    # By their content alone: another machine may keep them elsewhere.
    accepted = [file.sha256 for file in task.benchmark_files]
    if [digest(path) for path in guide.benchmark.files] != accepted:
        name = guide.benchmark.name
        raise ChangedFile(
            f"the files of the benchmark {name!r} are not those that this search was accepted with"
        )


@functools.lru_cache(maxsize=8)
def _load(reference: FileReference) -> Predictor:
    return predictor.load(Path(reference.path))


def warm_up() -> None:
    """Import what a search needs."""
    # The exports of predictor are lazy: naming them imports what loading a file would import then.
    for name in ("load", "GraphPredictor"):
        getattr(predictor, name)
