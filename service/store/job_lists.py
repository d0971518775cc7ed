"""Lists and counts of the jobs of a store, and the names and tags that lists are filtered by."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import bindparam, func, select
from sqlalchemy.orm import defer, load_only

from service.jobs import Job, JobState, JsonObject
from service.store.database import Database
from service.store.labels import join_tags, searchable_words, split_tags
from service.store.rows import ANY, Owner, find_job, label_conditions, owned
from service.store.schema import JobRow

FINAL_STATES = [state for state in JobState if state.final]

# Built once, as every list of files and every search makes this query.
_DONE = select(func.count(), func.max(JobRow.finished)).where(
    JobRow.kind.in_(bindparam("kinds", expanding=True)), JobRow.state == JobState.DONE
)


class JobLists:
    """The jobs of a store as lists show and find them; nothing here changes a job's course.

    Args:
        database: Has the jobs.
    """

    def __init__(self, database: Database):
        self._database = database

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
        with self._database.querying() as connection:
            total, last = connection.execute(_DONE, {"kinds": kinds}).one()
            return total, last

    def count_unfinished(self) -> int:
        """Count the queued and running jobs of all owners."""
        query = select(func.count()).where(JobRow.state.not_in(FINAL_STATES))
        with self._database.querying() as connection:
            return connection.scalar(query) or 0

    def is_over(self, job_id: str) -> bool:
        """Return whether a job has ended; raises UnknownJob if there is none of that id."""
        with self._database.reading() as session:
            return find_job(session, job_id, options=[load_only(JobRow.state)]).state.final

    def queue_state(self) -> tuple[int, int] | None:
        """Return the number of jobs queued for engines and the newest one's sequence, or None."""
        query = select(func.count(), func.max(JobRow.sequence)).where(
            JobRow.state == JobState.QUEUED, JobRow.agent.is_(None)
        )
        with self._database.querying() as connection:
            total, newest = connection.execute(query).one()
            return (total, newest) if total else None

    def unfinished_tasks(self) -> Sequence[JsonObject]:
        """Return the tasks of all queued and running jobs."""
        query = select(JobRow.task).where(JobRow.state.not_in(FINAL_STATES))
        with self._database.reading() as session:
            return session.scalars(query).all()

    def list_ended(self, older_than_s: float) -> Sequence[str]:
        """List the ids of the jobs that ended at least so many seconds ago, oldest first."""
        with self._database.reading() as session:
            latest = self._database.now(session) - older_than_s
            query = select(JobRow.id).where(
                JobRow.state.in_(FINAL_STATES), JobRow.finished < latest
            )
            return session.scalars(query.order_by(JobRow.sequence)).all()

    def latest_attempts(self, ids: Sequence[str]) -> dict[str, tuple[JobState, int]]:
        """Map the ids of jobs to their states and latest attempts, without ids of no job."""
        query = select(JobRow.id, JobRow.state, JobRow.attempt).where(JobRow.id.in_(ids))
        with self._database.reading() as session:
            return {job_id: (state, attempt) for job_id, state, attempt in session.execute(query)}

    # Labels

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
