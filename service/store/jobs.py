"""The jobs of a store, from their creation to their removal."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import defer, load_only

from service.jobs import IllegalTransition, Job, JobError, JobState, JsonObject, Resources
from service.store.changes import Changes, Stop
from service.store.database import Database
from service.store.idempotency import IdempotencyKey, IdempotencyKeys
from service.store.labels import join_tags, searchable_words, split_tags
from service.store.rows import (
    ANY,
    NewEvent,
    Owner,
    change,
    find_job,
    interrupt,
    label_conditions,
    lock_for_transition,
    lock_running,
    move,
    owned,
)
from service.store.schema import EventRow, IdempotencyRow, JobRow
from service.store.tokens import check_quota

_FINAL_STATES = [state for state in JobState if state.final]


class Jobs:
    """The jobs of a store: only lawful transitions change them, each with its event.

    Args:
        database: Has the jobs.
        changes: Wakes those who wait for a job.
        idempotency: Has the keys of earlier requests.
    """

    def __init__(self, database: Database, changes: Changes, idempotency: IdempotencyKeys):
        self._database = database
        self._changes = changes
        self._idempotency = idempotency

    # Requests

    def create(
        self,
        kind: str,
        request: JsonObject,
        task: JsonObject,
        owner: str | None = None,
        resources: Resources | None = None,
        idempotency: IdempotencyKey | None = None,
    ) -> tuple[Job, bool]:
        """Add a queued job.

        Args:
            kind: Kind of the job, such as `search`.
            request: Request with its defaults filled in.
            task: Input of the worker.
            owner: Id of the request's token; None for none.
            resources: Resources that the job occupies. None takes one processor core.
            idempotency: Key of the request. None always creates a job.

        Returns:
            The job, and whether it is new: the job of an earlier request with the key is not.

        Raises:
            IdempotencyConflict: The key was used with another body.
            QuotaExceeded: The owner's token has as many unfinished jobs as its quota.
        """
        resources = resources or Resources()
        # A column of its own, as lists are filtered by it.
        space = request.get("space")
        columns = {
            "id": secrets.token_hex(16),
            "kind": kind,
            "request": request,
            "task": task,
            "owner": owner,
            "space": space if isinstance(space, str) and "\0" not in space else None,
            "words": searchable_words([kind], request),
            "cpus": resources.cpus,
            "gpus": resources.gpus,
        }
        try:
            job, is_new = self._create(columns, owner, idempotency)
        except IntegrityError:
            if idempotency is None:
                raise
            # The same request reached another process at the same time, which was faster: now its
            # job is found.
            job, is_new = self._create(columns, owner, idempotency)

        if is_new:
            # An engine may be waiting for it.
            self._changes.notify(job.id)

        return job, is_new

    def _create(
        self, columns: Mapping[str, Any], owner: str | None, key: IdempotencyKey | None
    ) -> tuple[Job, bool]:
        with self._database.writing() as session:
            now = self._database.now(session)
            if key is not None:
                earlier = self._idempotency.find_job(session, key, owner, now)
                if earlier is not None:
                    return earlier.job(), False

            # After the search for the key: a repeated request must not fail by the quota.
            if owner is not None:
                check_quota(session, owner)

            row = JobRow(
                state=JobState.QUEUED, attempt=0, worker_crashes=0, events=1, created=now, **columns
            )
            session.add(row)
            # The event refers to the number that the database gives to the job.
            session.flush()
            state = {"state": "queued", "attempt": 0}
            session.add(EventRow(job=row.sequence, number=1, kind="state", data=state, created=now))
            if key is not None:
                self._idempotency.remember(session, key, owner, row, now)
            return row.job(), True

    def get(self, job_id: str, owner: Owner = ANY, *, with_result: bool = True) -> Job:
        """Get a job, if requested without its result, which may be large.

        Raises:
            UnknownJob: The owner has no job of that id.
        """
        deferred = () if with_result else (defer(JobRow.result),)
        with self._database.reading() as session:
            return find_job(session, job_id, owner, options=deferred).job(with_result=with_result)

    def list(
        self,
        owner: Owner = ANY,
        kind: str | None = None,
        state: JobState | str | None = None,
        space: str | None = None,
        limit: int = 20,
        offset: int = 0,
        tag: str | None = None,
        text: str | None = None,
    ) -> tuple[Sequence[Job], int]:
        """List jobs, newest first.

        Args:
            owner: Owner of the jobs.
            kind: Kind of the jobs; None for every kind.
            state: State of the jobs; None for every state.
            space: Search space of the jobs; None for every one.
            limit: Number of jobs at most.
            offset: Number of jobs to skip.
            tag: Tag of the jobs; None for all, also those without tags.
            text: Words that the jobs' ids, names, tags or requests contain; None for none.

        Returns:
            The jobs without their results, and the number of jobs that fit in all.
        """
        query = owned(select(JobRow), owner)
        if state is not None:
            query = query.where(JobRow.state == JobState(state))

        for column, value in ((JobRow.kind, kind), (JobRow.space, space)):
            if value is not None:
                # PostgreSQL's texts cannot contain NUL; no name contains the replacement.
                query = query.where(column == value.replace("\0", "\ufffd"))

        query = query.where(*label_conditions(tag, text))

        # Results can be large, and a list does not show them.
        newest = query.options(defer(JobRow.result)).order_by(JobRow.sequence.desc())
        # Built from the same query, so that total and page cannot differ in their filters.
        count = query.with_only_columns(func.count(), maintain_column_froms=True)
        with self._database.reading() as session:
            total = session.scalar(count) or 0
            rows = session.scalars(newest.limit(limit).offset(offset))
            return [row.job(with_result=False) for row in rows], total

    def list_done(self, kind: str, limit: int) -> Sequence[str]:
        """List the ids of the newest jobs of a kind that are done, newest first."""
        query = select(JobRow.id).where(JobRow.state == JobState.DONE, JobRow.kind == kind)
        with self._database.reading() as session:
            return session.scalars(query.order_by(JobRow.sequence.desc()).limit(limit)).all()

    def done_state(self, kinds: Sequence[str]) -> tuple[int, float | None]:
        """Return a value that changes when a job of some kinds becomes done.

        It is their number with the time at which the last one became so.
        """
        query = select(func.count(), func.max(JobRow.finished)).where(
            JobRow.kind.in_(kinds), JobRow.state == JobState.DONE
        )
        with self._database.querying() as connection:
            total, last = connection.execute(query).one()
            return total, last

    def count_unfinished(self) -> int:
        """Count the queued and running jobs of all owners."""
        query = select(func.count()).where(JobRow.state.not_in(_FINAL_STATES))
        with self._database.querying() as connection:
            return connection.scalar(query) or 0

    def is_over(self, job_id: str) -> bool:
        """Return whether a job has ended; raises UnknownJob if there is none of that id."""
        with self._database.reading() as session:
            return find_job(session, job_id, options=[load_only(JobRow.state)]).state.final

    def queue_state(self) -> tuple[int, int] | None:
        """Return the number of queued jobs and the newest one's sequence; None without any."""
        query = select(func.count(), func.max(JobRow.sequence)).where(
            JobRow.state == JobState.QUEUED
        )
        with self._database.querying() as connection:
            total, newest = connection.execute(query).one()
            return (total, newest) if total else None

    def wait(
        self, job_id: str, timeout: float, stop: Stop | None = None, owner: Owner = ANY
    ) -> Job:
        """Wait for the end of a job.

        Args:
            job_id: Id of the job.
            timeout: Seconds to wait at most.
            stop: Ends the wait when it is set. None never does.
            owner: Owner that the job must have.

        Returns:
            The job in its final state, or in its present one if the wait has ended before.

        Raises:
            UnknownJob: The owner has no such job.
        """
        return self._changes.wait_until(
            job_id, lambda: self.get(job_id, owner), lambda job: job.state.final, timeout, stop
        )

    def cancel(self, job_id: str, owner: Owner = ANY) -> Job:
        """Cancel a queued or running job; one that is cancelled already does not change.

        The job's engine keeps the lease until it has noticed (`Leases.cancelled`).

        Raises:
            UnknownJob: The owner has no such job.
            IllegalTransition: The job is done or has failed.
        """
        try:
            # Any attempt: whoever cancels means the job.
            self._move(job_id, JobState.CANCELLED, None, owner=owner)
        except IllegalTransition as error:
            if error.state is not JobState.CANCELLED:
                raise

        return self.get(job_id)

    def label(
        self,
        job_id: str,
        owner: Owner = ANY,
        *,
        name: str | None = None,
        tags: Sequence[str] | None = None,
    ) -> Job:
        """Name or tag a job, in whichever state it is.

        Args:
            job_id: Id of the job.
            owner: Owner that the job must have.
            name: New name; "" removes it, None leaves it as it is.
            tags: New tags in place of the earlier ones; None leaves them as they are.

        Raises:
            UnknownJob: The owner has no such job.
        """
        with self._database.writing() as session:
            row = find_job(session, job_id, owner, lock=True, options=[defer(JobRow.result)])
            if name is not None:
                row.name = name or None
            if tags is not None:
                row.tags = join_tags(tags)
            texts = [row.kind, row.name or "", *split_tags(row.tags)]
            row.words = searchable_words(texts, row.request)
            # No event: whoever follows the job follows its course, which labels do not change.
            return row.job(with_result=False)

    # Reports of attempts

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

    # Removal by operators

    def unfinished_tasks(self) -> Sequence[JsonObject]:
        """Return the tasks of all queued and running jobs."""
        query = select(JobRow.task).where(JobRow.state.not_in(_FINAL_STATES))
        with self._database.reading() as session:
            return session.scalars(query).all()

    def list_ended(self, older_than_s: float) -> Sequence[str]:
        """List the ids of the jobs that ended at least so many seconds ago, oldest first."""
        with self._database.reading() as session:
            latest = self._database.now(session) - older_than_s
            query = select(JobRow.id).where(
                JobRow.state.in_(_FINAL_STATES), JobRow.finished < latest
            )
            return session.scalars(query.order_by(JobRow.sequence)).all()

    def latest_attempts(self, ids: Sequence[str]) -> dict[str, tuple[JobState, int]]:
        """Map the ids of jobs to their states and latest attempts, without ids of no job."""
        query = select(JobRow.id, JobRow.state, JobRow.attempt).where(JobRow.id.in_(ids))
        with self._database.reading() as session:
            return {job_id: (state, attempt) for job_id, state, attempt in session.execute(query)}

    def remove(self, ids: Sequence[str]) -> int:
        """Remove jobs that have ended, with their events and keys; others remain.

        Returns:
            Number of jobs that were removed.
        """
        with self._database.writing() as session:
            query = select(JobRow.sequence).where(
                JobRow.id.in_(ids), JobRow.state.in_(_FINAL_STATES)
            )
            sequences = session.scalars(query.with_for_update()).all()
            # The job's row comes last: the others refer to it.
            for row, column in (
                (EventRow, EventRow.job),
                (IdempotencyRow, IdempotencyRow.job),
                (JobRow, JobRow.sequence),
            ):
                session.execute(
                    delete(row).where(column.in_(sequences)),
                    execution_options={"synchronize_session": False},
                )
            return len(sequences)
