"""The tables of the job store."""

from __future__ import annotations

from typing import Any

from sqlalchemy import JSON, Enum, Integer, String
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from service.jobs import Job, JobState

VERSION = 1
"""Raised by one whenever the tables change."""

_OBJECT = JSON(none_as_null=True)
_STATE = Enum(JobState, native_enum=False, length=16, values_callable=lambda states: [state.value for state in states])


class Base(DeclarativeBase):
    """Base of the store's rows."""


class MetaRow(Base):
    """A fact about the store itself, such as its schema version."""

    __tablename__ = "meta"

    key: Mapped[str] = mapped_column(String(64), primary_key=True)
    value: Mapped[str] = mapped_column(String(256))


class JobRow(Base):
    """One job; see `service.jobs.Job` for the fields."""

    __tablename__ = "jobs"

    sequence: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(String(32), unique=True)
    kind: Mapped[str] = mapped_column(String(32))
    state: Mapped[JobState] = mapped_column(_STATE, index=True)
    request: Mapped[dict[str, Any]] = mapped_column(_OBJECT)
    task: Mapped[dict[str, Any]] = mapped_column(_OBJECT)
    attempt: Mapped[int]
    deaths: Mapped[int]
    progress: Mapped[dict[str, Any] | None] = mapped_column(_OBJECT)
    result: Mapped[dict[str, Any] | None] = mapped_column(_OBJECT)
    artifact: Mapped[str | None] = mapped_column(String(256))
    error: Mapped[dict[str, Any] | None] = mapped_column(_OBJECT)
    created: Mapped[float]
    started: Mapped[float | None]
    finished: Mapped[float | None]

    def job(self, *, with_result: bool = True) -> Job:
        """The row as a Job; its result is left unread where it is not wanted."""
        return Job(
            id=self.id,
            kind=self.kind,
            state=self.state,
            request=self.request,
            task=self.task,
            attempt=self.attempt,
            deaths=self.deaths,
            progress=self.progress,
            result=self.result if with_result else None,
            artifact=self.artifact,
            error=self.error,
            created=self.created,
            started=self.started,
            finished=self.finished,
        )
