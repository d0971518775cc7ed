"""Tasks: what networks are trained for, with their losses, metrics and confidence intervals."""

from typing import TYPE_CHECKING

from spaces.lazy import exports

if TYPE_CHECKING:
    from oneshot.data.padded import Padded as Padded
    from oneshot.tasks.classification import Classification as Classification
    from oneshot.tasks.language import Language as Language
    from oneshot.tasks.registry import register_task as register_task
    from oneshot.tasks.tally import MeanTally as MeanTally
    from oneshot.tasks.tally import Tally as Tally
    from oneshot.tasks.task import Task as Task

__all__ = ["Classification", "Language", "MeanTally", "Padded", "Tally", "Task", "register_task"]

__getattr__, __dir__ = exports(
    __name__,
    {
        "Classification": ".classification",
        "Language": ".language",
        "MeanTally": ".tally",
        "Padded": "..data.padded",
        "Tally": ".tally",
        "Task": ".task",
        "register_task": ".registry",
    },
)
