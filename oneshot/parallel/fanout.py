"""Fan-out: one function over many items, in this process or in many.

The processes run on one machine or on a cluster (Ray).
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

# Times that work is repeated after its process ended.
RETRIES = 2


@dataclass(frozen=True)
class Fanout(Generic[Item, Result]):
    """Application of a function to many items.

    The function is sent to each process once and called there for one item after the other.
    Attributes that a callable object sets, such as a network that it has loaded, therefore serve
    all items of its process.

    Args:
        function: Function of one item. For `ray` the function, the items and the results must be
            picklable.
        engine: `local` (this process) or `ray`.
        workers: Processes at a time; None: as many as the machines have room for. `local` has one.
        resources: Resources that every item occupies, or a function from an item to its resources.
        name: Function from an item to its name in errors.
        cancelled: Polled between items; once it returns true, the work ends with `Cancelled`.
        address: Address of a running Ray cluster; None: a local one for the duration of the work.
        retries: Number of times that an item is tried again after its process died.

    Raises:
        InvalidOption: The engine does not exist, or cannot have so many processes.
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
        """Return the resources that an item occupies."""
        return self.resources if isinstance(self.resources, Resources) else self.resources(item)

    def completed(self, items: Sequence[Item]) -> Generator[tuple[int, Result], None, None]:
        """Yield the index and the result of each item as soon as it is finished.

        Args:
            items: Items that the function is applied to.

        Raises:
            ItemFailed: An item failed; items in progress are abandoned.
            Cancelled: `cancelled` returned true.
        """

        # Closed at once, not when the garbage is collected: processes must not outlive the work.
        with closing(self._outcomes(items)) as outcomes:
            for index, outcome in outcomes:
                if outcome.reason is not None:
                    raise ItemFailed(self.name(items[index]), outcome.reason, outcome.details)
                yield index, outcome.value

    def ordered(self, items: Sequence[Item]) -> Generator[Result, None, None]:
        """Yield the results in the order of the items, each as soon as its predecessors are done.

        Args:
            items: Items that the function is applied to.

        Raises:
            ItemFailed: An item failed; items in progress are abandoned.
            Cancelled: `cancelled` returned true.
        """

        # Results that wait for an earlier item.
        early: dict[int, Result] = {}
        following = 0
        with closing(self.completed(items)) as results:
            for index, result in results:
                early[index] = result
                while following in early:
                    yield early.pop(following)
                    following += 1

    def _outcomes(self, items: Sequence[Item]) -> Generator[tuple[int, Outcome], None, None]:
        if self.engine == "local" or not items:
            return self._local_outcomes(items)

        # Imported here: Ray is an optional dependency, and slow to import.
        from oneshot.parallel import ray_pool

        return ray_pool.completed(
            self.function,
            items,
            [self.required(item) for item in items],
            workers=self.workers,
            retries=self.retries,
            cancelled=self.cancelled,
            address=self.address,
        )

    def _local_outcomes(self, items: Sequence[Item]) -> Generator[tuple[int, Outcome], None, None]:
        for index, item in enumerate(items):
            if self.cancelled():
                raise Cancelled(f"cancelled after {index} of {len(items)}")
            yield index, Outcome.from_call(self.function, item)


def map(  # noqa: A001 (the public name)
    function: Callable[[Item], Result],
    items: Sequence[Item],
    *,
    progress: Progress = silent,
    **options: Any,
) -> list[Result]:
    """Return the function's results in the order of the items.

    Args:
        function: Function of one item.
        items: Items that it is applied to.
        progress: Called with the fraction done after every result.
        options: Fields of `Fanout`.

    Raises:
        ItemFailed: An item failed; the error has its name.
        Cancelled: `cancelled` returned true.
        InvalidOption: The engine does not exist, or cannot have so many processes.

    Example:
        >>> from oneshot.parallel import fanout
        >>> fanout.map(lambda number: number**2, [1, 2, 3])
        [1, 4, 9]
    """
    results: dict[int, Result] = {}
    with closing(Fanout(function, **options).completed(items)) as completed:
        for index, result in completed:
            results[index] = result
            progress(len(results) / len(items), f"{len(results)}/{len(items)}")
    return [results[index] for index in range(len(items))]
