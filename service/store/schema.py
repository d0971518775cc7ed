"""The tables of the store, which `service/migrations` creates."""

from __future__ import annotations

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Enum,
    Float,
    ForeignKey,
    Index,
    Integer,
    String,
    Text,
    UniqueConstraint,
    false,
    true,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from service.jobs import Job, JobState, JsonObject, Resources
from service.store.labels import split_tags

HEAD = "0010"
"""Migration that creates these tables."""

CHANNEL = "pathfit_changes"
"""Channel on which PostgreSQL announces the id of each job that has a new event."""

_OBJECT = JSON(none_as_null=True)
_STATE = Enum(
    JobState,
    native_enum=False,
    length=16,
    values_callable=lambda states: [state.value for state in states],
)

# Seconds since 1970. PostgreSQL's default, single precision, would round them to minutes.
_SECONDS = Float(53)

# Numbers of events, of which there are many. SQLite generates numbers only for an INTEGER.
_COUNT = BigInteger().with_variant(Integer, "sqlite")


class Base(DeclarativeBase):
    """Base of the store's rows."""


class JobRow(Base):
    """One job; see `service.jobs.Job` for the columns.

    `events` is the number of the job's events; `space` is the request's, for lists of one space.
    `tags` and `words` are as `service.store.labels` writes them, for lists of a tag or a text.
    `agent_until` is the time, in seconds since 1970, until which the job waits for its agent.
    """

    __tablename__ = "jobs"
    __table_args__ = (
        Index("ix_jobs_state", "state"),
        Index("ix_jobs_owner", "owner", "state"),
        Index("ix_jobs_engine", "engine", "state"),
        Index("ix_jobs_kind", "kind", "state", "finished"),
        Index("ix_jobs_agent", "agent", "state"),
    )

    sequence: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    id: Mapped[str] = mapped_column(String(32), unique=True)
    kind: Mapped[str] = mapped_column(String(32))
    state: Mapped[JobState] = mapped_column(_STATE)
    request: Mapped[JsonObject] = mapped_column(_OBJECT)
    task: Mapped[JsonObject] = mapped_column(_OBJECT)
    attempt: Mapped[int]
    # The first version named the column "deaths"; stores of every version have it.
    worker_crashes: Mapped[int] = mapped_column("deaths")
    progress: Mapped[JsonObject | None] = mapped_column(_OBJECT)
    result: Mapped[JsonObject | None] = mapped_column(_OBJECT)
    artifact: Mapped[str | None] = mapped_column(String(256))
    error: Mapped[JsonObject | None] = mapped_column(_OBJECT)
    created: Mapped[float] = mapped_column(_SECONDS)
    started: Mapped[float | None] = mapped_column(_SECONDS)
    finished: Mapped[float | None] = mapped_column(_SECONDS)
    owner: Mapped[str | None] = mapped_column(String(32))
    space: Mapped[str | None] = mapped_column(Text)
    cpus: Mapped[float] = mapped_column(_SECONDS, server_default="1")
    gpus: Mapped[float] = mapped_column(_SECONDS, server_default="0")
    engine: Mapped[str | None] = mapped_column(String(128))
    lease: Mapped[float | None] = mapped_column(_SECONDS)
    events: Mapped[int] = mapped_column(server_default="0")
    name: Mapped[str | None] = mapped_column(String(200))
    tags: Mapped[str] = mapped_column(Text, server_default="")
    words: Mapped[str] = mapped_column(Text, server_default="")
    agent: Mapped[str | None] = mapped_column(String(32))
    agent_until: Mapped[float | None] = mapped_column(_SECONDS)

    def job(self, *, with_result: bool = True) -> Job:
        """Convert the row; without its result, a deferred result is not read."""
        return Job(
            id=self.id,
            kind=self.kind,
            state=self.state,
            request=self.request,
            task=self.task,
            attempt=self.attempt,
            worker_crashes=self.worker_crashes,
            progress=self.progress,
            result=self.result if with_result else None,
            artifact=self.artifact,
            error=self.error,
            owner=self.owner,
            resources=Resources(self.cpus, self.gpus),
            engine=self.engine,
            lease=self.lease,
            created=self.created,
            started=self.started,
            finished=self.finished,
            name=self.name,
            tags=split_tags(self.tags),
            agent=self.agent,
        )


class EventRow(Base):
    """An event of a job; `number` counts the events of the job without gaps."""

    __tablename__ = "events"
    __table_args__ = (UniqueConstraint("job", "number"), {"sqlite_autoincrement": True})

    id: Mapped[int] = mapped_column(_COUNT, primary_key=True, autoincrement=True)
    job: Mapped[int] = mapped_column(ForeignKey("jobs.sequence", ondelete="CASCADE"))
    number: Mapped[int]
    kind: Mapped[str] = mapped_column(String(16))
    data: Mapped[JsonObject | None] = mapped_column(_OBJECT)
    created: Mapped[float] = mapped_column(_SECONDS)


class IdempotencyRow(Base):
    """A request and the job that answers its repetitions; `owner` is "" for none."""

    __tablename__ = "idempotency"

    owner: Mapped[str] = mapped_column(String(32), primary_key=True)
    method: Mapped[str] = mapped_column(String(8), primary_key=True)
    path: Mapped[str] = mapped_column(String(256), primary_key=True)
    key: Mapped[str] = mapped_column(String(256), primary_key=True)
    body_sha256: Mapped[str] = mapped_column(String(64))
    job: Mapped[int] = mapped_column(ForeignKey("jobs.sequence", ondelete="CASCADE"), index=True)
    created: Mapped[float] = mapped_column(_SECONDS)


class EngineRow(Base):
    """The latest report of an engine."""

    __tablename__ = "engines"

    id: Mapped[str] = mapped_column(String(128), primary_key=True)
    state: Mapped[str] = mapped_column(String(16))
    detail: Mapped[str | None] = mapped_column(Text)
    ray: Mapped[JsonObject | None] = mapped_column(_OBJECT)
    started: Mapped[float] = mapped_column(_SECONDS)
    seen: Mapped[float] = mapped_column(_SECONDS)


class TokenRow(Base):
    """A token; of its secret only the digest is stored."""

    __tablename__ = "tokens"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(String(128))
    digest: Mapped[str] = mapped_column(String(64))
    quota: Mapped[int | None]
    created: Mapped[float] = mapped_column(_SECONDS)
    expires: Mapped[float | None] = mapped_column(_SECONDS)
    revoked: Mapped[float | None] = mapped_column(_SECONDS)
    administrator: Mapped[bool] = mapped_column(Boolean, server_default=false())
    max_bytes: Mapped[int | None] = mapped_column(BigInteger)
    agent_of: Mapped[str | None] = mapped_column(String(32))


class AgentRow(Base):
    """A device that measures networks; see `service.store.agents.Agent`."""

    __tablename__ = "agents"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    name: Mapped[str] = mapped_column(String(128), unique=True)
    owner: Mapped[str | None] = mapped_column(String(32))
    device: Mapped[JsonObject] = mapped_column(_OBJECT)
    backends: Mapped[list[str]] = mapped_column(_OBJECT)
    threads: Mapped[int]
    version: Mapped[str] = mapped_column(String(64))
    has_torch: Mapped[bool] = mapped_column(Boolean, server_default=true())
    measurers: Mapped[list[str]] = mapped_column(_OBJECT)
    created: Mapped[float] = mapped_column(_SECONDS)
    seen: Mapped[float] = mapped_column(_SECONDS)


class SessionRow(Base):
    """A session of a browser that was given a token."""

    __tablename__ = "sessions"

    id: Mapped[str] = mapped_column(String(32), primary_key=True)
    digest: Mapped[str] = mapped_column(String(64))
    token: Mapped[str] = mapped_column(ForeignKey("tokens.id", ondelete="CASCADE"), index=True)
    created: Mapped[float] = mapped_column(_SECONDS)
    expires: Mapped[float] = mapped_column(_SECONDS)


class FileRow(Base):
    """One version of an uploaded file; see `service.store.files.FileVersion`."""

    __tablename__ = "files"
    __table_args__ = (
        UniqueConstraint("library", "kind", "name", "version", name="uq_files_version"),
    )

    id: Mapped[int] = mapped_column(Integer, primary_key=True, autoincrement=True)
    kind: Mapped[str] = mapped_column(String(32))
    name: Mapped[str] = mapped_column(String(200))
    version: Mapped[int]
    sha256: Mapped[str] = mapped_column(String(64))
    artifact: Mapped[str] = mapped_column(String(512))
    owner: Mapped[str | None] = mapped_column(String(32))
    created: Mapped[float] = mapped_column(_SECONDS)
    library: Mapped[str] = mapped_column(String(32), server_default="")
    size: Mapped[int | None] = mapped_column(BigInteger)
    space: Mapped[str | None] = mapped_column(Text)
    summary: Mapped[JsonObject | None] = mapped_column(_OBJECT)
    removed: Mapped[float | None] = mapped_column(_SECONDS)
