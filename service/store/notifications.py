"""Notifications that jobs have changed, between the processes that share a store.

PostgreSQL sends them itself: a trigger of the table of events calls NOTIFY. With SQLite each
process that listens has a socket in a folder next to the database's file, and whoever writes sends
a datagram to each of them. So nobody has to poll the database.
"""

from __future__ import annotations

import contextlib
import os
import secrets
import socket
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any, Protocol

from sqlalchemy import func, select

from service.store.database import Database
from service.store.schema import CHANNEL, EventRow, JobRow

# Greatest length of the path of a socket; Linux and macOS accept a few bytes more.
_MAX_ADDRESS = 100


class Listener(Protocol):
    """Receives notifications of other processes."""

    def fileno(self) -> int:
        """Return the descriptor that is readable as soon as there is a notification."""

    def read(self) -> Collection[str]:
        """Take the notifications that have arrived, and return the ids of the changed jobs.

        Raises:
            OSError: The connection is lost.
            SQLAlchemyError: The database does not answer.
        """

    def close(self) -> None:
        """Stop receiving."""


class Notifications(Protocol):
    """The notifications of one database, as one process sends and receives them."""

    def send(self) -> None:
        """Notify the other processes of a change that was committed."""

    def listen(self) -> Listener:
        """Begin to receive notifications.

        Raises:
            OSError: The system refuses a socket.
            SQLAlchemyError: The database does not answer.
        """


def notifications_of(database: Database) -> Notifications:
    """Return the notifications of a database."""
    if database.path is None:
        return PostgresNotifications(database)
    return SocketNotifications(database, database.path)


class PostgresNotifications:
    """PostgreSQL's notifications, each of which names a job.

    Args:
        database: The database.
    """

    def __init__(self, database: Database):
        self._database = database

    def send(self) -> None:
        """Do nothing: the trigger has sent the notification with the commit."""

    def listen(self) -> Listener:
        """Begin to receive notifications, by a connection for nothing else."""
        pooled = self._database.engine.raw_connection()
        connection: Any = pooled.driver_connection
        # It waits as long as the process lives, which must not occupy a connection of the pool.
        pooled.detach()
        connection.autocommit = True
        connection.execute(f"LISTEN {CHANNEL}")
        return _PostgresListener(connection)


class _PostgresListener:
    def __init__(self, connection: Any):
        self._connection = connection

    def fileno(self) -> int:
        return int(self._connection.fileno())

    def read(self) -> Collection[str]:
        from psycopg import Error

        # Not the connection's own `notifies`, which waits for a notification.
        protocol = self._connection.pgconn
        job_ids = set()
        try:
            protocol.consume_input()
            while (notification := protocol.notifies()) is not None:
                job_ids.add(notification.extra.decode())
        except Error as error:
            raise ConnectionError(f"the connection for notifications is lost: {error}") from error

        return job_ids

    def close(self) -> None:
        self._connection.close()


class SocketNotifications:
    """Datagrams to sockets in a folder next to the file of a SQLite database.

    Args:
        database: The database.
        path: Its file.
    """

    def __init__(self, database: Database, path: Path):
        self._database = database
        self._folder = path.with_name(f"{path.name}-changes")
        self._name = f"{os.getpid()}-{secrets.token_hex(4)}"

    def send(self) -> None:
        """Send a datagram to every other process that listens.

        No error is raised: the change is committed, and readers look at the database without
        notifications too, only later.
        """
        with contextlib.suppress(OSError):
            paths = [path for path in self._folder.iterdir() if path.name != self._name]
            if not paths:
                return

            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
                sender.setblocking(False)
                for path in paths:
                    _send_to(sender, path)

    def listen(self) -> Listener:
        """Begin to receive datagrams."""
        self._folder.mkdir(mode=0o700, exist_ok=True)
        return _SocketListener(self._database, self._folder / self._name)


class _SocketListener:
    """Receives datagrams by a socket.

    They contain nothing, since those that find the socket's buffer full are lost: which jobs have
    changed is read from the events that were added since the last reading.
    """

    def __init__(self, database: Database, path: Path):
        self._database = database
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            self._socket.setblocking(False)
            with _address(path) as address:
                self._socket.bind(address)
            # After the socket is bound: an event between the two would be in neither.
            self._last_event = self._newest_event()
        except BaseException:
            self.close()
            raise

    def fileno(self) -> int:
        return self._socket.fileno()

    def read(self) -> Collection[str]:
        # All of them before the query, which then finds everything that they announced.
        with contextlib.suppress(BlockingIOError):
            while True:
                self._socket.recv(1)

        query = (
            select(EventRow.id, JobRow.id)
            .join(JobRow, JobRow.sequence == EventRow.job)
            .where(EventRow.id > self._last_event)
        )
        with self._database.reading() as session:
            rows = session.execute(query).all()

        # SQLite has one writer at a time, so that ids increase in the order of the commits.
        self._last_event = max((event_id for event_id, _ in rows), default=self._last_event)
        return {job_id for _, job_id in rows}

    def close(self) -> None:
        self._socket.close()
        self._path.unlink(missing_ok=True)

    def _newest_event(self) -> int:
        with self._database.reading() as session:
            return session.scalar(select(func.max(EventRow.id))) or 0


def _send_to(sender: socket.socket, path: Path) -> None:
    try:
        with _address(path) as address:
            sender.sendto(b"\0", address)
    except ConnectionRefusedError:
        # The process was killed and left its socket.
        path.unlink(missing_ok=True)
    # The process has just ended, or has unread datagrams enough to look at the database.
    except OSError:
        return


@contextlib.contextmanager
def _address(path: Path) -> Iterator[str]:
    """Yield an address for a socket's path that is as short as the system needs."""
    address = str(path)
    if len(os.fsencode(address)) <= _MAX_ADDRESS:
        yield address
        return

    # Linux finds the folder by its descriptor; other systems refuse the address.
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
