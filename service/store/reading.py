"""Reading: what a store knows of jobs, and waiting for it to change."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from sqlalchemy import func, select
from sqlalchemy.orm import defer

from service.jobs import Job, JobState
from service.store import events
from service.store.changes import Changes
from service.store.database import Database
from service.store.events import Event
from service.store.jobs import ANY, Owner, find, owned
from service.store.schema import JobRow

LOOK = 0.5
"""Seconds after which those who wait look anyway: on PostgreSQL a change can be missed."""

Found = TypeVar("Found")
Jobs = list[Job]
Events = list[Event]
Ids = list[str]


class Reading:
    """The jobs of a store, as they are and as they become.

    Args:
        url: see `Store`.
        clock: see `Store`.
    """

    def __init__(self, url: str | Path, clock: Callable[[], float] | None = None):
        self.database = Database(url, clock)
        self.changes = Changes(self._changed)

    def _changed(self, last: int | None) -> tuple[int, Ids]:
        with self.database.reading() as session:
            return events.changed(session, last)

    def get(self, job_id: str, owner: Owner = ANY) -> Job:
        """The job of an id; raises UnknownJob, also where it is another owner's."""
        with self.database.reading() as session:
            return find(session, job_id, owner).job()

    def list(
        self,
        owner: Owner = ANY,
        kind: str | None = None,
        state: JobState | str | None = None,
        space: str | None = None,
        limit: int = 20,
        offset: int = 0,
    ) -> tuple[Jobs, int]:
        """Jobs newest first, without their results, and how many there are in all."""
        query = owned(select(JobRow), owner)
        if state is not None:
            query = query.where(JobRow.state == JobState(state))
        for column, value in ((JobRow.kind, kind), (JobRow.space, space)):
            if value is not None:
                # PostgreSQL's texts have no NUL; nothing has it in its name.
                query = query.where(column == value.replace("\0", "\ufffd"))
        newest = (
            query.options(defer(JobRow.result))
            .order_by(JobRow.sequence.desc())
            .limit(limit)
            .offset(offset)
        )
        with self.database.reading() as session:
            total = (
                session.scalar(query.with_only_columns(func.count(), maintain_column_froms=True))
                or 0
            )
            return [row.job(with_result=False) for row in session.scalars(newest)], total

    def events(self, job_id: str, after: int = 0, limit: int = 1000, owner: Owner = ANY) -> Events:
        """What happened to a job behind the event of a number, oldest first; raises UnknownJob."""
        with self.database.reading() as session:
            return events.read(session, find(session, job_id, owner), after, limit)

    def wait(
        self, job_id: str, timeout: float, stop: threading.Event | None = None, owner: Owner = ANY
    ) -> Job:
        """The job once its state is final, or as it stands when `timeout` seconds are over or
        `stop` is set.
        """
        return self._waited(
            job_id, lambda: self.get(job_id, owner), lambda job: job.state.final, timeout, stop
        )

    def wait_for_events(
        self,
        job_id: str,
        after: int,
        timeout: float,
        stop: threading.Event | None = None,
        limit: int = 1000,
    ) -> Events:
        """Events as soon as there are any; none where the job is over, `timeout` seconds are, or
        `stop` is set.
        """

        def look() -> tuple[Events, bool]:
            with self.database.reading() as session:
                job = find(session, job_id)
                return events.read(session, job, after, limit), job.state.final

        return self._waited(job_id, look, any, timeout, stop)[0]

    def _waited(
        self,
        job_id: str,
        look: Callable[[], Found],
        over: Callable[[Found], bool],
        timeout: float,
        stop: threading.Event | None,
    ) -> Found:
        deadline = time.monotonic() + timeout
        with self.changes.watching(job_id) as wait:
            while True:
                found, left = look(), deadline - time.monotonic()
                if over(found) or left <= 0 or (stop is not None and stop.is_set()):
                    return found
                wait(min(left, LOOK))
