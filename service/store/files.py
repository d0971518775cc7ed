"""Uploaded files as immutable versions, so that a job's input never changes under it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.store.database import Database
from service.store.schema import FileRow
from spaces.errors import UnknownName

KINDS = ("table", "predictor", "evaluations")

SHARED_LIBRARY = ""
"""Id of the library that belongs to no token."""


@dataclass(frozen=True)
class FileVersion:
    """One version of an uploaded file.

    Args:
        kind: table, predictor or evaluations.
        name: Name by which requests refer to it.
        version: Number that counts from 1 for each library, kind and name.
        sha256: Digest of the content.
        artifact: Path of the content, as `Artifacts.read` takes it.
        owner: Id of the token that uploaded it; None for none.
        created: Seconds since 1970.
        library: Id of the token whose library has it, or `SHARED_LIBRARY`.
    """

    kind: str
    name: str
    version: int
    sha256: str
    artifact: str
    owner: str | None
    created: float
    library: str = SHARED_LIBRARY


class Files:
    """The uploaded files of a store.

    Args:
        database: Has the versions; the contents are artifacts.
    """

    def __init__(self, database: Database):
        self._database = database

    def add(
        self,
        kind: str,
        name: str,
        sha256: str,
        artifact: str,
        owner: str | None = None,
        library: str = SHARED_LIBRARY,
    ) -> FileVersion:
        """Add a version; content equal to the latest version's is not added again.

        Args:
            kind: table, predictor or evaluations.
            name: Name by which requests refer to it.
            sha256: Digest of the content.
            artifact: Path of the content.
            owner: Id of the token that uploads it; None for none.
            library: Id of the token whose library is to have it, or `SHARED_LIBRARY`.

        Returns:
            The new version, or the latest one if its content is equal.

        Raises:
            UnknownName: There is no such kind.
        """
        if kind not in KINDS:
            raise UnknownName("kind of file", kind, KINDS)

        with self._database.writing() as session:
            # Two uploads of a name must not both become the same version.
            self._database.lock_topic(session, f"file {library} {kind} {name}")
            latest = _latest_row(session, library, kind, name)
            if latest is not None and latest.sha256 == sha256:
                return _version_from_row(latest)

            row = FileRow(kind=kind, name=name, sha256=sha256, artifact=artifact, owner=owner)
            row.library = library
            row.version = 1 if latest is None else latest.version + 1
            row.created = self._database.now(session)
            session.add(row)
            # Inside the lock: a violated constraint appears here rather than at the commit.
            session.flush()
            return _version_from_row(row)

    def latest(self, kind: str, name: str, library: str = SHARED_LIBRARY) -> FileVersion | None:
        """Return the latest version of a name in a library; None if there is none."""
        # PostgreSQL's texts cannot contain NUL.
        if "\0" in name:
            return None
        with self._database.reading() as session:
            row = _latest_row(session, library, kind, name)
            return None if row is None else _version_from_row(row)

    def list(
        self,
        kind: str | None = None,
        name: str | None = None,
        libraries: Collection[str] | None = None,
    ) -> Sequence[FileVersion]:
        """List the latest version of every name, or every version of one name, newest first.

        Args:
            kind: Kind of the files; None for every kind.
            name: The one name; None for every name.
            libraries: Ids of the libraries; None for every library.
        """
        query = select(FileRow).order_by(FileRow.kind, FileRow.name, FileRow.version.desc())
        if kind is not None:
            query = query.where(FileRow.kind == kind)
        if name is not None:
            query = query.where(FileRow.name == name)
        else:
            # Ids increase, so that the greatest one of a name is that of its latest version.
            key = (FileRow.library, FileRow.kind, FileRow.name)
            query = query.where(FileRow.id.in_(select(func.max(FileRow.id)).group_by(*key)))
        if libraries is not None:
            query = query.where(FileRow.library.in_(libraries))

        with self._database.reading() as session:
            return [_version_from_row(row) for row in session.scalars(query)]


def _latest_row(session: Session, library: str, kind: str, name: str) -> FileRow | None:
    query = select(FileRow).where(
        FileRow.library == library, FileRow.kind == kind, FileRow.name == name
    )
    return session.scalar(query.order_by(FileRow.version.desc()).limit(1))


def _version_from_row(row: FileRow) -> FileVersion:
    return FileVersion(
        row.kind,
        row.name,
        row.version,
        row.sha256,
        row.artifact,
        row.owner,
        row.created,
        row.library,
    )
