"""The jobs of a store, from their creation to their removal."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import delete, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import defer

from service.jobs import IllegalTransition, Job, JobState, JsonObject, Resources
from service.store.changes import Changes, Stop
from service.store.database import Database
from service.store.idempotency import IdempotencyKey, IdempotencyKeys
from service.store.job_lists import FINAL_STATES, JobLists
from service.store.job_transitions import JobTransitions
from service.store.labels import searchable_words
from service.store.rows import ANY, Owner, find_job
from service.store.schema import EventRow, IdempotencyRow, JobRow
from service.store.tokens import check_quota


class Jobs(JobLists, JobTransitions):
    """The jobs of a store: only lawful transitions change them, each with its event.

    Args:
        database: Has the jobs.
        changes: Wakes those who wait for a job.
        idempotency: Has the keys of earlier requests.
    """

    def __init__(self, database: Database, changes: Changes, idempotency: IdempotencyKeys):
        JobLists.__init__(self, database)
        JobTransitions.__init__(self, database, changes)
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
        agent: str | None = None,
    ) -> tuple[Job, bool]:
        """Add a queued job.

        Args:
            kind: Kind of the job, such as `search`.
            request: Request with its defaults filled in.
            task: Input of the worker.
            owner: Id of the request's token; None for none.
            resources: Resources that the job occupies. None takes one processor core.
            idempotency: Key of the request. None always creates a job.
            agent: Id of the agent that is to measure. None: an engine runs the job.

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
            "agent": agent,
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

    # Removal by operators

    def remove(self, ids: Sequence[str]) -> int:
        """Remove jobs that have ended, with their events and keys; others remain.

        Returns:
            Number of jobs that were removed.
        """
        with self._database.writing() as session:
            query = select(JobRow.sequence).where(
                JobRow.id.in_(ids), JobRow.state.in_(FINAL_STATES)
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
