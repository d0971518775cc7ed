"""Transitions of jobs: what their attempts report, and who continues with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from service.jobs import JobError, JobState, JsonObject
from service.store.changes import Changes
from service.store.database import Database
from service.store.rows import (
    ANY,
    NewEvent,
    Owner,
    change,
    interrupt,
    lock_for_transition,
    lock_running,
    move,
)


class JobTransitions:
    """Moves jobs from state to state, each time with an event.

    Args:
        database: Has the jobs.
        changes: Wakes those who wait for a job.
    """

    def __init__(self, database: Database, changes: Changes):
        self._database = database
        self._changes = changes

    def report(self, job_id: str, attempt: int, progress: JsonObject) -> None:
        """Record the progress of an attempt; raises as `finish`."""
        with self._database.writing() as session:
            row = lock_running(session, job_id, attempt)
            now = self._database.now(session)
            change(session, row, [("progress", progress)], now, progress=progress)
        self._changes.notify(job_id)

    def finish(
        self,
        job_id: str,
        attempt: int,
        result: JsonObject,
        artifact: str | None,
        progress: JsonObject | None = None,
    ) -> None:
        """Record the result of an attempt.

        Args:
            job_id: Id of the job.
            attempt: Number of the attempt.
            result: Result that the API serves.
            artifact: Path of the full result, or None.
            progress: Last progress of the attempt; None if it is recorded already.

        Raises:
            UnknownJob: There is no such job.
            IllegalTransition: The job is not running.
            StaleAttempt: The job is at another attempt.
        """
        columns: JsonObject = {"result": result, "artifact": artifact, "lease": None}
        # The event has no data of its own: a result is stored once, with its job.
        events: list[NewEvent] = [("result", None)]
        if progress is not None:
            columns["progress"] = progress
            events.insert(0, ("progress", progress))
        self._move(job_id, JobState.DONE, attempt, events_before=events, columns=columns)

    def fail(self, job_id: str, attempt: int, error: JobError, *, crashed: bool = False) -> None:
        """Record why an attempt failed.

        Args:
            job_id: Id of the job.
            attempt: Number of the attempt.
            error: The reason.
            crashed: Whether the attempt's worker died.

        Raises:
            PathfitError: As `finish`.
        """
        value = error.to_dict()
        self._move(
            job_id,
            JobState.FAILED,
            attempt,
            state_data={"error": value},
            crashed=crashed,
            columns={"error": value, "lease": None},
        )

    def requeue(self, job_id: str, attempt: int, *, crashed: bool) -> None:
        """Queue a running job again.

        Args:
            job_id: Id of the job.
            attempt: Number of the attempt.
            crashed: Whether the attempt's worker died; otherwise the service stops.

        Raises:
            PathfitError: As `finish`.
        """
        columns = {"progress": None, "lease": None}
        self._move(job_id, JobState.QUEUED, attempt, crashed=crashed, columns=columns)

    def hand_over(
        self,
        job_id: str,
        attempt: int,
        agent: str,
        measuring: JsonObject,
        within_s: float | None,
        progress: JsonObject | None = None,
    ) -> None:
        """Queue a running job for an agent, which measures what the attempt needs.

        Args:
            job_id: Id of the job.
            attempt: Number of the attempt.
            agent: Id of the agent.
            measuring: What it is to measure, which joins the job's task.
            within_s: Seconds that the job waits for the agent, from its first wait on; None: until
                it is cancelled.
            progress: Last progress of the attempt; None if it is recorded already.

        Raises:
            PathfitError: As `finish`.
        """
        with self._database.writing() as session:
            row = lock_for_transition(session, job_id, JobState.QUEUED, attempt)
            now = self._database.now(session)
            until = None if within_s is None else now + within_s
            columns: JsonObject = {
                "agent": agent,
                "agent_until": row.agent_until or until,
                "task": {**row.task, "measuring": measuring},
                "lease": None,
            }
            events: list[NewEvent] = []
            if progress is not None:
                columns["progress"] = progress
                events.append(("progress", progress))
            waits: JsonObject = {"waits_for": "device"}
            move(
                session,
                row,
                JobState.QUEUED,
                now,
                events_before=events,
                state_data=waits,
                **columns,
            )
        self._changes.notify(job_id)

    def hand_back(self, job_id: str, attempt: int) -> None:
        """Queue a job for the engines again whose agent has measured; raises as `finish`."""
        columns = {"agent": None, "lease": None}
        self._move(job_id, JobState.QUEUED, attempt, columns=columns)

    def interrupt(self, job_id: str, attempt: int, reason: str) -> None:
        """Queue a running job again that was interrupted through no fault of its own.

        After too many interruptions it fails, so that it is not begun for ever.

        Args:
            job_id: Id of the job.
            attempt: Number of the attempt.
            reason: Why the attempt has ended.

        Raises:
            PathfitError: As `finish`.
        """
        with self._database.writing() as session:
            row = lock_for_transition(session, job_id, JobState.QUEUED, attempt)
            interrupt(session, row, self._database.now(session), reason)
        self._changes.notify(job_id)

    def _move(
        self,
        job_id: str,
        target: JobState,
        attempt: int | None,
        *,
        owner: Owner = ANY,
        events_before: Sequence[NewEvent] = (),
        state_data: JsonObject | None = None,
        crashed: bool = False,
        columns: Mapping[str, Any] | None = None,
    ) -> None:
        with self._database.writing() as session:
            row = lock_for_transition(session, job_id, target, attempt, owner)
            # In the transaction of the transition: a crash counts exactly once.
            row.worker_crashes += int(crashed)
            move(
                session,
                row,
                target,
                self._database.now(session),
                events_before=events_before,
                state_data=state_data,
                **(columns or {}),
            )

        # After the commit: a reader that wakes earlier would read the old state.
        self._changes.notify(job_id)
