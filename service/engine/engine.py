"""The engine: has workers run the jobs that it claims, and alone records their reports."""

from __future__ import annotations

import contextlib
import logging
import queue
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from service.engine.claims import Claims
from service.engine.reports import (
    Assignment,
    Done,
    Failed,
    Handed,
    LostProcess,
    Progressed,
    Ready,
    Report,
    Stopped,
)
from service.engine.schedule import Schedule
from service.engine.worker import Needs, Worker
from service.engine.worker_pool import WorkerPool
from service.jobs import (
    MAX_WORKER_CRASHES,
    IllegalTransition,
    JobError,
    StaleAttempt,
    UnknownJob,
)
from service.operation.scratch import sweep
from service.store import Store
from service.store.postgresql import is_locked

HEARTBEAT = 2.0
"""Seconds between two heartbeats; a lease lasts for five of them."""

CANCEL_PATIENCE = 0.2
"""Seconds that a worker has to leave a cancelled job before it is killed."""

# Seconds between two rounds of checks while a cancelled worker may have to be killed.
_SHORT_TICK = 0.05

_FAULT_INTERVAL = 1.0
_STORE_RETRY_DELAY = 1.0
_LOG = logging.getLogger(__name__)

Inbox = queue.SimpleQueue["tuple[Worker | None, Report | None]"]
"""Workers and their reports; None for a worker's death, and for no worker to wake the engine."""


class Fault(Exception):
    """The ground that the workers run on is dead: the engine has to be started again."""


class Engine:
    """Runs jobs until it is stopped, in the one thread that calls `run`.

    Args:
        store: Has the jobs.
        name: Id of the engine in the store.
        inbox: Receives the reports of the workers.
        start_worker: Starts a worker with the given needs.
        room: Returns the resources that jobs may occupy together; called again and again, since a
            cluster may grow.
        fault: Returns the part of the workers' ground that is dead; None if all is well.
        num_warm: Number of workers for jobs of one core that are kept ready.
        alone: Whether a job that never fits here will fit nowhere: there is no other engine, and
            the room does not grow.
        beat: Called again and again as a sign of life.
        scratch: Folder of the attempts' temporary folders, of which nobody else has any; None if
            they are on other machines.
    """

    def __init__(
        self,
        store: Store,
        name: str,
        inbox: Inbox,
        start_worker: Callable[[Needs], Worker],
        room: Callable[[], Needs],
        fault: Callable[[], str | None] = lambda: None,
        num_warm: int = 1,
        alone: bool = True,
        beat: Callable[[], None] = lambda: None,
        scratch: Path | None = None,
    ):
        self._store = store
        self._name = name
        self._inbox = inbox
        self._room = room
        self._fault = fault
        self._beat = beat
        self._scratch = scratch
        self._pool = WorkerPool(start_worker, num_warm)

        # Not an Event: `stop` may interrupt the very thread that waits for it.
        self._stopping = False
        self._announced: tuple[str, str | None] = ("starting", None)
        self._schedule = Schedule()
        self._interruption: str | None = None
        self._claims = Claims(store, name, self._pool, alone, self._record)

        # Whether jobs may have been cancelled since the engine last looked.
        self._may_have_cancelled = False
        self._thread: int | None = None

    def stop(self) -> None:
        """Have `run` return soon; a signal handler may call it."""
        self._stopping = True
        self._inbox.put((None, None))

    def run(self) -> None:
        """Run jobs until the engine is stopped; unfinished ones are queued again.

        Raises:
            Fault: The ground that the workers run on is dead.
        """
        steps = (
            self._check_ground,
            self._send_heartbeat,
            self._end_cancelled,
            self._pool.refill,
            self._claims.claim,
            self._pool.make_way,
        )
        self._thread = threading.get_ident()
        try:
            with self._store.changes.subscribed(self._notice_change):
                while not self._stopping:
                    for step in steps:
                        self._guard(step)
                    self._handle_reports()
        except Fault as fault:
            self._interruption = str(fault)
            raise
        finally:
            self._shut_down()

    def _notice_change(self) -> None:
        """Wake the engine, since a job has changed."""
        # What it changes itself, in its own thread, gives it nothing to do.
        if threading.get_ident() != self._thread:
            self._claims.notice_change()
            self._may_have_cancelled = True
            self._inbox.put((None, None))

    def _handle_reports(self) -> None:
        """Handle the reports that have come in; wait for the first, or until checks are due."""
        with contextlib.suppress(queue.Empty):
            worker, report = self._inbox.get(timeout=self._tick())
            while True:
                if worker is not None and report is None:
                    self._guard(self._handle_death, worker)
                elif worker is not None:
                    self._guard(self._handle, worker, report)
                worker, report = self._inbox.get_nowait()

    def _tick(self) -> float:
        """Return the seconds until a regular check is due."""
        if any(worker.kill_at is not None for worker in self._pool.workers):
            return _SHORT_TICK
        return self._schedule.seconds_until("fault")

    def _guard(self, step: Callable[..., object], *arguments: Any) -> None:
        """Take a step, again while the store fails; no error except a Fault ends the engine."""
        while True:
            self._beat()
            try:
                step(*arguments)
                return
            except SQLAlchemyError as error:
                _LOG.error("the job store failed, trying again: %s", error)
                time.sleep(_STORE_RETRY_DELAY)
                if self._stopping:
                    return
                # A row that another transaction has locked must not cost the other jobs' leases.
                with contextlib.suppress(SQLAlchemyError):
                    self._send_heartbeat()
            except Fault:
                raise
            except Exception:
                _LOG.exception("the engine passed over an error")
                return

    # Regular checks

    def _check_ground(self) -> None:
        if self._schedule.is_due("fault", _FAULT_INTERVAL):
            if (fault := self._fault()) is not None:
                raise Fault(fault)
            # Read again: nodes join and leave a cluster.
            self._pool.room = self._room()

    def _send_heartbeat(self) -> None:
        if not self._schedule.is_due("heartbeat", HEARTBEAT):
            return

        held = [(held.job_id, held.attempt) for held in self._pool.assignments]
        # A job that is no longer this engine's was cancelled, or its lease expired and another
        # engine has it.
        for job_id, attempt in self._store.leases.renew(self._name, held):
            self._cancel(Assignment(job_id, attempt))

        # Every engine does it, so that the jobs of a dead one are taken over by whichever lives.
        if self._store.leases.expire(self._name, held):
            self._claims.notice_change()
        # Jobs whose agents are away are ended with what is predicted.
        if self._store.agents.end_waits():
            self._claims.notice_change()
        # Workers that were killed could not do it themselves.
        if self._scratch is not None:
            sweep(self._scratch, held)
        self._announce()

    def _end_cancelled(self) -> None:
        # Workers were requested to leave their cancelled jobs; some are inside long computations.
        self._pool.kill_late()
        if not self._may_have_cancelled:
            return

        self._may_have_cancelled = False
        if self._pool.assignments:
            for job_id, attempt in self._store.leases.cancelled(self._name):
                self._cancel(Assignment(job_id, attempt))

    def _cancel(self, assignment: Assignment) -> None:
        # The worker may have finished in the meantime.
        if (worker := self._pool.find(assignment)) is not None:
            worker.cancel(CANCEL_PATIENCE)

    def _announce(self) -> None:
        """Record the engine's state if it has changed."""
        state: tuple[str, str | None] = ("starting", None)
        if died := self._pool.failed_starts:
            state = ("fault", f"workers do not start: {died} died while starting")
        elif any(worker.ready for worker in self._pool.workers):
            state = ("ready", None)

        # A ready worker that dies is replaced at once: the engine does not start again for that.
        is_replacing = state[0] == "starting" and self._announced[0] == "ready"
        if state != self._announced and not is_replacing:
            self._store.engines.announce(self._name, *state)
            self._announced = state

    # Reports of workers

    def _handle(self, worker: Worker, report: Report) -> None:
        if isinstance(report, Ready):
            self._pool.mark_ready(worker, report)
            self._announce()
            self._claims.expect_room()
            return

        job_id = report.assignment.job_id
        attempt = report.assignment.attempt
        jobs = self._store.jobs
        if isinstance(report, Progressed):
            self._record_progress(report)
            return

        # No artifact is removed here, also not that of a report which comes too late: a write whose
        # commit was not answered is made again and then looks late, though its job is done. `gc`
        # removes what no job needs, by the state that it reads itself.
        match report:
            case Done():
                result = (report.result, report.artifact, report.progress)
                self._record(jobs.finish, job_id, attempt, *result)
            case Failed():
                self._record(jobs.fail, job_id, attempt, report.error)
            case Handed():
                needs = (report.agent, report.measuring, report.within_s, report.progress)
                self._record(jobs.hand_over, job_id, attempt, *needs)
            case LostProcess():
                self._record(self._lose, report.assignment, report.ending)
            case Stopped():
                pass

        # Not earlier: a step that the store's failure repeats must find the worker as it was.
        if worker.assignment == report.assignment:
            worker.release()

        self._claims.expect_room()

    def _record_progress(self, report: Progressed) -> None:
        assignment = report.assignment
        try:
            self._record(
                self._store.jobs.report, assignment.job_id, assignment.attempt, report.progress
            )
        except DBAPIError as error:
            # The next progress replaces it; meanwhile other jobs must not wait for the row.
            if not is_locked(error):
                raise

    def _record(self, write: Callable[..., None], *arguments: Any) -> None:
        """Write to the store; a report that comes too late is ignored."""
        try:
            write(*arguments)
        # The job was cancelled, removed or taken over while the report was on its way, or an
        # earlier try has written it though the store did not answer.
        except (IllegalTransition, StaleAttempt, UnknownJob) as late:
            _LOG.debug("a late report was ignored: %s", late)

    def _handle_death(self, worker: Worker) -> None:
        """Remove a worker that has died; its job is run again unless it has crashed too many."""
        if worker not in self._pool.workers:
            # It was ended to make room for another.
            return

        if (fault := self._fault()) is not None:
            # The worker died with its ground: its job is not to blame.
            raise Fault(fault)

        lost = worker.assignment
        # A worker that was killed for a cancelled job has crashed nothing.
        if lost is not None and worker.kill_at is None:
            _LOG.warning(
                "the worker %s %s while it ran %s", worker.pid or "", worker.ending, lost.job_id
            )
            self._record(self._lose, lost, worker.ending)

        self._pool.remove(worker)
        self._claims.expect_room()

    def _lose(self, lost: Assignment, ending: str) -> None:
        """Queue a job again whose worker died, or fail it if too many workers died."""
        jobs = self._store.jobs
        # A job that kills its workers must not be run for ever.
        if jobs.get(lost.job_id).worker_crashes + 1 < MAX_WORKER_CRASHES:
            jobs.requeue(lost.job_id, lost.attempt, crashed=True)
        else:
            error = JobError.from_crashes(ending)
            jobs.fail(lost.job_id, lost.attempt, error, crashed=True)

    # The end

    def _shut_down(self) -> None:
        """End all workers, and queue their jobs again."""
        for worker in self._pool.workers:
            worker.kill()

        try:
            for worker in self._pool.workers:
                if worker.assignment is not None and worker.kill_at is None:
                    self._record(self._give_back, worker.assignment)
            if self._stopping:
                self._store.engines.announce(self._name, "stopped", "the service was stopped")
        except SQLAlchemyError as error:
            _LOG.error("jobs remain running and will be queued at the next start: %s", error)

        self._pool.workers.clear()

    def _give_back(self, assignment: Assignment) -> None:
        jobs = self._store.jobs
        if self._interruption is None:
            jobs.requeue(assignment.job_id, assignment.attempt, crashed=False)
        else:
            # Counted, since the job may be what its ground dies of.
            jobs.interrupt(assignment.job_id, assignment.attempt, self._interruption)
