"""Tasks by name, each with its options."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypeVar

from oneshot.errors import InvalidOption
from spaces.plugins import Registry
from tables.metrics import QUALITIES

if TYPE_CHECKING:
    from oneshot.tasks.task import Task
    from spaces.architecture import Architecture
    from spaces.space import SearchSpace
    from tables.metrics import Metric

DEFAULT = "classification"
"""Task where none is named, and of runs and evaluations that record none."""

_OF_HEADS = {"boxes": "detection", "mask": "segmentation", "tokens": "language"}

TASKS = Registry["type[Task]"](
    "task",
    "pathfit.tasks",
    {
        DEFAULT: "oneshot.tasks.classification:Classification",
        "language": "oneshot.tasks.language:Language",
        "detection": "oneshot.tasks.detection.task:Detection",
        "segmentation": "oneshot.tasks.segmentation:Segmentation",
    },
    invalid=InvalidOption,
)
"""Name -> class of the task."""

T = TypeVar("T", bound="type[Task]")


def register_task(name: str) -> Callable[[T], T]:
    """Return a decorator that registers a Task class.

    Args:
        name: Name that `--task` then accepts; it can be taken once.

    Example:
        >>> from oneshot.tasks import Classification
        >>> from oneshot.tasks.registry import TASKS
        >>> with TASKS.preserved():
        ...     @register_task("sorting")
        ...     class Sorting(Classification):
        ...         pass
        ...     "sorting" in TASKS
        True
    """

    def register(cls: T) -> T:
        # First: it raises if the name is taken, before the class is changed.
        TASKS.add(name, cls)
        cls.name = name
        return cls

    return register


def make_task(
    text: str, space: SearchSpace | None = None, architecture: Architecture | None = None
) -> Task:
    """Make a task from its name with options, such as `classification`.

    Args:
        text: Name, with options in parentheses or without.
        space: Space whose networks the task trains or evaluates; None: unknown.
        architecture: Architecture of the only network, where there is one.

    Raises:
        UnknownName: There is no such task.
        InvalidOption: An option is not accepted, or the space lacks the task's head.
    """
    task: Task = TASKS.make(text)
    if space is not None and space.head != task.head:
        raise InvalidOption(
            f"task {text!r} needs networks with the head {task.head!r}; those of {space.name} have"
            f" {space.head!r}"
        )
    return task if space is None else task.bound(space, architecture)


def default_task(head: str) -> str:
    """Return the name of the task of networks with a head, where no other one is named.

    Args:
        head: Head of the networks; `SearchSpace.head` is that of a space.

    Example:
        >>> default_task("boxes"), default_task("classes")
        ('detection', 'classification')
    """
    return _OF_HEADS.get(head, DEFAULT)


def canonical(text: str) -> str:
    """Return a task's name with its options in one spelling, as runs record it.

    Raises:
        UnknownName: There is no such task.
        InvalidOption: An option is not accepted.

    Example:
        >>> canonical("classification()")
        'classification'
    """
    name, options = TASKS.parse(text)
    TASKS.check(name, options)
    return name + _in_parentheses(options)


def metrics_of(text: str) -> Mapping[str, Metric]:
    """Return the metrics of a task, the first of which is its score.

    Args:
        text: Name of the task, with options in parentheses or without.

    Raises:
        UnknownName: There is no such task.
        InvalidOption: An option is not accepted.

    Example:
        >>> list(metrics_of("classification"))
        ['cross_entropy', 'top1', 'top5']
    """
    # Known without torch, which the service's web process does without.
    if text == DEFAULT:
        return QUALITIES
    return make_task(text).metrics


def with_task(source: Mapping[str, Any]) -> dict[str, Any]:
    """Return an evaluation's source with its task, which older classifications do not record."""
    return {"task": DEFAULT, **source}


def _in_parentheses(options: Mapping[str, Any]) -> str:
    if not options:
        return ""
    return f"({', '.join(f'{name}={options[name]!r}' for name in sorted(options))})"
