"""Store: jobs in a database, changed only by lawful transitions and only by the attempt that runs
them.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from sqlalchemy.exc import IntegrityError

from service.jobs import IllegalTransition, Job, JobState
from service.store import purge
from service.store.events import append
from service.store.files import Files
from service.store.idempotency import Idempotency, remember, replayed
from service.store.jobs import ANY, Owner
from service.store.schema import JobRow
from service.store.sessions import Sessions
from service.store.tokens import Tokens, check_quota
from service.store.work import Work


class Store(Work):
    """The jobs of a service, who may ask for them, and what was uploaded for them.

    Args:
        url: `sqlite:////FOLDER/jobs.sqlite`, or that file's path, or
            `postgresql://USER:PASSWORD@HOST/NAME`.
        clock: seconds since 1970; None takes the database's own.

    Raises:
        InvalidStore: it is no job store, was written by a newer version, or cannot be opened.
    """

    def __init__(self, url: str | Path, clock: Callable[[], float] | None = None):
        super().__init__(url, clock)
        self.tokens = Tokens(self.database)
        self.sessions = Sessions(self.database)
        self.files = Files(self.database)

    @property
    def name(self) -> str:
        """The database without its password, for messages."""
        return self.database.name

    @property
    def path(self) -> Path | None:
        """The file of a SQLite database."""
        return self.database.path

    def close(self) -> None:
        """Close all connections."""
        self.changes.close()
        self.database.close()

    def check(self) -> None:
        """Raise InvalidStore where the database does not answer."""
        self.database.check()

    def create(
        self,
        kind: str,
        request: dict[str, Any],
        task: dict[str, Any],
        owner: str | None = None,
        resources: Mapping[str, float] | None = None,
        idempotency: Idempotency | None = None,
    ) -> tuple[Job, bool]:
        """Add a queued job.

        Args:
            kind: what is to be run.
            request: as it was asked for.
            task: what a worker needs.
            owner: id of the token that asks.
            resources: `cpus` and `gpus` that it takes; one processor core unless given.
            idempotency: what makes a request the same as an earlier one.

        Returns:
            The job, and whether it is new: the same request is answered by the same job.

        Raises:
            IdempotencyConflict: the key was used with another body.
            QuotaExceeded: the owner's token has its share of unfinished jobs.
        """
        needs = {"cpus": 1.0, "gpus": 0.0, **(resources or {})}
        space = request.get("space")
        parts = {
            "id": secrets.token_hex(16),
            "kind": kind,
            "request": request,
            "task": task,
            "owner": owner,
            "space": space if isinstance(space, str) and "\0" not in space else None,
            "cpus": needs["cpus"],
            "gpus": needs["gpus"],
        }
        try:
            job, created = self._created(parts, owner, idempotency)
        except IntegrityError:
            if idempotency is None:
                raise
            # The same request reached another process at the same time, and that one was quicker.
            job, created = self._created(parts, owner, idempotency)
        return job, created

    def _created(
        self, parts: dict[str, Any], owner: str | None, asked: Idempotency | None
    ) -> tuple[Job, bool]:
        with self.database.writing() as session:
            now = self.database.now(session)
            before = None if asked is None else replayed(session, asked, owner, now)
            if before is not None:
                return before.job(), False
            if owner is not None:
                check_quota(session, owner)
            row = JobRow(state=JobState.QUEUED, attempt=0, deaths=0, events=1, created=now, **parts)
            session.add(row)
            session.flush()
            append(session, row.sequence, 1, [("state", {"state": "queued", "attempt": 0})], now)
            if asked is not None:
                remember(session, asked, owner, row, now)
            return row.job(), True

    def cancel(self, job_id: str, owner: Owner = ANY) -> Job:
        """Cancel a queued or running job; of one that is cancelled already nothing changes.

        Its engine keeps the lease until it has seen that (`cancelled`).

        Raises:
            UnknownJob: there is no such job of the owner.
            IllegalTransition: it is done or has failed.
        """
        try:
            self._move(job_id, JobState.CANCELLED, None, owner=owner)
        except IllegalTransition as error:
            if error.state is not JobState.CANCELLED:
                raise
        return self.get(job_id)

    # What operators do

    def finished(self, older_than_s: float) -> Sequence[str]:
        """Ids of the jobs that ended so many seconds ago, oldest first."""
        with self.database.reading() as session:
            return purge.finished(session, self.database.now(session) - older_than_s)

    def remove(self, ids: Sequence[str]) -> int:
        """Remove jobs that are over, with their events; others stay. Gives how many were
        removed.
        """
        with self.database.writing() as session:
            return purge.remove(session, ids)

    def tidy(self) -> None:
        """Drop what has lost its meaning: idempotency keys and browser sessions whose time is
        over.
        """
        with self.database.writing() as session:
            purge.tidy(session, self.database.now(session))
