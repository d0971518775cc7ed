"""Opening a database and bringing its tables to the version that this program reads."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import Connection, inspect, text
from sqlalchemy.exc import DatabaseError

from service.store.database import Database, InvalidStore
from service.store.schema import HEAD
from service.store.timeouts import Timeouts

# alembic keeps one context for the whole process.
_ALEMBIC_LOCK = threading.Lock()


def open_database(
    url: str | Path, clock: Callable[[], float] | None = None, timeouts: Timeouts | None = None
) -> Database:
    """Open a database whose tables are up to date; missing ones are created.

    Args:
        url: See `Database`.
        clock: See `Database`.
        timeouts: See `Database`.

    Raises:
        InvalidStore: The database is no job store, was written by a newer version, or cannot be
            opened.
    """
    database = Database(url, clock, timeouts)
    try:
        if database.path is not None:
            database.path.parent.mkdir(parents=True, exist_ok=True)
            _check_not_emptied(database.path)
        upgrade(database)
        if database.path is not None:
            _mark(database.path)
    except ModuleNotFoundError as error:
        database.close()
        raise InvalidStore(f"cannot use {database.name} as a job store: {error}") from error
    except (DatabaseError, OSError) as error:
        database.close()
        raise InvalidStore(f"cannot use {database.name} as a job store: {_why(error)}") from error
    except BaseException:
        database.close()
        raise

    return database


def _check_not_emptied(path: Path) -> None:
    """Raise InvalidStore if a SQLite file is empty that was a store before."""
    # Without the file itself, which somebody has removed on purpose, a new store is begun.
    if path.is_file() and not path.stat().st_size and _marker(path).exists():
        raise InvalidStore(
            f"{path} was a job store and is empty now: restore a backup, or remove "
            f"{_marker(path)} to begin a new one"
        )


def _mark(path: Path) -> None:
    """Note next to a SQLite file that it is a store."""
    # A store that can only be read needs no mark.
    with contextlib.suppress(PermissionError):
        _marker(path).touch()


def _marker(path: Path) -> Path:
    return path.with_name(f"{path.name}.marker")


def upgrade(database: Database) -> None:
    """Create the tables, or migrate those of an older version; all or nothing.

    Raises:
        InvalidStore: A newer version wrote them.
    """
    with database.engine.connect() as connection:
        # The common case, without the exclusive lock that would hold up all other starts.
        if revision_of(connection) == HEAD:
            return

    with database.exclusive() as connection:
        # Another process may have upgraded while this one waited for the lock.
        revision = revision_of(connection)
        if revision == HEAD:
            return

        # Also for the check of the revision: the known ones are those of the scripts.
        scripts = _Scripts(connection)
        if revision is not None and revision not in scripts.revisions():
            raise InvalidStore(
                f"{database.name} has schema version {revision}; this Pathfit reads versions up to"
                f" {HEAD}: use the Pathfit that wrote it, or another data folder"
            )
        with _ALEMBIC_LOCK:
            scripts.upgrade(revision)


def revision_of(connection: Connection) -> str | None:
    """Return the migration that a database is at; None for an empty database."""
    tables = inspect(connection).get_table_names()
    if "alembic_version" in tables:
        revision = connection.scalar(text("SELECT version_num FROM alembic_version"))
        return None if revision is None else str(revision)

    # The first version recorded its number in a table of its own, before there were migrations.
    if "meta" in tables:
        version = connection.scalar(text("SELECT value FROM meta WHERE key = 'schema_version'"))
        return None if version is None else f"{int(version):04d}"

    return None


def _why(error: DatabaseError | OSError) -> str | None:
    if isinstance(error, DatabaseError):
        return " ".join(str(error.orig).split())
    return error.strerror


class _Scripts:
    """The migrations of `service.migrations`, run by alembic over a given connection.

    alembic is imported only if there is something to upgrade: it takes a noticeable time.
    """

    def __init__(self, connection: Connection):
        from alembic.config import Config

        self._config = Config()
        self._config.set_main_option("script_location", "service:migrations")
        self._config.attributes["connection"] = connection

    def revisions(self) -> set[str]:
        from alembic.script import ScriptDirectory

        scripts = ScriptDirectory.from_config(self._config).walk_revisions()
        return {script.revision for script in scripts}

    def upgrade(self, revision: str | None) -> None:
        from alembic import command

        if revision is not None:
            # alembic would otherwise begin at the first migration for a store that recorded its
            # version elsewhere.
            command.stamp(self._config, revision)
        command.upgrade(self._config, "head")
