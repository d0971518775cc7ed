"""Ray underneath `oneshot.parallel.fanout`: processes that each hold the function and take one item
after the other.
"""

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
from oneshot.parallel.fanout import Fanout
from oneshot.parallel.outcome import Cancelled, Outcome, Resources

POLL_S = 0.2
OBJECT_STORE = 2**28
"""Bytes of shared memory for what is sent; functions and results are small."""


class Worker:
    """Runs in a process of its own.

    Args:
        function: of one item.
    """

    def __init__(self, function: Callable[[Any], Any]):
        self.function = function

    def run(self, item: Any) -> Outcome:
        """The function of an item."""
        return Outcome.of(self.function, item)


@dataclass
class Process:
    """A process that may work on an item.

    Args:
        actor: Ray's handle.
        resources: what it occupies.
    """

    actor: Any
    resources: Resources


@dataclass(frozen=True)
class Task:
    """An item in work.

    Args:
        place: of the item.
        process: that works on it.
    """

    place: int
    process: Process


def completed(
    fanout: Fanout[Any, Any], items: Sequence[Any]
) -> Generator[tuple[int, Outcome], None, None]:
    """Place and outcome of each item as they come; all processes are gone when the iterator is
    closed.
    """
    needs = [fanout.required(item) for item in items]
    largest = Resources(max(need.cpus for need in needs), max(need.gpus for need in needs))
    with session((fanout.workers or 1) * largest.cpus, fanout.address):
        count = min(_room(largest), fanout.workers or len(items), len(items))
        pool = _Pool(fanout, items, needs, count)
        try:
            yield from pool.outcomes()
        finally:
            pool.close()


class _Pool:
    """Gives items to processes and takes their outcomes."""

    def __init__(
        self, fanout: Fanout[Any, Any], items: Sequence[Any], needs: Sequence[Resources], count: int
    ):
        import ray

        self.fanout, self.items, self.needs, self.count = fanout, items, needs, count
        self.function = ray.put(fanout.function)
        self.waiting = deque(range(len(items)))
        self.deaths = [0] * len(items)
        self.idle: list[Process] = []
        self.working: dict[Any, Task] = {}

    def outcomes(self) -> Iterator[tuple[int, Outcome]]:
        """Place and outcome of each item, as they come."""
        import ray

        while self.waiting or self.working:
            while self.waiting and len(self.working) < self.count:
                self._start(self.waiting.popleft())
            ready, _ = ray.wait(list(self.working), timeout=POLL_S)
            if self.fanout.cancelled():
                raise Cancelled(
                    f"cancelled with {len(self.waiting) + len(self.working)} of {len(self.items)}"
                    " to do"
                )
            for reference in ready:
                task = self.working.pop(reference)
                outcome = self._outcome(reference, task)
                if outcome is None:
                    self.waiting.appendleft(task.place)
                else:
                    yield task.place, outcome

    def _start(self, place: int) -> None:
        process = self._process(self.needs[place])
        self.working[process.actor.run.remote(self.items[place])] = Task(place, process)

    def _process(self, needed: Resources) -> Process:
        import ray

        for process in self.idle:
            if process.resources == needed:
                self.idle.remove(process)
                return process
        if self.idle:  # of other resources, which may be those that are needed
            ray.kill(self.idle.pop().actor)
        actor = (
            ray.remote(Worker)
            .options(num_cpus=needed.cpus, num_gpus=needed.gpus)
            .remote(self.function)
        )
        return Process(actor, needed)

    def _outcome(self, reference: Any, task: Task) -> Outcome | None:
        """What became of an item; None: its process died, and it is to be tried again."""
        import ray
        from ray.exceptions import RayError, RayTaskError

        try:
            outcome: Outcome = ray.get(reference)
        except RayTaskError as error:
            reason: str = str(error).strip().splitlines()[-1]
        except RayError as error:
            self.deaths[task.place] += 1
            if self.deaths[task.place] <= self.fanout.retries:
                return None
            died = f"its process died {self.deaths[task.place]} times"
            reason = f"{died}: {str(error).strip().splitlines()[0]}"
        else:
            self.idle.append(task.process)
            return outcome
        return Outcome(reason=reason)

    def close(self) -> None:
        """End all processes."""
        import ray

        for process in [*self.idle, *(task.process for task in self.working.values())]:
            with contextlib.suppress(Exception):  # the session may be gone already
                ray.kill(process.actor)


@contextlib.contextmanager
def session(cpus: float = 1, address: str | None = None) -> Iterator[None]:
    """A session of Ray: the one that is there, a cluster's, or one of this machine's own that ends
    with the block.

    Several fan-outs within the block share it.

    Args:
        cpus: that a session of its own offers at least; all cores of the machine if these are more.
        address: of a running cluster.

    Raises:
        InvalidOption: there is no cluster at the address.
    """
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"  # read when ray is imported
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
            }
            options |= {"include_dashboard": False, "object_store_memory": OBJECT_STORE}
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
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _room(needed: Resources) -> int:
    """How many items of these resources the session can work on at a time.

    Raises:
        InvalidOption: none.
    """
    nodes: list[dict[str, float]] = [node["Resources"] for node in _nodes() if node["Alive"]]
    count = sum(
        min(_times(node.get("CPU", 0), needed.cpus), _times(node.get("GPU", 0), needed.gpus))
        for node in nodes
    )
    if not count:
        offered = max(nodes, key=lambda node: (node.get("GPU", 0), node.get("CPU", 0)))
        raise InvalidOption(
            f"an item needs {needed.cpus:g} CPUs and {needed.gpus:g} GPUs; the largest machine has "
            f"{offered.get('CPU', 0):g} and {offered.get('GPU', 0):g}"
        )
    return count


def _nodes() -> list[dict[str, Any]]:
    import ray

    found: list[dict[str, Any]] = ray.nodes()  # type: ignore[no-untyped-call]
    return found


def _times(offered: float, needed: float) -> int:
    return int(offered // needed) if needed else 2**31
