"""Connections to PostgreSQL that never wait without end, whatever state the server is in."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Generator, Iterator, Mapping
from typing import Any

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError

from service.store.timeouts import Timeouts

# SQLSTATE of a lock that was not free in time.
_LOCK_NOT_AVAILABLE = "55P03"


def create_postgresql_engine(url: URL, timeouts: Timeouts, options: Mapping[str, Any]) -> Engine:
    """Create an engine whose connections have timeouts.

    Args:
        url: URL of the database; a `connect_timeout` in it replaces that of `timeouts`.
        timeouts: Timeouts of connections and statements.
        options: Further options of `create_engine`.

    Raises:
        ModuleNotFoundError: psycopg is not installed.
    """
    connect_args = {}
    if "connect_timeout" not in url.query:
        connect_args["connect_timeout"] = max(2, round(timeouts.connect))

    engine = create_engine(
        url,
        pool_size=8,
        max_overflow=56,
        pool_pre_ping=True,
        pool_timeout=timeouts.pool,
        connect_args=connect_args,
        **options,
    )
    connection_class = _patient_connection(timeouts)

    @event.listens_for(engine, "do_connect")
    def connect(_dialect: Any, _record: Any, arguments: Any, parameters: Any) -> Any:
        return connection_class.connect(*arguments, **parameters)

    return engine


@contextlib.contextmanager
def unbounded(driver_connection: Any) -> Iterator[None]:
    """Let the statements of a transaction take any time within the block, such as migrations."""
    # LOCAL: the pool gives the connection to others after this transaction.
    driver_connection.execute("SET LOCAL lock_timeout = 0")
    driver_connection.execute("SET LOCAL statement_timeout = 0")
    with driver_connection.unbounded():
        yield


def is_locked(error: DBAPIError) -> bool:
    """Return whether an error means that another transaction has locked a row for too long."""
    return getattr(error.orig, "sqlstate", None) == _LOCK_NOT_AVAILABLE


def _patient_connection(timeouts: Timeouts) -> Any:
    """Return a class of connections that are closed if the server does not answer in time."""
    import psycopg

    # The server counts milliseconds; 0 would mean no limit.
    limits = (
        f"SET lock_timeout = {max(1, round(1000 * timeouts.lock))};"
        f"SET statement_timeout = {max(1, round(1000 * timeouts.statement))}"
    )

    class PatientConnection(psycopg.Connection[Any]):
        response_timeout: float | None = timeouts.response

        @classmethod
        def connect(cls, *arguments: Any, **parameters: Any) -> Any:
            connection = super().connect(*arguments, **parameters)

            # Not by the start-up parameter `options`, which poolers such as PgBouncer refuse.
            # Outside a transaction, whose rollback would undo the settings.
            connection.autocommit = True
            connection.execute(limits.encode())
            connection.autocommit = False

            return connection

        @contextlib.contextmanager
        def unbounded(self) -> Iterator[None]:
            self.response_timeout = None
            try:
                yield
            finally:
                self.response_timeout = timeouts.response

        def wait(self, gen: Any, *arguments: Any, **parameters: Any) -> Any:
            # Every exchange with the server passes through here. A server that is frozen, not
            # dead, keeps its connections open, and its own timeouts do not pass.
            if self.response_timeout is None:
                return super().wait(gen, *arguments, **parameters)

            deadline = time.monotonic() + self.response_timeout
            try:
                return super().wait(_until(deadline, gen), *arguments, **parameters)
            except _NoAnswer as error:
                # The answer may still come: it must not be taken for that of another statement.
                self.pgconn.finish()
                raise psycopg.OperationalError(
                    f"the server has not answered for {timeouts.response:g} s"
                ) from error

    return PatientConnection


class _NoAnswer(Exception):
    """The server has not answered in time."""


def _until(deadline: float, exchange: Generator[Any, Any, Any]) -> Generator[Any, Any, Any]:
    """Pass on an exchange of psycopg with the server; raises _NoAnswer after the deadline."""
    try:
        awaited = next(exchange)
        while True:
            # False if nothing has come within psycopg's interval.
            ready = yield awaited
            if not ready and time.monotonic() >= deadline:
                raise _NoAnswer
            awaited = exchange.send(ready)
    except StopIteration as end:
        return end.value
