"""ProcessEngine: runs jobs in worker processes of our own, kept warm, and outlives their deaths."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from service.engine.process import Assignment, WorkerProcess
from service.jobs import IllegalTransition, StaleAttempt, UnknownJob
from service.store import Store

MOST_DEATHS = 3
"""Workers that may die on a job before it counts as failed."""

_TICK = 0.1
_CANCEL_PATIENCE = 0.2
_SLOWEST_RESTART = 5.0
_LOG = logging.getLogger(__name__)


class ProcessEngine:
    """An Engine of `workers` processes; one thread of it, and nothing else, writes the store.

    Args:
        store: the jobs.
        results: folder of full results.
        workers: jobs that run at once.
        threads: that each may use; results may depend on it in the last digit, so it is no matter of the machine.
    """

    def __init__(self, store: Store, results: Path, workers: int = 1, threads: int = 1):
        self._store, self._results, self._count, self._threads = store, results, workers, threads
        self._inbox: queue.SimpleQueue[tuple[WorkerProcess | None, dict[str, Any] | None]] = queue.SimpleQueue()
        self._workers: list[WorkerProcess] = []
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._failed_starts = 0
        self._next_start = 0.0

    # The Engine protocol; called from any thread

    def start(self) -> None:
        """Queue again what a dead service left running, and begin to work."""
        self._results.mkdir(parents=True, exist_ok=True)
        for half in self._results.glob(".*.part"):
            half.unlink(missing_ok=True)
        self._store.recover()
        self._thread = threading.Thread(target=self._run, name="engine", daemon=True)
        self._thread.start()

    def notify(self) -> None:
        """Learn that a job was queued."""
        self._inbox.put((None, None))

    def cancel(self, job_id: str) -> None:
        """Stop working on a job that the store has as cancelled, within half a second."""
        self._inbox.put((None, {"event": "cancel", "job": job_id}))

    def fault(self) -> str | None:
        """Why the engine cannot work at present, None where it can."""
        if self._thread is None or not self._thread.is_alive():
            return "the engine does not run"
        if self._failed_starts:
            return f"workers do not start: {self._failed_starts} died while starting"
        return None

    def stop(self) -> None:
        """Stop at once, leaving unfinished jobs queued; may be called twice."""
        self._stopping.set()
        self.notify()
        if self._thread is not None:
            self._thread.join()

    # The engine's thread

    def _run(self) -> None:
        while not self._stopping.is_set():
            self._guarded(self._refill)
            self._guarded(self._assign)
            try:
                worker, report = self._inbox.get(timeout=_TICK)
            except queue.Empty:
                continue
            finally:
                self._kill_late()
            self._guarded(self._handle, worker, report)
        self._shut_down()

    def _guarded(self, step: Callable[..., object], *arguments: Any) -> None:
        """Take a step; where the store fails, try it again in a while: the engine lives on."""
        while True:
            try:
                step(*arguments)
                return
            except SQLAlchemyError as error:
                _LOG.error("the job store failed, trying again: %s", error)
                if self._stopping.wait(1.0):
                    return
            except Exception:
                _LOG.exception("the engine passed over an error")
                return

    def _refill(self) -> None:
        if len(self._workers) == self._count or time.monotonic() < self._next_start:
            return
        try:
            self._workers.append(WorkerProcess(self._threads, lambda worker, report: self._inbox.put((worker, report))))
        except OSError as error:
            _LOG.error("cannot start a worker: %s", error)
            self._start_later()

    def _start_later(self) -> None:
        self._failed_starts += 1
        self._next_start = time.monotonic() + min(2.0 ** (self._failed_starts - 1), _SLOWEST_RESTART)

    def _assign(self) -> None:
        for worker in self._workers:
            if worker.idle and (job := self._store.claim()) is not None:
                worker.run(job, str(self._results / f"{job.id}.{job.attempt}.json"))

    def _kill_late(self) -> None:
        for worker in self._workers:
            if worker.kill_at is not None and time.monotonic() >= worker.kill_at:
                worker.kill()

    def _handle(self, worker: WorkerProcess | None, report: dict[str, Any] | None) -> None:
        if worker is not None and report is None:
            self._bury(worker)
        elif worker is not None and report is not None:
            self._hear(worker, report)
        elif report is not None:
            for busy in self._workers:
                if busy.assignment is not None and busy.assignment.job_id == report["job"]:
                    busy.cancel(_CANCEL_PATIENCE)

    def _hear(self, worker: WorkerProcess, report: dict[str, Any]) -> None:
        event = report["event"]
        if event == "ready":
            worker.ready, self._failed_starts = True, 0
            return
        job_id, attempt = report["job"], report["attempt"]
        if event == "progress":
            self._record(self._store.report, job_id, attempt, report["progress"])
            return
        if event == "done":
            artifact = f"{job_id}.{attempt}.json"
            if not self._record(self._store.finish, job_id, attempt, report["result"], artifact):
                (self._results / artifact).unlink(missing_ok=True)
        elif event == "failed":
            self._record(self._store.fail, job_id, attempt, report["error"])
        # Only now: a step that the store's failure repeats must find the worker as it was.
        worker.free()

    def _record(self, write: Callable[..., None], *arguments: Any) -> bool:
        """Write to the store; a report that came too late to count is left out."""
        try:
            write(*arguments)
        except (IllegalTransition, StaleAttempt, UnknownJob) as late:
            _LOG.debug("a late report was left out: %s", late)
            return False
        return True

    def _bury(self, worker: WorkerProcess) -> None:
        """A worker has died: its job is run again, unless it has cost too many."""
        ending = worker.ending()
        if worker.assignment is not None and worker.kill_at is None:
            _LOG.warning("the worker %s %s while it ran %s", worker.pid, ending, worker.assignment.job_id)
            self._record(self._lose, worker.assignment, ending)
        if not worker.ready:
            self._start_later()
        self._workers.remove(worker)
        worker.close()

    def _lose(self, lost: Assignment, ending: str) -> None:
        if self._store.get(lost.job_id).deaths + 1 < MOST_DEATHS:
            self._store.requeue(lost.job_id, lost.attempt, died=True)
            return
        error = {"kind": "WorkerDied", "detail": f"{MOST_DEATHS} workers died on it; the last one {ending}"}
        self._store.fail(lost.job_id, lost.attempt, error, died=True)

    def _shut_down(self) -> None:
        for worker in self._workers:
            worker.kill()
        for worker in self._workers:
            if worker.assignment is not None and worker.kill_at is None:
                try:
                    self._record(self._give_back, worker.assignment)
                except SQLAlchemyError as error:
                    _LOG.error("a job is left as running and will be queued at the next start: %s", error)
            worker.close()
        self._workers.clear()

    def _give_back(self, left: Assignment) -> None:
        self._store.requeue(left.job_id, left.attempt, died=False)
