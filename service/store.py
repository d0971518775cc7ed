"""Store: jobs in a database, changed only by lawful transitions and only by the attempt that runs them."""

from __future__ import annotations

import secrets
import threading
import time
from pathlib import Path
from typing import Any, cast

from sqlalchemy import CursorResult, Update, create_engine, event, func, select, update
from sqlalchemy.exc import DatabaseError
from sqlalchemy.orm import Session, defer

from service.jobs import IllegalTransition, Job, JobState, StaleAttempt, UnknownJob, sources
from service.schema import VERSION, Base, JobRow, MetaRow
from spaces.errors import PathfitError

BUSY_TIMEOUT = 5.0
_POLL = 0.25


class InvalidStore(PathfitError):
    """A job store that cannot be used; the file and the reason are named."""


class Store:
    """The jobs of one data folder, in SQLite with a write-ahead log.

    Args:
        path: the database's file; it and its folder are made where absent.

    Raises:
        InvalidStore: the file is no job store, was written by a newer version, or cannot be opened.
    """

    def __init__(self, path: Path):
        self.path = path
        self._changed, self._changes = threading.Condition(), 0
        self._engine = create_engine(
            f"sqlite:///{path}", connect_args={"timeout": BUSY_TIMEOUT}, pool_size=8, max_overflow=-1
        )
        event.listen(self._engine, "connect", _configure)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            Base.metadata.create_all(self._engine)
            self._check_version()
        except (DatabaseError, OSError) as error:
            self.close()
            reason = error.orig if isinstance(error, DatabaseError) else error.strerror
            raise InvalidStore(f"cannot use {path} as a job store: {reason}") from error
        except InvalidStore:
            self.close()
            raise

    def _check_version(self) -> None:
        with Session(self._engine) as session, session.begin():
            row = session.get(MetaRow, "schema_version")
            if row is None:
                session.add(MetaRow(key="schema_version", value=str(VERSION)))
            elif int(row.value) != VERSION:
                raise InvalidStore(
                    f"{self.path} has schema version {row.value}; this Pathfit reads version {VERSION}: "
                    "use the Pathfit that wrote it, or another data folder"
                )

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def check(self) -> None:
        """Raise InvalidStore where the database does not answer."""
        try:
            with self._engine.connect() as connection:
                connection.execute(select(MetaRow.value)).all()
        except DatabaseError as error:
            raise InvalidStore(f"the job store {self.path} does not answer: {error.orig}") from error

    # Reading

    def get(self, job_id: str) -> Job:
        """The job of an id; raises UnknownJob."""
        with Session(self._engine) as session:
            row = session.scalar(select(JobRow).where(JobRow.id == job_id))
            if row is None:
                raise UnknownJob(job_id)
            return row.job()

    def newest(self, limit: int, offset: int = 0) -> tuple[list[Job], int]:
        """Jobs newest first, without their results, and how many there are in all."""
        query = select(JobRow).options(defer(JobRow.result)).order_by(JobRow.sequence.desc())
        with Session(self._engine) as session:
            rows = session.scalars(query.limit(limit).offset(offset)).all()
            total = session.scalar(select(func.count()).select_from(JobRow)) or 0
            return [row.job(with_result=False) for row in rows], total

    def wait(self, job_id: str, timeout: float, stop: threading.Event | None = None) -> Job:
        """The job once its state is final, or as it stands when `timeout` seconds are over or `stop` is set."""
        deadline = time.monotonic() + timeout
        while True:
            with self._changed:
                seen = self._changes
            job, left = self.get(job_id), deadline - time.monotonic()
            if job.state.final or left <= 0 or (stop is not None and stop.is_set()):
                return job
            with self._changed:
                # Another process may change the job too: look again even if nobody calls.
                self._changed.wait_for(lambda seen=seen: self._changes != seen, min(left, _POLL))  # type: ignore[misc]

    # Writing

    def create(self, kind: str, request: dict[str, Any], task: dict[str, Any]) -> Job:
        """Add a queued job."""
        row = JobRow(
            id=secrets.token_hex(16),
            kind=kind,
            state=JobState.QUEUED,
            request=request,
            task=task,
            attempt=0,
            deaths=0,
            created=time.time(),
        )
        with Session(self._engine, expire_on_commit=False) as session, session.begin():
            session.add(row)
        self._announce()
        return row.job()

    def claim(self) -> Job | None:
        """Begin the next attempt of the oldest queued job; None where none is queued."""
        oldest = select(JobRow.sequence).where(JobRow.state == JobState.QUEUED).order_by(JobRow.sequence).limit(1)
        statement = (
            update(JobRow)
            .where(JobRow.sequence == oldest.scalar_subquery(), JobRow.state == JobState.QUEUED)
            .values(state=JobState.RUNNING, attempt=JobRow.attempt + 1, started=time.time(), progress=None)
            .returning(JobRow.id)
        )
        with Session(self._engine) as session, session.begin():
            job_id = session.scalar(statement)
        if job_id is None:
            return None
        self._announce()
        return self.get(job_id)

    def report(self, job_id: str, attempt: int, progress: dict[str, Any]) -> None:
        """Record an attempt's progress; raises as `finish`."""
        self._change(job_id, JobState.RUNNING, attempt, [JobState.RUNNING], progress=progress)

    def finish(self, job_id: str, attempt: int, result: dict[str, Any], artifact: str) -> None:
        """Record an attempt's result.

        Raises:
            UnknownJob: there is no such job.
            IllegalTransition: it is not running.
            StaleAttempt: another attempt is.
        """
        self._move(job_id, JobState.DONE, attempt, result=result, artifact=artifact, finished=time.time())

    def fail(self, job_id: str, attempt: int, error: dict[str, Any], *, died: bool = False) -> None:
        """Record why an attempt failed; raises as `finish`."""
        deaths = JobRow.deaths + int(died)
        self._move(job_id, JobState.FAILED, attempt, error=error, finished=time.time(), deaths=deaths)

    def requeue(self, job_id: str, attempt: int, *, died: bool) -> None:
        """Queue a running job again, because its worker died or the service stops; raises as `finish`."""
        self._move(job_id, JobState.QUEUED, attempt, deaths=JobRow.deaths + int(died), progress=None)

    def cancel(self, job_id: str) -> Job:
        """Cancel a queued or running job; of one that is cancelled already nothing changes.

        Raises:
            UnknownJob: there is no such job.
            IllegalTransition: it is done or has failed.
        """
        try:
            self._move(job_id, JobState.CANCELLED, None, finished=time.time())
        except IllegalTransition as error:
            if error.state is not JobState.CANCELLED:
                raise
        return self.get(job_id)

    def recover(self) -> int:
        """Queue again what a dead service left running; gives how many."""
        statement = update(JobRow).where(JobRow.state == JobState.RUNNING)
        count = self._execute(statement.values(state=JobState.QUEUED, progress=None))
        self._announce()
        return count

    def _move(self, job_id: str, target: JobState, attempt: int | None, **values: Any) -> None:
        self._change(job_id, target, attempt, sources(target), state=target, **values)

    def _change(
        self, job_id: str, target: JobState, attempt: int | None, allowed: list[JobState], **values: Any
    ) -> None:
        """One conditional UPDATE, so that nothing can come between the check and the write."""
        statement = update(JobRow).where(JobRow.id == job_id, JobRow.state.in_(allowed))
        if attempt is not None:
            statement = statement.where(JobRow.attempt == attempt)
        if self._execute(statement.values(**values)) == 0:
            job = self.get(job_id)
            if attempt is not None and job.attempt != attempt:
                raise StaleAttempt(job_id, attempt, job.attempt)
            raise IllegalTransition(job_id, job.state, target)
        self._announce()

    def _execute(self, statement: Update) -> int:
        with Session(self._engine) as session, session.begin():
            return cast("CursorResult[Any]", session.execute(statement)).rowcount

    def _announce(self) -> None:
        with self._changed:
            self._changes += 1
            self._changed.notify_all()


def _configure(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode=WAL")
    cursor.execute("PRAGMA synchronous=FULL")  # an accepted job survives a power failure
    cursor.close()
