"""The store of a service: one database with all that outlives a process."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from service.store.agents import Agents
from service.store.changes import Changes
from service.store.engines import Engines
from service.store.events import Events
from service.store.files import Files
from service.store.idempotency import IdempotencyKeys
from service.store.jobs import Jobs
from service.store.leases import Leases
from service.store.migration import open_database
from service.store.sessions import Sessions
from service.store.timeouts import Timeouts
from service.store.tokens import Tokens


class Store:
    """The jobs of a service, the tokens of their owners, and the files uploaded for them.

    Args:
        url: `sqlite:////FOLDER/jobs.sqlite`, the path of that file, or
            `postgresql://USER:PASSWORD@HOST/NAME`.
        clock: Returns seconds since 1970. None takes the database's own clock.
        timeouts: Seconds after which work on the store fails. None takes the defaults.

    Attributes:
        jobs: Jobs: creation, listing, waiting, reports of attempts, removal.
        leases: Leases: engines claim jobs and hold them.
        events: Events of jobs.
        engines: State of the engines.
        agents: Devices that measure, and the jobs that wait for them.
        tokens: Tokens of owners.
        sessions: Browser sessions of tokens.
        files: Versions of uploaded files.
        idempotency: Keys of earlier requests.

    Raises:
        InvalidStore: The database is no job store, was written by a newer version, or cannot be
            opened.
    """

    def __init__(
        self,
        url: str | Path,
        clock: Callable[[], float] | None = None,
        timeouts: Timeouts | None = None,
    ):
        self.database = open_database(url, clock, timeouts)
        self.changes = Changes(self.database)
        self.idempotency = IdempotencyKeys(self.database)
        self.jobs = Jobs(self.database, self.changes, self.idempotency)
        self.leases = Leases(self.database, self.changes)
        self.events = Events(self.database, self.changes)
        self.engines = Engines(self.database)
        self.agents = Agents(self.database, self.changes, self.leases)
        self.tokens = Tokens(self.database)
        self.sessions = Sessions(self.database)
        self.files = Files(self.database)

    @property
    def name(self) -> str:
        """The database for messages, without its password."""
        return self.database.name

    @property
    def path(self) -> Path | None:
        """The file of a SQLite database; None for PostgreSQL."""
        return self.database.path

    def close(self) -> None:
        """Close all connections."""
        self.changes.close()
        self.database.close()

    def check(self) -> None:
        """Raise InvalidStore if the database does not answer."""
        self.database.check()

    def remove_expired(self) -> None:
        """Remove the idempotency keys and browser sessions whose lifetime is over."""
        self.idempotency.remove_expired()
        self.sessions.remove_expired()
