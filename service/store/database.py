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
from sqlalchemy.orm import Session

from service.store.schema import JobRow
from spaces.errors import PathfitError

BUSY_TIMEOUT = 30.0
"""Seconds for which a writer waits for the writers of other processes on SQLite."""

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

    Raises:
        InvalidStore: The URL is malformed or names another kind of database.
    """

    def __init__(self, url: str | Path, clock: Callable[[], float] | None = None):
        self.url = parse_url(url)
        self.name = str(self.path or self.url.render_as_string(hide_password=True))
        self._clock = clock or (time.time if self.path is not None else None)
        # SQLite has one writer at a time: a lock is fairer, and faster, than SQLite's own retries.
        self._write_lock: contextlib.AbstractContextManager[Any] = (
            threading.Lock() if self.path else contextlib.nullcontext()
        )
        self.engine = self._create_engine()

    @property
    def path(self) -> Path | None:
        """The file of a SQLite database; None for PostgreSQL."""
        if self.url.get_backend_name() != "sqlite":
            return None
        return Path(self.url.database or "")

    def _create_engine(self) -> Engine:
        if self.path is None:
            return create_engine(
                self.url, pool_size=8, max_overflow=56, pool_pre_ping=True, json_serializer=_to_json
            )

        engine = create_engine(
            self.url,
            connect_args={"timeout": BUSY_TIMEOUT},
            pool_size=8,
            max_overflow=-1,
            json_serializer=_to_json,
        )
        event.listen(engine, "connect", _configure_sqlite)
        event.listen(engine, "begin", _begin)

        return engine

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    def check(self) -> None:
        """Raise InvalidStore if the database does not answer."""
        try:
            with self.reading() as session:
                session.execute(select(JobRow.sequence).limit(1)).all()
        except DatabaseError as error:
            raise InvalidStore(
                f"the job store {self.name} does not answer: {error.orig}"
            ) from error

    @contextlib.contextmanager
    def reading(self) -> Iterator[Session]:
        """Open a transaction that sees one state of the database and changes nothing."""
        # No commit at the end: the transaction is rolled back, which frees its snapshot.
        with Session(self.engine) as session:
            yield session

    @contextlib.contextmanager
    def writing(self) -> Iterator[Session]:
        """Open a transaction that is committed if the block ends without an error."""
        # expire_on_commit=False: rows are converted after the commit, and must not be read again.
        writer = self.engine.execution_options(**{_BEGIN: "BEGIN IMMEDIATE"})
        with self._write_lock, Session(writer, expire_on_commit=False) as session, session.begin():
            yield session

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[Connection]:
        """Open a transaction that excludes every other exclusive one, in any process."""
        writer = self.engine.execution_options(**{_BEGIN: "BEGIN IMMEDIATE"})
        with self._write_lock, writer.begin() as connection:
            if self.path is None:
                connection.execute(text(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})"))
            yield connection

    def lock_topic(self, session: Session, topic: str) -> None:
        """Serialise the writing transactions of a topic, in any process, until each ends."""
        # SQLite has one writer at a time anyway.
        if self.path is None:
            session.execute(select(func.pg_advisory_xact_lock(func.hashtext(topic))))

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


def _configure_sqlite(connection: Any, _record: object) -> None:
    # `_begin` begins transactions; the driver would guess where they begin.
    connection.isolation_level = None
    cursor = connection.cursor()
    _enable_write_ahead_log(cursor)
    # An accepted job survives a power failure.
    cursor.execute("PRAGMA synchronous=FULL")
    # SQLite ignores foreign keys unless every connection turns them on.
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _enable_write_ahead_log(cursor: sqlite3.Cursor) -> None:
    """Switch to the write-ahead log, retrying while other processes open the file.

    SQLite's own busy timeout does not cover this statement.
    """
    deadline = time.monotonic() + BUSY_TIMEOUT
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
