"""From an accepted task to a problem that can be searched; the parts are kept between jobs."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import torch

import predictor
from oneshot.guide import PredictorGuide
from oneshot.problem import SearchProblem
from service.catalog import FileReference
from service.task import SearchTask, bind
from spaces.registry import get

if TYPE_CHECKING:
    from predictor.base import Predictor


def warm_up(threads: int) -> None:
    """Import what a search needs, and have torch use `threads`."""
    # The exports of predictor are lazy: naming them imports what loading a file would import then.
    for name in ("load", "GraphPredictor"):
        getattr(predictor, name)
    torch.set_num_threads(threads)


def problem_of(task: SearchTask) -> SearchProblem:
    """The problem of a task.

    Raises:
        ChangedFile: the table or the predictor is not what the task was accepted with.
        PathfitError: one of them cannot be read.
    """
    space = get(task.space)
    if task.table is not None:
        task.table.checked()
    task.predictor.checked()
    guide = PredictorGuide(_load(task.predictor), task.predictor.name)
    constraints = [bind(metric, maximum, space, task.table, task.margin) for metric, maximum in task.limits.items()]
    return SearchProblem(space, guide, constraints)


@functools.lru_cache(maxsize=8)
def _load(reference: FileReference) -> Predictor:
    return predictor.load(reference.path)
