"""Engine: claims jobs, has workers run them, and alone writes what becomes of them."""

from __future__ import annotations

import contextlib
import logging
import queue
import time
from collections.abc import Callable
from typing import Any

from sqlalchemy.exc import SQLAlchemyError

from service.artifacts import ArtifactFailed, Artifacts
from service.engine.worker import Assignment, Needs, Worker
from service.engine.worker_pool import Crew
from service.jobs import MAX_WORKER_CRASHES, IllegalTransition, JobState, StaleAttempt, UnknownJob
from service.store import Store

HEARTBEAT = 2.0
"""Seconds between two words to the store; a lease lasts for five of them."""

CANCEL_PATIENCE = 0.2
"""Seconds that a job gets to end by itself once it is cancelled."""

_TICK = 0.05
_LOOK = 0.1
_IDLE_CLAIM = 1.0
_LOG = logging.getLogger(__name__)

Inbox = queue.SimpleQueue["tuple[Worker | None, dict[str, Any] | None]"]


class Fault(Exception):
    """What the workers run on is dead: the engine has to be started anew."""


class Engine:
    """Runs jobs until it is stopped; its one thread is the caller of `run`.

    Args:
        store: the jobs.
        artifacts: where workers put files.
        name: the engine's id in the store.
        inbox: what workers report to, as pairs of worker and report, None for a death.
        make_worker: starts one.
        room: what may be occupied in all; asked now and then, for a cluster may grow.
        fault: what of the ground below the workers is dead.
        warm: workers for jobs of one core that are kept ready.
        alone: whether no other engine, and no larger room, may come for jobs that do not fit.
    """

    def __init__(
        self,
        store: Store,
        artifacts: Artifacts,
        name: str,
        inbox: Inbox,
        make_worker: Callable[[Needs], Worker],
        room: Callable[[], Needs],
        fault: Callable[[], str | None] = lambda: None,
        warm: int = 1,
        alone: bool = True,
    ):
        self._store, self._artifacts, self._name, self._inbox = store, artifacts, name, inbox
        self._room, self._fault, self._alone = room, fault, alone
        self._crew = Crew(make_worker, warm)
        self._stopping = False  # no Event: `stop` may interrupt the very thread that waits for it
        self._state: tuple[str, str | None] = ("starting", None)
        self._due: dict[str, float] = {}
        self._passed_over: object = None

    def stop(self) -> None:
        """Have `run` return soon; may be called from a handler of signals."""
        self._stopping = True
        self._inbox.put((None, None))

    def run(self) -> None:
        """Work until told to stop, and leave unfinished jobs queued; raises Fault."""
        try:
            while not self._stopping:
                crew = (self._crew.refill, self._assign, self._crew.make_way)
                for step in (self._check, self._beat, self._look, *crew):
                    self._guarded(step)
                self._drain()
        finally:
            self._shut_down()

    def _drain(self) -> None:
        """Handle what has come in; wait for it a moment where nothing has."""
        with contextlib.suppress(queue.Empty):
            worker, report = self._inbox.get(timeout=_TICK)
            while True:
                if worker is not None:
                    self._guarded(
                        self._bury if report is None else self._hear,
                        worker,
                        *([report] if report else []),
                    )
                worker, report = self._inbox.get_nowait()

    def _guarded(self, step: Callable[..., object], *arguments: Any) -> None:
        """Take a step; where the store fails, try it again in a while: the engine lives on."""
        while True:
            try:
                step(*arguments)
                return
            except SQLAlchemyError as error:
                _LOG.error("the job store failed, trying again: %s", error)
                time.sleep(1.0)
                if self._stopping:
                    return
            except Fault:
                raise
            except Exception:
                _LOG.exception("the engine passed over an error")
                return

    def _is_due(self, what: str, interval: float) -> bool:
        now = time.monotonic()
        if now < self._due.get(what, 0.0):
            return False
        self._due[what] = now + interval
        return True

    # Looking around

    def _check(self) -> None:
        if self._is_due("fault", 1.0):
            if (fault := self._fault()) is not None:
                raise Fault(fault)
            self._crew.room = self._room()

    def _beat(self) -> None:
        if not self._is_due("heartbeat", HEARTBEAT):
            return
        for job_id, attempt in self._store.leases.renew(self._name, self._crew.held):
            self._leave(job_id, attempt)
        self._store.leases.expire()
        self._announce()

    def _look(self) -> None:
        self._crew.kill_late()
        if self._crew.held and self._is_due("cancelled", _LOOK):
            for job_id, attempt in self._store.leases.cancelled(self._name):
                self._leave(job_id, attempt)

    def _leave(self, job_id: str, attempt: int) -> None:
        if (worker := self._crew.on(job_id, attempt)) is not None:
            worker.cancel(CANCEL_PATIENCE)

    def _announce(self) -> None:
        """Say how things are where that has changed."""
        state: tuple[str, str | None] = ("starting", None)
        if died := self._crew.failed_starts:
            state = ("fault", f"workers do not start: {died} died while starting")
        elif any(worker.ready for worker in self._crew.workers):
            state = ("ready", None)
        # One that dies is replaced at once: that is no news.
        if state != self._state and not (state[0] == "starting" and self._state[0] == "ready"):
            self._store.engines.announce(self._name, *state)
            self._state = state

    # Jobs

    def _assign(self) -> None:
        while self._crew.may_start():
            free = self._crew.available
            if (free.cpus <= 0 and free.gpus <= 0) or not self._queued():
                return
            job = self._store.leases.claim(self._name, free={"cpus": free.cpus, "gpus": free.gpus})
            if job is None:
                self._refuse_oversized()
                return
            self._passed_over = None
            self._crew.give(job)

    def _refuse_oversized(self) -> None:
        """With everything free, what still does not fit never will, unless there are others to run
        it.
        """
        if not (self._alone and self._crew.idle):
            return
        if (job := self._store.leases.claim(self._name)) is None:
            return
        needs, room = Needs.of(job), self._crew.room
        if needs.within(room):  # it came just now
            self._crew.give(job)
            return
        needed = f"the job needs {needs.cpus:g} CPUs and {needs.gpus:g} GPUs"
        detail = f"{needed}; the service has {room.cpus:g} and {room.gpus:g}"
        self._record(
            self._store.jobs.fail, job.id, job.attempt, {"kind": "NoRoom", "detail": detail}
        )

    def _queued(self) -> bool:
        """Whether a queued job is worth a claim, which is a write: nothing fitted those that were
        looked at last.
        """
        newest, total = self._store.jobs.list(state=JobState.QUEUED, limit=1)
        seen = (total, newest[0].id if newest else None)
        if not total or (seen == self._passed_over and not self._is_due("claim", _IDLE_CLAIM)):
            return False
        self._passed_over = seen
        return True

    # What workers say

    def _hear(self, worker: Worker, report: dict[str, Any]) -> None:
        event = report["event"]
        if event == "ready":
            self._crew.welcome(worker, report["pid"])
            self._announce()
            return
        job_id, attempt = report["job"], report["attempt"]
        if event == "progress":
            self._record(self._store.jobs.report, job_id, attempt, report["progress"])
            return
        kept = event == "lost"  # what it kept, the next attempt goes on from
        if event == "done":
            kept = self._record(
                self._store.jobs.finish, job_id, attempt, report["result"], report["artifact"]
            )
        elif event == "failed":
            self._record(self._store.jobs.fail, job_id, attempt, report["error"])
        elif event == "lost":
            self._record(self._lose, Assignment(job_id, attempt), report["ending"])
        # Only now: a step that the store's failure repeats must find the worker as it was.
        if worker.assignment == Assignment(job_id, attempt):
            worker.free()
        self._passed_over = None
        if not kept:
            self._clear(job_id, attempt)

    def _clear(self, job_id: str, attempt: int) -> None:
        """Remove what an attempt left that came to nothing."""
        try:
            self._artifacts.remove(job_id, attempt)
        except ArtifactFailed as error:
            _LOG.warning("artifacts are left behind: %s", error)

    def _record(self, write: Callable[..., None], *arguments: Any) -> bool:
        """Write to the store; a report that came too late to count is left out."""
        try:
            write(*arguments)
        except (IllegalTransition, StaleAttempt, UnknownJob) as late:
            _LOG.debug("a late report was left out: %s", late)
            return False
        return True

    def _bury(self, worker: Worker) -> None:
        """A worker has died: its job is run again, unless it has cost too many."""
        if worker not in self._crew.workers:
            return  # it was ended to make room
        if (fault := self._fault()) is not None:
            raise Fault(fault)  # the job is not to blame
        lost = worker.assignment
        if lost is not None and worker.kill_at is None:
            _LOG.warning(
                "the worker %s %s while it ran %s", worker.pid or "", worker.ending, lost.job_id
            )
            self._record(self._lose, lost, worker.ending)
        self._crew.bury(worker)
        self._passed_over = None

    def _lose(self, lost: Assignment, ending: str) -> None:
        if self._store.jobs.get(lost.job_id).worker_crashes + 1 < MAX_WORKER_CRASHES:
            self._store.jobs.requeue(lost.job_id, lost.attempt, crashed=True)
            return
        error = {
            "kind": "WorkerDied",
            "detail": f"{MAX_WORKER_CRASHES} workers died on it; the last one {ending}",
        }
        self._store.jobs.fail(lost.job_id, lost.attempt, error, crashed=True)

    # The end

    def _shut_down(self) -> None:
        for worker in self._crew.workers:
            worker.kill()
        try:
            for worker in self._crew.workers:
                if worker.assignment is not None and worker.kill_at is None:
                    self._record(self._give_back, worker.assignment)
            if self._stopping:
                self._store.engines.announce(self._name, "stopped", "the service was stopped")
        except SQLAlchemyError as error:
            _LOG.error("jobs are left as running and will be queued at the next start: %s", error)
        self._crew.workers.clear()

    def _give_back(self, left: Assignment) -> None:
        self._store.jobs.requeue(left.job_id, left.attempt, crashed=False)
