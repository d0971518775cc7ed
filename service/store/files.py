"""Files: uploads as immutable versions, so that what a job names never changes under it."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from service.store.database import Database
from service.store.schema import FileRow
from spaces.errors import UnknownName

KINDS = ("table", "predictor", "evaluations")


@dataclass(frozen=True)
class FileVersion:
    """One version of an upload.

    Args:
        kind: table, predictor or evaluations.
        name: what requests call it.
        version: counts from 1 for each kind and name.
        sha256: of the content.
        artifact: the content, as `Artifacts.read` takes it.
        owner: id of the token that uploaded it.
        created: seconds since 1970.
    """

    kind: str
    name: str
    version: int
    sha256: str
    artifact: str
    owner: str | None
    created: float


class Files:
    """The uploads of a store."""

    def __init__(self, database: Database):
        self._database = database

    def add(
        self, kind: str, name: str, sha256: str, artifact: str, owner: str | None = None
    ) -> FileVersion:
        """Add a version; what is the latest already is not added again.

        Raises:
            UnknownName: the kind is none.
        """
        if kind not in KINDS:
            raise UnknownName("kind of file", kind, KINDS)
        with self._database.writing() as session:
            self._database.alone(session, f"file {kind} {name}")
            return self._added(session, kind, name, sha256, artifact, owner)

    def _added(
        self, session: Session, kind: str, name: str, sha256: str, artifact: str, owner: str | None
    ) -> FileVersion:
        newest = _newest(session, kind, name)
        if newest is not None and newest.sha256 == sha256:
            return _version(newest)
        number = 1 if newest is None else newest.version + 1
        row = FileRow(
            kind=kind, name=name, version=number, sha256=sha256, artifact=artifact, owner=owner
        )
        row.created = self._database.now(session)
        session.add(row)
        session.flush()
        return _version(row)

    def latest(self, kind: str, name: str) -> FileVersion | None:
        """The newest version of a name."""
        with self._database.reading() as session:
            row = None if "\0" in name else _newest(session, kind, name)
            return None if row is None else _version(row)

    def list(self, kind: str | None = None, name: str | None = None) -> list[FileVersion]:
        """The newest version of every name; every version of one name, newest first."""
        query = select(FileRow).order_by(FileRow.kind, FileRow.name, FileRow.version.desc())
        if kind is not None:
            query = query.where(FileRow.kind == kind)
        if name is not None:
            query = query.where(FileRow.name == name)
        else:
            newest = select(func.max(FileRow.id)).group_by(FileRow.kind, FileRow.name)
            query = query.where(FileRow.id.in_(newest))
        with self._database.reading() as session:
            return [_version(row) for row in session.scalars(query)]


def _newest(session: Session, kind: str, name: str) -> FileRow | None:
    query = select(FileRow).where(FileRow.kind == kind, FileRow.name == name)
    return session.scalar(query.order_by(FileRow.version.desc()).limit(1))


def _version(row: FileRow) -> FileVersion:
    return FileVersion(
        row.kind, row.name, row.version, row.sha256, row.artifact, row.owner, row.created
    )
