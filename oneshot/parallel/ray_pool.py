"""Ray below `oneshot.parallel.fanout`: actors that hold the function and take items in turn."""

from __future__ import annotations

import contextlib
import logging
import math
import os
import tempfile
from collections import deque
from collections.abc import Callable, Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from oneshot.errors import InvalidOption
from oneshot.parallel.outcome import Cancelled, Outcome, Resources

# Seconds between two looks at finished work, in which Ctrl-C is noticed.
POLL_S = 0.2
OBJECT_STORE = 2**28
"""Bytes of shared memory for objects in transit; functions and results are small."""


class Worker:
    """Ray actor that applies a function to one item after the other.

    Args:
        function: Function of one item.
    """

    def __init__(self, function: Callable[[Any], Any]):
        self.function = function

    def run(self, item: Any) -> Outcome:
        """Apply the function to an item."""
        return Outcome.from_call(self.function, item)


@dataclass
class Process:
    """Worker process.

    Args:
        actor: Ray's handle of its `Worker`.
        resources: Resources that the process occupies.
    """

    actor: Any
    resources: Resources


@dataclass(frozen=True)
class Assignment:
    """Item that a process works on.

    Args:
        index: Position of the item in the sequence of items.
        process: Process that works on it.
    """

    index: int
    process: Process


def completed(
    function: Callable[[Any], Any],
    items: Sequence[Any],
    requirements: Sequence[Resources],
    *,
    workers: int | None,
    retries: int,
    cancelled: Callable[[], bool],
    address: str | None,
) -> Generator[tuple[int, Outcome], None, None]:
    """Yield the index and the outcome of each item as soon as it is finished.

    All processes have ended once the iterator is closed.

    Args:
        function: Function of one item.
        items: Items; at least one.
        requirements: Resources that each item occupies.
        workers: Processes at a time; None: as many as the session has room for.
        retries: Number of times that an item is tried again after its process died.
        cancelled: Polled between results; once it returns true, the work ends with `Cancelled`.
        address: Address of a running Ray cluster; None: a local session.

    Raises:
        Cancelled: `cancelled` returned true.
        InvalidOption: There is no cluster at the address, or no machine has the resources.
    """
    largest = Resources(
        max(needed.cpus for needed in requirements), max(needed.gpus for needed in requirements)
    )
    with session((workers or 1) * largest.cpus, address):
        size = min(_capacity(largest), workers or len(items), len(items))
        pool = _Pool(function, items, requirements, size, retries, cancelled)
        try:
            yield from pool.outcomes()
        finally:
            pool.close()


class _Pool:
    """Processes of a session, at most `size` at a time, which share a queue of items."""

    def __init__(
        self,
        function: Callable[[Any], Any],
        items: Sequence[Any],
        requirements: Sequence[Resources],
        size: int,
        retries: int,
        cancelled: Callable[[], bool],
    ):
        import ray

        # Stored once in the session rather than sent along with every item.
        self.function = ray.put(function)
        self.items = items
        self.requirements = requirements
        self.size = size
        self.retries = retries
        self.cancelled = cancelled
        self.pending = deque(range(len(items)))
        self.crashes = [0] * len(items)
        self.idle: list[Process] = []
        self.running: dict[Any, Assignment] = {}

    def outcomes(self) -> Iterator[tuple[int, Outcome]]:
        """Yield the index and the outcome of each item as soon as it is finished."""
        import ray

        while self.pending or self.running:
            while self.pending and len(self.running) < self.size:
                self._start(self.pending.popleft())

            # The timeout lets a cancellation be noticed while all processes are busy.
            ready, _ = ray.wait(list(self.running), timeout=POLL_S)
            if self.cancelled():
                unfinished = len(self.pending) + len(self.running)
                raise Cancelled(f"cancelled with {unfinished} of {len(self.items)} to do")

            for reference in ready:
                assignment = self.running.pop(reference)
                outcome = self._outcome(reference, assignment)
                if outcome is None:
                    # In front, so that an item that kills its process fails early.
                    self.pending.appendleft(assignment.index)
                else:
                    yield assignment.index, outcome

    def _start(self, index: int) -> None:
        process = self._acquire(self.requirements[index])
        reference = process.actor.run.remote(self.items[index])
        self.running[reference] = Assignment(index, process)

    def _acquire(self, needed: Resources) -> Process:
        """Return an idle process with these resources, or start one."""
        import ray

        for process in self.idle:
            if process.resources == needed:
                self.idle.remove(process)
                return process

        # An idle process with other resources may hold the very ones that the new process needs.
        if self.idle:
            ray.kill(self.idle.pop().actor)
        actor = (
            ray.remote(Worker)
            .options(num_cpus=needed.cpus, num_gpus=needed.gpus)
            .remote(self.function)
        )
        return Process(actor, needed)

    def _outcome(self, reference: Any, assignment: Assignment) -> Outcome | None:
        """Fetch an item's outcome; None: its process died, and the item is to be tried again."""
        import ray
        from ray.exceptions import RayError, RayTaskError

        try:
            outcome: Outcome = ray.get(reference)
        except RayTaskError as error:
            # Raised outside the function, such as where its result cannot be pickled.
            return Outcome(reason=str(error).strip().splitlines()[-1])
        except RayError as error:
            self.crashes[assignment.index] += 1
            crashes = self.crashes[assignment.index]
            if crashes <= self.retries:
                return None
            return Outcome(
                reason=f"its process died {crashes} times: {str(error).strip().splitlines()[0]}"
            )

        self.idle.append(assignment.process)
        return outcome

    def close(self) -> None:
        """End all processes."""
        import ray

        busy = [assignment.process for assignment in self.running.values()]
        for process in [*self.idle, *busy]:
            # The session may have ended already.
            with contextlib.suppress(Exception):
                ray.kill(process.actor)


@contextlib.contextmanager
def session(cpus: float = 1, address: str | None = None) -> Iterator[None]:
    """Provide a Ray session within the block.

    A session that exists already is used and stays. Otherwise a cluster's is joined, or a local one
    is started that ends with the block. Several fan-outs within the block share it.

    Args:
        cpus: Least number of processor cores that a local session offers; all cores of the machine
            if these are more.
        address: Address of a running cluster; None: a local session.

    Raises:
        InvalidOption: There is no cluster at the address.
    """

    # Ray reads it when it is imported.
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray

    if ray.is_initialized():
        yield
        return

    with contextlib.ExitStack() as stack:
        options: dict[str, Any] = {"address": address}
        if address is None:
            # Short: Ray puts sockets into it, whose paths may have about 100 characters.
            parent = "/tmp" if os.path.isdir("/tmp") else None  # noqa: PTH112
            folder = stack.enter_context(
                tempfile.TemporaryDirectory("", "pf-", parent, ignore_cleanup_errors=True)
            )
            options = {
                "address": "local",
                "num_cpus": max(_cores(), math.ceil(cpus)),
                "_temp_dir": folder,
                "include_dashboard": False,
                "object_store_memory": OBJECT_STORE,
            }

        # Registered before the start, which may fail with processes running.
        stack.callback(ray.shutdown)
        try:
            ray.init(log_to_driver=False, logging_level=logging.ERROR, **options)
        except (ConnectionError, RuntimeError, ValueError, TimeoutError) as error:
            if address is None:
                raise
            raise InvalidOption(
                f"no Ray cluster at {address!r}: {str(error).splitlines()[0]}"
            ) from error

        yield


def _cores() -> int:
    # Containers and schedulers restrict the affinity; not every system reports it.
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _capacity(needed: Resources) -> int:
    """Count the items with these resources that the session can work on at a time.

    Raises:
        InvalidOption: No machine of the session has the resources.
    """
    nodes: list[dict[str, float]] = [node["Resources"] for node in _nodes() if node["Alive"]]

    # Per machine: an item cannot take its cores from one machine and its GPUs from another.
    count = sum(
        min(_quotient(node.get("CPU", 0), needed.cpus), _quotient(node.get("GPU", 0), needed.gpus))
        for node in nodes
    )
    if not count:
        largest = max(nodes, key=lambda node: (node.get("GPU", 0), node.get("CPU", 0)))
        raise InvalidOption(
            f"an item needs {needed.cpus:g} CPUs and {needed.gpus:g} GPUs; the largest machine has "
            f"{largest.get('CPU', 0):g} and {largest.get('GPU', 0):g}"
        )

    return count


def _nodes() -> list[dict[str, Any]]:
    import ray

    nodes: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    return nodes


def _quotient(offered: float, needed: float) -> int:
    # Unlimited where an item needs none of a resource.
    return int(offered // needed) if needed else 2**31
