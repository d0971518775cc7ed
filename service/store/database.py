"""Database: the store's connections and transactions, the same over SQLite and PostgreSQL."""

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

_BEGIN = "pathfit_begin"


class InvalidStore(PathfitError):
    """A store that cannot be used; which one and why is named."""


class Database:
    """A database that has the store's tables; made and brought up to date where need be.

    Args:
        url: `sqlite:///FILE` or `postgresql://USER@HOST/NAME`.
        clock: seconds since 1970; None takes the database's own clock where it is shared between
            machines.
        prepare: whether to make the tables or bring them up to date.

    Raises:
        InvalidStore: it is no store, was written by a newer version, or cannot be opened.
    """

    def __init__(
        self, url: str | Path, clock: Callable[[], float] | None = None, prepare: bool = True
    ):
        self.url = read_url(url)
        self.name = str(self.path or self.url.render_as_string(hide_password=True))
        self._clock = clock or (time.time if self.path is not None else None)
        # SQLite has one writer at a time: taking turns is fairer, and quicker, than its own trying
        # again.
        self._turn: contextlib.AbstractContextManager[Any] = (
            threading.Lock() if self.path else contextlib.nullcontext()
        )
        self.engine = self._connected()
        if prepare:
            try:
                self._prepare()
            except BaseException:
                self.close()
                raise

    @property
    def path(self) -> Path | None:
        """The file of a SQLite database."""
        return Path(self.url.database or "") if self.url.get_backend_name() == "sqlite" else None

    def _connected(self) -> Engine:
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
        event.listen(engine, "connect", _configure)
        event.listen(engine, "begin", _begin)
        return engine

    def _prepare(self) -> None:
        from service.store.migration import upgrade

        try:
            if self.path is not None:
                self.path.parent.mkdir(parents=True, exist_ok=True)
            upgrade(self)
        except ModuleNotFoundError as error:
            raise InvalidStore(f"cannot use {self.name} as a job store: {error}") from error
        except (DatabaseError, OSError) as error:
            reason = (
                " ".join(str(error.orig).split())
                if isinstance(error, DatabaseError)
                else error.strerror
            )
            raise InvalidStore(f"cannot use {self.name} as a job store: {reason}") from error

    def close(self) -> None:
        """Close all connections."""
        self.engine.dispose()

    def check(self) -> None:
        """Raise InvalidStore where the database does not answer."""
        try:
            with self.reading() as session:
                session.execute(select(JobRow.sequence).limit(1)).all()
        except DatabaseError as error:
            raise InvalidStore(
                f"the job store {self.name} does not answer: {error.orig}"
            ) from error

    @contextlib.contextmanager
    def reading(self) -> Iterator[Session]:
        """A transaction that sees one state of the database and changes nothing."""
        with Session(self.engine) as session:
            yield session

    @contextlib.contextmanager
    def writing(self) -> Iterator[Session]:
        """A transaction that is committed when the block ends without an error."""
        writer = self.engine.execution_options(**{_BEGIN: "BEGIN IMMEDIATE"})
        with self._turn, Session(writer, expire_on_commit=False) as session, session.begin():
            yield session

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[Connection]:
        """A transaction of one connection that no other one of its kind runs beside, in any
        process.
        """
        with (
            self._turn,
            self.engine.execution_options(**{_BEGIN: "BEGIN IMMEDIATE"}).begin() as connection,
        ):
            if self.path is None:
                connection.execute(text("SELECT pg_advisory_xact_lock(7284348)"))
            yield connection

    def alone(self, session: Session, topic: str) -> None:
        """Have a writing transaction wait for every other one of a topic, in any process."""
        if self.path is None:  # SQLite has one writer at a time anyway
            session.execute(select(func.pg_advisory_xact_lock(func.hashtext(topic))))

    def now(self, session: Session) -> float:
        """Seconds since 1970, by one clock for all who share the database."""
        if self._clock is not None:
            return self._clock()
        return float(session.scalar(select(func.extract("epoch", func.clock_timestamp()))) or 0.0)


def read_url(url: str | Path) -> URL:
    """A database's URL; a path is that of a SQLite file.

    Raises:
        InvalidStore: it is no URL, or of another kind of database.
    """
    if isinstance(url, Path):
        return URL.create("sqlite", database=str(url))
    wanted = "a database is given as sqlite:////FOLDER/jobs.sqlite or postgresql://USER:PASSWORD@HOST/NAME"
    try:
        read = make_url(url)
        backend = read.get_backend_name()
    except (ArgumentError, NoSuchModuleError, ValueError) as error:
        raise InvalidStore(f"not the URL of a database; {wanted}") from error
    if backend == "postgresql":
        # psycopg is what the extra brings; a driver that the URL names is not asked for.
        return read.set(drivername="postgresql+psycopg")
    if backend != "sqlite" or read.database in (None, "", ":memory:"):
        raise InvalidStore(
            f"{read.render_as_string(hide_password=True)!r:.200} is no store; {wanted}"
        )
    return read


def _configure(connection: Any, _record: object) -> None:
    connection.isolation_level = (
        None  # transactions are begun by `_begin`, not by the driver's guess
    )
    cursor = connection.cursor()
    _log_ahead(cursor)
    cursor.execute("PRAGMA synchronous=FULL")  # an accepted job survives a power failure
    cursor.execute("PRAGMA foreign_keys=ON")
    cursor.close()


def _log_ahead(cursor: sqlite3.Cursor) -> None:
    """Switch to the write-ahead log; what SQLite does not wait for by itself where others open the
    file too.
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
    # A writer takes its lock at once: one that began by reading could not wait for others any more.
    connection.exec_driver_sql(connection.get_execution_options().get(_BEGIN, "BEGIN"))


def _to_json(value: object) -> str:
    """A value as JSON, in which there is no NaN and no infinity: null stands for them."""
    try:
        return json.dumps(value, allow_nan=False)
    except ValueError:
        return json.dumps(_finite(value), allow_nan=False)


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(part) for key, part in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
