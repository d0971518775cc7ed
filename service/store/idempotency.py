"""Idempotency keys: a repeated request is answered by the job of the first, for 24 hours."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from service.store.database import Database
from service.store.schema import IdempotencyRow, JobRow
from spaces.errors import PathfitError

LIFETIME = 24 * 3600.0
"""Seconds for which a key is remembered."""


class IdempotencyConflict(PathfitError):
    """A key that was used before for a request with another body.

    Args:
        key: The key.
    """

    def __init__(self, key: str):
        self.key = key
        super().__init__(
            f"the Idempotency-Key {key!r:.80} was used for a request with another body; choose a"
            " new key"
        )


@dataclass(frozen=True)
class IdempotencyKey:
    """A request's key, with the properties that two equal requests of an owner share.

    Args:
        key: Key that the client chose.
        method: Method of the request, such as POST.
        path: Path of the request, such as /search.
        body_sha256: Digest of the request's body.
    """

    key: str
    method: str
    path: str
    body_sha256: str


class IdempotencyKeys:
    """The idempotency keys that a store remembers.

    Args:
        database: Has the keys.
    """

    def __init__(self, database: Database):
        self._database = database

    def find_job(
        self, session: Session, key: IdempotencyKey, owner: str | None, now: float
    ) -> JobRow | None:
        """Find the job that answered a request before, inside a transaction.

        Args:
            session: The transaction.
            key: Key of the request.
            owner: Id of the request's token; None for none.
            now: Seconds since 1970.

        Raises:
            IdempotencyConflict: The key was used with another body.
        """
        same_request = (
            IdempotencyRow.owner == (owner or ""),
            IdempotencyRow.method == key.method,
            IdempotencyRow.path == key.path,
            IdempotencyRow.key == key.key,
        )
        is_expired = IdempotencyRow.created <= now - LIFETIME
        # An expired key may be used again, for another job.
        session.execute(delete(IdempotencyRow).where(*same_request, is_expired))

        row = session.scalar(select(IdempotencyRow).where(*same_request))
        if row is None:
            return None
        if row.body_sha256 != key.body_sha256:
            raise IdempotencyConflict(key.key)

        return session.get(JobRow, row.job)

    def remember(
        self, session: Session, key: IdempotencyKey, owner: str | None, job: JobRow, now: float
    ) -> None:
        """Answer a request by a job from now on, inside the transaction that creates the job."""
        session.add(
            IdempotencyRow(
                # A primary key cannot be NULL.
                owner=owner or "",
                method=key.method,
                path=key.path,
                key=key.key,
                body_sha256=key.body_sha256,
                job=job.sequence,
                created=now,
            )
        )
        # At once: the database refuses a key that another process has just written.
        session.flush()

    def remove_expired(self) -> None:
        """Remove the keys whose lifetime is over."""
        with self._database.writing() as session:
            is_expired = IdempotencyRow.created <= self._database.now(session) - LIFETIME
            session.execute(delete(IdempotencyRow).where(is_expired))
