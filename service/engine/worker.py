"""`python -m service.engine.worker`: runs searches one after the other for the engine that started it.

It reads JSON lines from standard input (`{"run": task, "job": id, "attempt": n, "artifact": path}`,
`{"cancel": id, "attempt": n}`) and writes JSON lines to what was its standard output. It ends when its input ends,
so none outlives its engine, however that died.
"""

from __future__ import annotations

import argparse
import json
import os
import queue
import signal
import sys
import threading
import time
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from spaces.errors import PathfitError

if TYPE_CHECKING:
    from oneshot.result import SearchResult

PROGRESS_INTERVAL = 0.1


class Cancelled(Exception):
    """The job at hand is no longer wanted."""


class Worker:
    """Runs what comes in and reports.

    Args:
        reports: where JSON lines go.
    """

    def __init__(self, reports: IO[str]):
        self.reports = reports
        self.work: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        self.cancelled: set[tuple[str, int]] = set()

    def listen(self, lines: IO[str]) -> None:
        """Take orders until `lines` ends, then end this process."""
        for line in lines:
            order = json.loads(line)
            if "cancel" in order:
                self.cancelled.add((order["cancel"], order["attempt"]))
            else:
                self.work.put(order)
        os._exit(0)

    def serve(self) -> None:
        """Run jobs for ever."""
        self.report({"event": "ready"})
        while True:
            order = self.work.get()
            head = {"job": order["job"], "attempt": order["attempt"]}
            self.report({**head, **self.run(order)})

    def run(self, order: dict[str, Any]) -> dict[str, Any]:
        """Run one job; the last report on it."""
        from service.task import SearchTask

        try:
            task = SearchTask.from_dict(order["run"])
            result = self.search(task, order["job"], order["attempt"])
            return {"event": "done", "result": publish(result, task.count, Path(order["artifact"]))}
        except Cancelled:
            return {"event": "cancelled"}
        except PathfitError as error:
            return {"event": "failed", "error": {"kind": type(error).__name__, "detail": str(error)}}
        except Exception as error:  # whatever a job does, the worker lives and tells
            sys.excepthook(*sys.exc_info())
            return {"event": "failed", "error": {"kind": type(error).__name__, "detail": f"internal error: {error}"}}

    def search(self, task: Any, job: str, attempt: int) -> SearchResult:
        """Search as the task says, reporting progress."""
        from oneshot.search_loop import search
        from service.engine.problem import problem_of

        told = 0.0

        def progress(evaluated: int, planned: int, best: float) -> None:
            nonlocal told
            if (job, attempt) in self.cancelled:
                raise Cancelled
            if time.monotonic() - told >= PROGRESS_INTERVAL or evaluated >= planned:
                told = time.monotonic()
                numbers = {"evaluated": evaluated, "planned": planned, "best": best}
                self.report({"event": "progress", "job": job, "attempt": attempt, "progress": numbers})

        return search(problem_of(task), task.strategy, options=task.options, seed=task.seed, progress=progress)

    def report(self, event: dict[str, Any]) -> None:
        """Tell the engine; end this process where nobody listens."""
        try:
            self.reports.write(json.dumps(event) + "\n")
            self.reports.flush()
        except BrokenPipeError:
            os._exit(0)


def publish(result: SearchResult, count: int, artifact: Path) -> dict[str, Any]:
    """Write the full result to a file of its attempt; gives it without the candidates, which only the file has."""
    from spaces.files import write_text

    value = result.to_dict(count)
    write_text(artifact, json.dumps(value, allow_nan=False) + "\n")
    del value["candidates"]
    return value


def main() -> None:
    """Start a worker; the engine calls this."""
    parser = argparse.ArgumentParser(description="Runs searches for the service that started it.")
    parser.add_argument("--threads", type=int, default=1)
    threads = parser.parse_args().threads
    # Ctrl-C reaches the whole group of processes: the engine decides what ends, and how.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # What a library prints must not mix with the reports.
    reports = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    worker = Worker(reports)
    threading.Thread(target=worker.listen, args=(sys.stdin,), daemon=True).start()
    from service.engine.problem import warm_up

    warm_up(threads)
    worker.serve()


if __name__ == "__main__":
    main()
