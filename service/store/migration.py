"""Bringing a database to the tables that this version reads."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from sqlalchemy import Connection, inspect, text

from service.store.schema import HEAD

if TYPE_CHECKING:
    from service.store.database import Database


_ALEMBIC = threading.Lock()
"""Held while alembic works: its context is one for the whole process."""


def upgrade(database: Database) -> None:
    """Make the tables, or change those of an older version; all or nothing.

    Raises:
        InvalidStore: a newer version wrote them.
    """
    from service.store.database import InvalidStore

    with database.engine.connect() as connection:
        if revision_of(connection) == HEAD:
            return
    with database.exclusive() as connection:
        found = revision_of(connection)  # another process may have been quicker
        if found == HEAD:
            return
        scripts = _Scripts(connection)
        if found is not None and found not in scripts.known():
            raise InvalidStore(
                f"{database.name} has schema version {found}; this Pathfit reads versions up to"
                f" {HEAD}: use the Pathfit that wrote it, or another data folder"
            )
        with _ALEMBIC:
            scripts.upgrade(found)


def revision_of(connection: Connection) -> str | None:
    """The migration that a database is at; None where there is none yet."""
    tables = inspect(connection).get_table_names()
    if "alembic_version" in tables:
        found = connection.scalar(text("SELECT version_num FROM alembic_version"))
        return None if found is None else str(found)
    if "meta" in tables:  # what kept its version by itself, before there were migrations
        version = connection.scalar(text("SELECT value FROM meta WHERE key = 'schema_version'"))
        return None if version is None else f"{int(version):04d}"
    return None


class _Scripts:
    """alembic, told of a connection; imported only where there is something to do."""

    def __init__(self, connection: Connection):
        from alembic.config import Config

        self._config = Config()
        self._config.set_main_option("script_location", "service:migrations")
        self._config.attributes["connection"] = connection

    def known(self) -> set[str]:
        from alembic.script import ScriptDirectory

        return {
            script.revision for script in ScriptDirectory.from_config(self._config).walk_revisions()
        }

    def upgrade(self, found: str | None) -> None:
        from alembic import command

        if found is not None:
            command.stamp(self._config, found)
        command.upgrade(self._config, "head")
