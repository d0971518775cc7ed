"""Uploaded files as immutable versions, so that a job's input never changes under it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import Select, func, select, update
from sqlalchemy.orm import Session

from service.jobs import JsonObject
from service.store.database import Database
from service.store.schema import FileRow
from service.store.tokens import check_storage
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
        id: Number of the version among those of all files.
    """

    kind: str
    name: str
    version: int
    sha256: str
    artifact: str
    owner: str | None
    created: float
    library: str = SHARED_LIBRARY
    id: int = field(default=0, compare=False)


# Columns of the fields of `FileVersion`, in their order. Summaries are read for the entries of one
# page only.
_COLUMNS = (
    FileRow.kind,
    FileRow.name,
    FileRow.version,
    FileRow.sha256,
    FileRow.artifact,
    FileRow.owner,
    FileRow.created,
    FileRow.library,
    FileRow.id,
)


_IS_PRESENT = FileRow.removed.is_(None)


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
        *,
        size: int | None = None,
        summary: JsonObject | None = None,
        enforce_quota: bool = False,
    ) -> FileVersion:
        """Add a version; content equal to the latest version's is not added again.

        Args:
            kind: table, predictor or evaluations.
            name: Name by which requests refer to it.
            sha256: Digest of the content.
            artifact: Path of the content.
            owner: Id of the token that uploads it; None for none.
            library: Id of the token whose library is to have it, or `SHARED_LIBRARY`.
            size: Bytes of the content; None if unknown.
            summary: Summary of the content for lists, with its `space`; None if unknown.
            enforce_quota: Whether a version beyond the token's quota of bytes is refused. A file
                that a job has made is not, as the job is done.

        Returns:
            The new version, or the latest one if its content is equal.

        Raises:
            UnknownName: There is no such kind.
            StorageExceeded: The files of the token that uploads it would have more bytes than its
                quota.
        """
        if kind not in KINDS:
            raise UnknownName("kind of file", kind, KINDS)

        with self._database.writing() as session:
            # Two uploads of a name must not both become the same version.
            self._database.lock_topic(session, f"file {library} {kind} {name}")
            latest = _latest_row(session, library, kind, name, with_removed=True)
            if latest is not None and latest.sha256 == sha256 and latest.removed is None:
                return _version_from_row(latest)

            if enforce_quota and owner is not None and size is not None:
                check_storage(session, owner, size)

            row = FileRow(kind=kind, name=name, sha256=sha256, artifact=artifact, owner=owner)
            row.library = library
            row.version = 1 if latest is None else latest.version + 1
            row.created = self._database.now(session)
            row.size = size
            row.summary = summary
            row.space = None if summary is None else summary.get("space")
            session.add(row)
            # Inside the lock: a violated constraint appears here rather than at the commit.
            session.flush()
            return _version_from_row(row)

    def check_storage(self, owner: str, size: int) -> None:
        """Raise StorageExceeded if a token may not upload so many bytes."""
        with self._database.reading() as session:
            check_storage(session, owner, size, lock=False)

    def remove(self, kind: str, name: str, library: str) -> int:
        """Remove all versions of a name, and return their number.

        The contents remain for jobs that are pinned to them until `gc` finds that no job needs
        them. The rows remain as well, so that a trained predictor is not published again.
        """
        same_name = (FileRow.kind == kind, FileRow.name == name, FileRow.library == library)
        with self._database.writing() as session:
            removed = session.execute(
                update(FileRow)
                .where(*same_name, FileRow.removed.is_(None))
                .values(removed=self._database.now(session))
                .returning(FileRow.id),
                execution_options={"synchronize_session": False},
            )
            return len(removed.all())

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
        space: str | None = None,
        *,
        with_removed: bool = False,
    ) -> Sequence[FileVersion]:
        """List the latest version of every name, or every version of one name, newest first.

        Args:
            kind: Kind of the files; None for every kind.
            name: The one name; None for every name.
            libraries: Ids of the libraries; None for every library.
            space: Space of the files, as their summaries have it; None for every space.
            with_removed: Whether removed versions of the one name are listed too.
        """
        query = _select_versions()
        query = query.where(FileRow.name == name) if name else _only_latest(query, kind)
        query = _filtered(query, kind, libraries)
        if space is not None:
            query = query.where(FileRow.space == space)
        if not with_removed:
            query = query.where(_IS_PRESENT)

        newest_first = query.order_by(FileRow.kind, FileRow.name, FileRow.version.desc())
        with self._database.reading() as session:
            return [FileVersion(*row) for row in session.execute(newest_first)]

    def names(self, kind: str, library: str) -> Sequence[str]:
        """List the names of the files of a kind in a library."""
        same_library = (FileRow.kind == kind, FileRow.library == library)
        query = select(FileRow.name).where(*same_library, _IS_PRESENT)
        with self._database.reading() as session:
            return session.scalars(query.distinct().order_by(FileRow.name)).all()

    def find(self, kind: str, library: str, names: Collection[str]) -> Sequence[FileVersion]:
        """Return the latest versions of several names in a library, without names of no file."""
        latest = (
            select(func.max(FileRow.id))
            .where(FileRow.library == library, FileRow.kind == kind, FileRow.name.in_(names))
            .where(_IS_PRESENT)
            .group_by(FileRow.name)
        )
        with self._database.reading() as session:
            query = _select_versions().where(FileRow.id.in_(latest))
            return [FileVersion(*row) for row in session.execute(query)]

    def libraries(self, kind: str) -> Sequence[str]:
        """List the ids of the libraries that have files of a kind."""
        query = select(FileRow.library).where(FileRow.kind == kind, _IS_PRESENT).distinct()
        with self._database.reading() as session:
            return session.scalars(query.order_by(FileRow.library)).all()

    # Removal by operators

    def list_obsolete(self, older_than_s: float) -> Sequence[FileVersion]:
        """List the versions that a newer one has replaced, or that were removed.

        Args:
            older_than_s: Seconds since the removal, or since the upload of a replaced version.
        """
        latest = _only_latest(select(FileRow.id), None)
        with self._database.reading() as session:
            before = self._database.now(session) - older_than_s
            is_old = func.coalesce(FileRow.removed, FileRow.created) < before
            # Those without an artifact were collected before.
            is_left = FileRow.artifact != ""
            query = _select_versions().where(FileRow.id.not_in(latest), is_old, is_left)
            return [FileVersion(*row) for row in session.execute(query.order_by(FileRow.id))]

    def collect(self, ids: Collection[int]) -> None:
        """Remove versions together with their references to contents."""
        with self._database.writing() as session:
            removed = func.coalesce(FileRow.removed, self._database.now(session))
            session.execute(
                update(FileRow).where(FileRow.id.in_(ids)).values(removed=removed, artifact=""),
                execution_options={"synchronize_session": False},
            )

    def present_artifacts(self) -> set[str]:
        """Return the paths of the contents of all versions that were not removed."""
        with self._database.reading() as session:
            return set(session.scalars(select(FileRow.artifact).where(_IS_PRESENT)))

    # Sizes

    def without_size(self) -> Sequence[FileVersion]:
        """List the versions that a version of Pathfit without sizes added."""
        query = _select_versions().where(
            FileRow.size.is_(None), FileRow.artifact != "", _IS_PRESENT
        )
        with self._database.reading() as session:
            return [FileVersion(*row) for row in session.execute(query)]

    def record_size(self, version_id: int, size: int) -> None:
        """Store the bytes of a version's content."""
        with self._database.writing() as session:
            session.execute(update(FileRow).where(FileRow.id == version_id).values(size=size))

    # Summaries

    def summaries(self, ids: Collection[int]) -> dict[int, JsonObject | None]:
        """Map the ids of versions to their summaries; None for one that has none yet."""
        query = select(FileRow.id, FileRow.summary).where(FileRow.id.in_(ids))
        with self._database.reading() as session:
            return {row.id: row.summary for row in session.execute(query)}

    def spaces(self, kind: str, libraries: Collection[str] | None = None) -> set[str]:
        """Return the spaces of the latest versions of a kind."""
        query = _filtered(_only_latest(select(FileRow.space), kind), kind, libraries).distinct()
        with self._database.reading() as session:
            return {space for space in session.scalars(query) if space is not None}

    def without_summary(self, kind: str) -> Sequence[FileVersion]:
        """List the latest versions of a kind that a version of Pathfit without summaries added."""
        query = _only_latest(_select_versions(), kind)
        query = query.where(FileRow.kind == kind, FileRow.summary.is_(None))
        with self._database.reading() as session:
            return [FileVersion(*row) for row in session.execute(query)]

    def summarise(self, version_id: int, summary: JsonObject) -> None:
        """Store the summary of a version."""
        values = {"summary": summary, "space": summary.get("space")}
        with self._database.writing() as session:
            session.execute(update(FileRow).where(FileRow.id == version_id).values(**values))


def _select_versions() -> Select[Any]:
    query: Select[*tuple[Any, ...]] = select(*_COLUMNS)
    return query


def _only_latest(query: Select[Any], kind: str | None) -> Select[Any]:
    # Ids increase, so that the greatest one of a name is that of its latest version.
    key = (FileRow.library, FileRow.kind, FileRow.name)
    latest = select(func.max(FileRow.id)).where(_IS_PRESENT).group_by(*key)
    if kind is not None:
        latest = latest.where(FileRow.kind == kind)
    return query.where(FileRow.id.in_(latest))


def _filtered(
    query: Select[Any], kind: str | None, libraries: Collection[str] | None
) -> Select[Any]:
    if kind is not None:
        query = query.where(FileRow.kind == kind)
    return query if libraries is None else query.where(FileRow.library.in_(libraries))


def _latest_row(
    session: Session, library: str, kind: str, name: str, *, with_removed: bool = False
) -> FileRow | None:
    query = select(FileRow).where(
        FileRow.library == library, FileRow.kind == kind, FileRow.name == name
    )
    if not with_removed:
        query = query.where(_IS_PRESENT)
    return session.scalar(query.order_by(FileRow.version.desc()).limit(1))


def _version_from_row(row: FileRow) -> FileVersion:
    return FileVersion(*(getattr(row, column.key) for column in _COLUMNS))
