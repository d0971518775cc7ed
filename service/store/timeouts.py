"""Timeouts of the store."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Timeouts:
    """Seconds after which work on the store fails, so that nobody waits without end.

    Args:
        connect: Until PostgreSQL accepts a connection; at least 2.
        pool: Until another thread of this process frees a connection to PostgreSQL.
        lock: Until another transaction frees a row of PostgreSQL.
        statement: Until PostgreSQL has executed a statement.
        response: Until PostgreSQL answers at all; longer than `statement`, since a server that
            works reports by itself that a statement has taken too long.
        busy: Until another process has written to SQLite, and again until the other threads of
            this one have.
    """

    connect: float = 3.0
    pool: float = 5.0
    lock: float = 3.0
    statement: float = 6.0
    response: float = 8.0
    busy: float = 10.0
