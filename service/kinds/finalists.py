"""Finalists of a search: its best networks, among which short trainings choose."""

from __future__ import annotations

from pathlib import Path

from oneshot.retraining.short_settings import ShortTrainingSettings
from oneshot.search.guide_registry import guide_named
from oneshot.search.problem import SearchProblem
from oneshot.search.training_guide import ShortTrainingOptions
from oneshot.tasks.registry import default_task
from service.admission.problem import bind_problem
from service.admission.tasks import FinalistsTask, SearchTask
from spaces.progress import Progress
from spaces.registry import get


def final_problem(
    search: SearchTask,
    finalists: FinalistsTask,
    problem: SearchProblem,
    folder: Path,
    progress: Progress,
) -> SearchProblem:
    """Return the problem of a search's finalists, whose guide trains them in this process.

    Args:
        search: The search.
        finalists: Its finalists.
        problem: Problem of the search, whose guide may name the task of the networks.
        folder: Folder of the trainings.
        progress: Called after each training of a rung.

    Raises:
        PathfitError: The data set cannot be loaded, or does not fit the space.
    """
    space = get(search.space)
    options = ShortTrainingOptions(
        folder,
        ShortTrainingSettings.from_options(finalists.training),
        task=problem.guide.to_dict().get("task") or default_task(space.head),
        threads=search.threads,
        progress=progress,
    )
    guide = guide_named(f"train:{finalists.data}", space, training=options)
    # Charged for costs as the guide of the search is.
    return bind_problem(search, guide)
