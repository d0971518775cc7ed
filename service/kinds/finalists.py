"""Finalists of a search: its best networks, among which short trainings choose."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from oneshot.retraining.short_settings import ShortTrainingSettings
from oneshot.retraining.short_training import METRICS
from oneshot.search.finalists import compare_finalists
from oneshot.search.guide_registry import guide_named
from oneshot.search.problem import SearchProblem
from oneshot.search.result import SearchResult
from oneshot.search.training_guide import ShortTrainingOptions
from oneshot.tasks.registry import default_task
from service.admission.problem import bind_problem
from service.admission.tasks import SearchTask
from service.kinds.base import Context
from spaces.files import write_text
from spaces.progress import Progress
from spaces.registry import get

_FOLDER = "trainings"

_TRAINED = "trained.json"
"""Checkpoint of the metrics of trainings that have ended."""


def comparison(
    search: SearchTask, problem: SearchProblem, context: Context, progress: Progress
) -> Callable[[SearchResult], SearchResult]:
    """Return what compares the finalists among a search's networks, in this process.

    Without finalists it returns a result as it is. Trainings that ended in an earlier attempt are
    not repeated.

    Args:
        search: The search.
        problem: Problem of the search, whose guide may name the task of the networks.
        context: Surroundings of the attempt.
        progress: Called after each training of a rung.

    Raises:
        PathfitError: The data set cannot be loaded, or does not fit the space.
    """
    finalists = search.finalists
    if finalists is None:
        return lambda result: result

    folder = context.folder / _FOLDER

    def trained(fraction: float, state: str) -> None:
        _store(folder, context)
        progress(fraction, state)

    space = get(search.space)
    options = ShortTrainingOptions(
        folder,
        ShortTrainingSettings.from_options(finalists.training),
        task=problem.guide.to_dict().get("task") or default_task(space.head),
        threads=search.threads,
        progress=trained,
    )
    guide = guide_named(f"train:{finalists.data}", space, training=options)
    _restore(folder, context)
    # Charged for costs as the guide of the search is.
    final = bind_problem(search, guide)
    return lambda result: compare_finalists(final, result, final.guide, finalists.count)


def _store(folder: Path, context: Context) -> None:
    """Store the metrics of all trainings for the attempts that may follow."""
    metrics = {
        path.relative_to(folder).as_posix(): json.loads(path.read_text(encoding="utf-8"))
        for path in sorted(folder.glob(f"*/*/{METRICS}"))
    }
    path = context.folder / _TRAINED
    write_text(path, json.dumps(metrics) + "\n")
    context.store_checkpoint(path)


def _restore(folder: Path, context: Context) -> None:
    """Write the metrics that an earlier attempt has stored, if one has."""
    path = context.folder / _TRAINED
    context.adopt_checkpoints(_TRAINED)
    if not context.restore_checkpoint(path):
        return
    for name, metrics in json.loads(path.read_text(encoding="utf-8")).items():
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        # Weights are not stored: a training that goes on from them is repeated up to there.
        write_text(target, json.dumps(metrics) + "\n")
