"""Idempotency: the same request with the same key is answered by the same job (24 hours long)."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import delete, select
from sqlalchemy.orm import Session

from service.store.schema import IdempotencyRow, JobRow
from spaces.errors import PathfitError

KEPT = 24 * 3600.0
"""Seconds for which a key is remembered."""


class IdempotencyConflict(PathfitError):
    """A key was used before, with another body."""

    def __init__(self, key: str):
        self.key = key
        super().__init__(
            f"the Idempotency-Key {key!r:.80} was used for a request with another body; choose a"
            " new key"
        )


@dataclass(frozen=True)
class Idempotency:
    """What makes two requests the same; the owner's is added by the store.

    Args:
        key: as the client chose it.
        method: such as POST.
        path: such as /search.
        body_sha256: of the request's body.
    """

    key: str
    method: str
    path: str
    body_sha256: str


def replayed(session: Session, asked: Idempotency, owner: str | None, now: float) -> JobRow | None:
    """The job that answered the request before; raises IdempotencyConflict."""
    same = (
        IdempotencyRow.owner == (owner or ""),
        IdempotencyRow.method == asked.method,
        IdempotencyRow.path == asked.path,
        IdempotencyRow.key == asked.key,
    )
    session.execute(delete(IdempotencyRow).where(*same, IdempotencyRow.created <= now - KEPT))
    row = session.scalar(select(IdempotencyRow).where(*same))
    if row is None:
        return None
    if row.body_sha256 != asked.body_sha256:
        raise IdempotencyConflict(asked.key)
    return session.get(JobRow, row.job)


def remember(
    session: Session, asked: Idempotency, owner: str | None, job: JobRow, now: float
) -> None:
    """Have a job answer the request from now on."""
    session.add(
        IdempotencyRow(
            owner=owner or "",
            method=asked.method,
            path=asked.path,
            key=asked.key,
            body_sha256=asked.body_sha256,
            job=job.sequence,
            created=now,
        )
    )
    session.flush()
