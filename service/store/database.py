"""Connections and transactions of the store, the same over SQLite and PostgreSQL."""

from __future__ import annotations

import contextlib
import json
import math
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, func, select, text
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DatabaseError, NoSuchModuleError
from sqlalchemy.exc import TimeoutError as WaitTimeout
from sqlalchemy.orm import Session

from service.store.postgresql import create_postgresql_engine, unbounded
from service.store.schema import JobRow
from service.store.timeouts import Timeouts
from spaces.errors import PathfitError

# Execution option of a connection: the statement that begins its transactions.
_BEGIN = "pathfit_begin"

# Key of PostgreSQL's advisory lock that makes migrations exclusive; any constant would do.
_MIGRATION_LOCK = 7284348


class InvalidStore(PathfitError):
    """A store that cannot be used; the message names it and the reason."""


class Database:
    """A database that may hold the store's tables; nothing is connected before the first use.

    Args:
        url: `sqlite:///FILE`, `postgresql://USER@HOST/NAME`, or the path of a SQLite file.
        clock: Returns seconds since 1970. None takes this machine's clock for SQLite and the
            server's for PostgreSQL, which several machines may share.
        timeouts: Seconds after which work on the database fails. None takes the defaults.

    Raises:
        InvalidStore: The URL is malformed or names another kind of database.
    """

    def __init__(
        self,
        url: str | Path,
        clock: Callable[[], float] | None = None,
        timeouts: Timeouts | None = None,
    ):
        self.url = parse_url(url)
        self.name = str(self.path or self.url.render_as_string(hide_password=True))
        self._clock = clock or (time.time if self.path is not None else None)
        self._timeouts = timeouts or Timeouts()
        # SQLite has one writer at a time: a lock is fairer, and faster, than SQLite's own retries.
        self._write_lock = threading.Lock() if self.path is not None else None
        self.engine = self._create_engine()

    @property
    def path(self) -> Path | None:
        """The file of a SQLite database; None for PostgreSQL."""
        if self.url.get_backend_name() != "sqlite":
            return None
        return Path(self.url.database or "")

    def _create_engine(self) -> Engine:
        if self.path is None:
            return create_postgresql_engine(self.url, self._timeouts, {"json_serializer": _to_json})

        engine = create_engine(
            self.url,
            connect_args={"timeout": self._timeouts.busy},
            # Of connections beyond these each is opened for one transaction.
            pool_size=32,
            max_overflow=-1,
            json_serializer=_to_json,
        )
        event.listen(engine, "connect", self._configure_sqlite)
        event.listen(engine, "begin", _begin)

        return engine

    def _configure_sqlite(self, connection: Any, _record: object) -> None:
        # `_begin` begins transactions; the driver would guess where they begin.
        connection.isolation_level = None
        cursor = connection.cursor()
        _enable_write_ahead_log(cursor, self._timeouts.busy)
        # An accepted job survives a power failure.
        cursor.execute("PRAGMA synchronous=FULL")
        # SQLite ignores foreign keys unless every connection turns them on.
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.close()

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    def check(self) -> None:
        """Raise InvalidStore if the database does not answer."""
        try:
            with self.reading() as session:
                session.execute(select(JobRow.sequence).limit(1)).all()
        except (DatabaseError, WaitTimeout) as error:
            reason = error.orig if isinstance(error, DatabaseError) else error
            raise InvalidStore(f"the job store {self.name} does not answer: {reason}") from error

    @contextlib.contextmanager
    def reading(self) -> Iterator[Session]:
        """Open a transaction that sees one state of the database and changes nothing."""
        # No commit at the end: the transaction is rolled back, which frees its snapshot.
        with Session(self.engine) as session:
            yield session

    @contextlib.contextmanager
    def querying(self) -> Iterator[Connection]:
        """Open a transaction as `reading` does, for frequent queries of single columns.

        Without a session, whose machinery for rows takes as long as such a query.
        """
        with self.engine.connect() as connection:
            yield connection

    @contextlib.contextmanager
    def writing(self) -> Iterator[Session]:
        """Open a transaction that is committed if the block ends without an error."""
        # expire_on_commit=False: rows are converted after the commit, and must not be read again.
        writer = self.engine.execution_options(**{_BEGIN: "BEGIN IMMEDIATE"})
        with (
            self._only_writer(),
            Session(writer, expire_on_commit=False) as session,
            session.begin(),
        ):
            # SQLite's lock is taken here: a time that is read before a long wait for it would be
            # out of date when it is written.
            session.connection()
            yield session

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[Connection]:
        """Open a transaction that excludes every other exclusive one, in any process."""
        writer = self.engine.execution_options(**{_BEGIN: "BEGIN IMMEDIATE"})
        with self._only_writer(), writer.begin() as connection, contextlib.ExitStack() as stack:
            if self.path is None:
                # A migration may take minutes, and so does waiting for that of another process.
                stack.enter_context(unbounded(connection.connection.driver_connection))
                connection.execute(text(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})"))
            yield connection

    @contextlib.contextmanager
    def _only_writer(self) -> Iterator[None]:
        """Exclude the other threads of this process from writing to SQLite."""
        if self._write_lock is None:
            yield
            return

        if not self._write_lock.acquire(timeout=self._timeouts.busy):
            raise WaitTimeout(
                f"{self.name} was busy with other writers for {self._timeouts.busy:g} s"
            )
        try:
            yield
        finally:
            self._write_lock.release()

    def lock_topic(self, session: Session, topic: str) -> None:
        """Serialise the writing transactions of a topic, in any process, until each ends."""
        # SQLite has one writer at a time anyway.
        if self.path is None:
            session.execute(select(func.pg_advisory_xact_lock(func.hashtext(topic))))

    def ticks(self, session: Session) -> float:
        """Return seconds by a clock that nobody sets, to measure how long ago something was.

        All processes that share the database have it in common. With SQLite it restarts with
        each start of the machine.
        """
        # The processes that share a SQLite file are on one machine, whose clock may be set.
        if self.path is not None and self._clock is time.time:
            return time.monotonic()
        return self.now(session)

    def now(self, session: Session) -> float:
        """Return seconds since 1970 by the one clock of all who share the database."""
        if self._clock is not None:
            return self._clock()
        return float(session.scalar(select(func.extract("epoch", func.clock_timestamp()))) or 0.0)


def parse_url(url: str | Path) -> URL:
    """Parse the URL of a database; a path is that of a SQLite file.

    Raises:
        InvalidStore: The URL is malformed or names another kind of database.
    """
    if isinstance(url, Path):
        return URL.create("sqlite", database=str(url))

    expected = "expected sqlite:////FOLDER/jobs.sqlite or postgresql://USER:PASSWORD@HOST/NAME"
    try:
        parsed = make_url(url)
        backend = parsed.get_backend_name()
    except (ArgumentError, NoSuchModuleError, ValueError) as error:
        raise InvalidStore(f"not the URL of a database; {expected}") from error

    if backend == "postgresql":
        # The extra installs psycopg, so a driver that the URL names is replaced.
        return parsed.set(drivername="postgresql+psycopg")

    if backend != "sqlite" or parsed.database in (None, "", ":memory:"):
        url_text = parsed.render_as_string(hide_password=True)
        raise InvalidStore(f"{url_text!r:.200} cannot be a job store; {expected}")

    return parsed


def _enable_write_ahead_log(cursor: sqlite3.Cursor, patience: float) -> None:
    """Switch to the write-ahead log, retrying while other processes open the file.

    SQLite's own busy timeout does not cover this statement.
    """
    deadline = time.monotonic() + patience
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode != sqlite3.SQLITE_BUSY or time.monotonic() >= deadline:
                raise
        time.sleep(0.01)


def _begin(connection: Connection) -> None:
    # A writer takes its lock at once: one that began by reading could no longer wait for others.
    connection.exec_driver_sql(connection.get_execution_options().get(_BEGIN, "BEGIN"))


def _to_json(value: object) -> str:
    """Serialise a value as JSON, which has no NaN and no infinity: null replaces them."""
    try:
        return json.dumps(value, allow_nan=False)
    except ValueError:
        return json.dumps(_finite(value), allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    # bool and int are finite; only floats have NaN and infinities.
    return None if isinstance(value, float) and not math.isfinite(value) else value
