"""Fan-out: one function over many items, in this process or in many on one machine or a cluster
(Ray).
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from oneshot.errors import InvalidOption
from oneshot.parallel.outcome import Cancelled, ItemFailed, Outcome, Resources
from spaces.progress import Progress, silent

Item = TypeVar("Item")


Result = TypeVar("Result")


ENGINES = ("local", "ray")


RETRIES = 2


@dataclass(frozen=True)
class Fanout(Generic[Item, Result]):
    """How a function is applied to many items.

    A function is sent to each process once and called there for one item after the other: what it
    keeps (attributes of a callable object, say a network it has loaded) serves all of them.

    Args:
        function: of one item; for `ray` it can be pickled, as can items and results.
        engine: `local` (this process) or `ray`.
        workers: processes at a time; None: as many as there is room for. `local` has one.
        resources: what every item occupies, or a function of the item.
        name: what an item is called in errors.
        cancelled: asked again and again; once it is true, the work ends with `Cancelled`.
        address: of a running Ray cluster; None: one of this machine's own, for as long as the work
            takes.
        retries: how often an item is tried again whose process died.

    Raises:
        InvalidOption: the engine does not exist, or there can be no such processes.
    """

    function: Callable[[Item], Result]
    engine: str = "local"
    workers: int | None = None
    resources: Resources | Callable[[Item], Resources] = Resources()  # noqa: RUF009 -- frozen
    name: Callable[[Item], str] = str
    cancelled: Callable[[], bool] = lambda: False
    address: str | None = None
    retries: int = RETRIES

    def __post_init__(self) -> None:
        if self.engine not in ENGINES:
            raise InvalidOption(f"engine must be one of {', '.join(ENGINES)}, not {self.engine!r}")
        if self.workers is not None and self.workers < 1:
            raise InvalidOption(f"workers must be at least 1, not {self.workers}")
        if self.engine == "local" and (self.workers or 1) > 1:
            raise InvalidOption(
                f"the engine local is one process, not {self.workers}; take the engine ray for more"
            )

    def required(self, item: Item) -> Resources:
        """What an item occupies."""
        return self.resources if isinstance(self.resources, Resources) else self.resources(item)

    def completed(self, items: Sequence[Item]) -> Generator[tuple[int, Result], None, None]:
        """Place and result of each item, as they come.

        Raises:
            ItemFailed: an item failed; those in work are given up.
            Cancelled: as asked.
        """
        if self.engine == "ray" and items:
            from oneshot.parallel.ray_pool import completed

            outcomes = completed(self, items)
        else:
            outcomes = self._here(items)
        # Closed at once, and not when the garbage is collected: processes must not outlive the
        # work.
        with closing(outcomes):
            for place, outcome in outcomes:
                if outcome.reason is not None:
                    raise ItemFailed(self.name(items[place]), outcome.reason, outcome.details)
                yield place, outcome.value

    def ordered(self, items: Sequence[Item]) -> Generator[Result, None, None]:
        """The results in the order of the items, each as soon as those before it are there; raises
        as `completed`.
        """
        early: dict[int, Result] = {}
        following = 0
        with closing(self.completed(items)) as results:
            for place, result in results:
                early[place] = result
                while following in early:
                    yield early.pop(following)
                    following += 1

    def _here(self, items: Sequence[Item]) -> Generator[tuple[int, Outcome], None, None]:
        for place, item in enumerate(items):
            if self.cancelled():
                raise Cancelled(f"cancelled after {place} of {len(items)}")
            yield place, Outcome.of(self.function, item)


def map(  # noqa: A001 (the public name)
    function: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    progress: Progress = silent,
    **options: Any,
) -> list[Result]:
    """The function's results, in the order of the items.

    Args:
        function: of one item.
        items: what it is applied to.
        progress: called with the share that is done after every result.
        options: of `Fanout`.

    Raises:
        ItemFailed: an item failed; it is named.
        Cancelled: as asked.
        InvalidOption: the engine does not exist, or there can be no such processes.
    """
    results: dict[int, Result] = {}
    with closing(Fanout(function, **options).completed(items)) as completed:
        for place, result in completed:
            results[place] = result
            progress(len(results) / len(items), f"{len(results)}/{len(items)}")
    return [results[place] for place in range(len(items))]
