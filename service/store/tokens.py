"""Tokens: who may send requests, until when, and for how many jobs at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, func, or_, select
from sqlalchemy.orm import Session

from service.jobs import JobState
from service.store.database import Database
from service.store.schema import FileRow, JobRow, SessionRow, TokenRow
from service.store.secret import issue, parse_id, verified_row
from spaces.errors import PathfitError

PREFIX = "pathfit"
MAX_NAME_LENGTH = 128
RESERVED_NAME = "shared"
"""Name of the library that belongs to no token; no token may have it."""


# Built once, as every request without a token makes this query.
_ANY_TOKEN = select(TokenRow.id).limit(1)


class InvalidToken(PathfitError):
    """A token that cannot be created or found; the message has the reason."""


class QuotaExceeded(PathfitError):
    """A token has as many unfinished jobs as its quota.

    Args:
        quota: Unfinished jobs that the token may have.
    """

    def __init__(self, quota: int):
        self.quota = quota
        super().__init__(
            f"this token may have {quota} unfinished jobs at a time and has as many; wait for one"
            " to end"
        )


class StorageExceeded(PathfitError):
    """The files of a token would have more bytes than its quota.

    Args:
        max_bytes: Bytes that they may have together.
        used: Bytes that they have.
        size: Bytes of the refused file.
    """

    def __init__(self, max_bytes: int, used: int, size: int):
        self.max_bytes = max_bytes
        super().__init__(
            f"the files of this token may have {max_bytes} bytes and have {used}; {size} more are"
            " too many: remove some, such as with DELETE /tables/NAME"
        )


@dataclass(frozen=True)
class Token:
    """A token without its secret.

    Args:
        id: Id, which is also that of its jobs' owner.
        name: Name, unique among the tokens that are not revoked.
        quota: Unfinished jobs that it may have; None for any number.
        created: Seconds since 1970.
        expires: Seconds since 1970; None if it never expires.
        revoked: Seconds since 1970; None if it is not revoked.
        administrator: Whether it may write to the shared library and read every library.
        max_bytes: Bytes that its uploads may have together; None for any number.
        agent_of: Id of the token that owns its device; None for a token of people.
    """

    id: str
    name: str
    quota: int | None
    created: float
    expires: float | None
    revoked: float | None
    administrator: bool = False
    max_bytes: int | None = None
    agent_of: str | None = None

    def valid(self, now: float) -> bool:
        """Return whether the token is accepted at a time, in seconds since 1970."""
        return self.revoked is None and (self.expires is None or now < self.expires)


class Tokens:
    """The tokens of a store.

    Args:
        database: Has the tokens.
    """

    def __init__(self, database: Database):
        self._database = database

    def create(
        self,
        name: str,
        expires: float | None = None,
        quota: int | None = None,
        *,
        administrator: bool = False,
        max_bytes: int | None = None,
        agent_of: str | None = None,
    ) -> str:
        """Create a token.

        Args:
            name: Name by which people recognise it.
            expires: Seconds since 1970 at which it expires; None for never.
            quota: Unfinished jobs at a time; None for any number.
            administrator: Whether it may write to the shared library and read every library.
            max_bytes: Bytes that its uploads may have together; None for any number.
            agent_of: Name of the token that owns the agent's device. None: the token is no agent's.

        Returns:
            The secret, which is not stored and cannot be shown again.

        Raises:
            InvalidToken: The name is in use or malformed, or a number is out of range.
        """
        if not 0 < len(name) <= MAX_NAME_LENGTH or not name.isprintable() or name != name.strip():
            raise InvalidToken(
                f"name: expected 1 to {MAX_NAME_LENGTH} printable characters, not {name!r:.80}"
            )

        if name == RESERVED_NAME:
            raise InvalidToken(
                f"name: {RESERVED_NAME!r} is the name of the shared library; use another name"
            )

        if quota is not None and quota < 1:
            raise InvalidToken(f"quota must be positive, not {quota}")

        if max_bytes is not None and max_bytes < 1:
            raise InvalidToken(f"max_bytes must be positive, not {max_bytes}")

        # Before the transaction: generating random bits must not hold the write lock.
        identity, secret, digest = issue(PREFIX)
        with self._database.writing() as session:
            now = self._database.now(session)
            if expires is not None and expires <= now:
                raise InvalidToken("expires: a token must expire in the future")
            if _find_active(session, TokenRow.name == name) is not None:
                raise InvalidToken(
                    f"there is a token {name!r} already; revoke it, or use another name"
                )
            device_owner = None
            if agent_of is not None:
                device_owner = _find_active(session, TokenRow.name == agent_of)
                if device_owner is None or device_owner.agent_of is not None:
                    raise InvalidToken(
                        f"agent of: there is no token {agent_of!r:.80} of a person; create it"
                        " first, since it decides who may measure"
                    )

            row = TokenRow(id=identity, name=name, digest=digest, quota=quota)
            row.created = now
            row.expires = expires
            row.administrator = administrator
            row.max_bytes = max_bytes
            row.agent_of = None if device_owner is None else device_owner.id
            session.add(row)

        return secret

    def check(self, secret: str) -> Token | None:
        """Return the token of a secret; None if no token of the secret is accepted."""
        identity = parse_id(PREFIX, secret)
        # Malformed secrets do not reach the database.
        if identity is None:
            return None

        with self._database.reading() as session:
            row = verified_row(session, TokenRow, identity, secret)
            if row is None:
                return None
            token = token_from_row(row)
            return token if token.valid(self._database.now(session)) else None

    def exist(self) -> bool:
        """Return whether a token was ever created."""
        with self._database.querying() as connection:
            return connection.scalar(_ANY_TOKEN) is not None

    def list(self) -> Sequence[Token]:
        """List all tokens, newest first."""
        query = select(TokenRow).order_by(TokenRow.created.desc())
        with self._database.reading() as session:
            return [token_from_row(row) for row in session.scalars(query)]

    def revoke(self, name: str) -> Token:
        """Revoke a token, and end its browser sessions.

        Args:
            name: Name or id of the token.

        Raises:
            InvalidToken: No token of that name or id is left to revoke.
        """
        with self._database.writing() as session:
            # PostgreSQL's texts cannot contain NUL.
            row = None
            if "\0" not in name:
                row = _find_active(session, or_(TokenRow.name == name, TokenRow.id == name))
            if row is None:
                raise InvalidToken(f"there is no token {name!r:.80} to revoke")

            # The row is kept: its jobs remain, and their owner is known.
            row.revoked = self._database.now(session)
            for browser in session.scalars(select(SessionRow).where(SessionRow.token == row.id)):
                session.delete(browser)
            return token_from_row(row)


def token_from_row(row: TokenRow) -> Token:
    """Convert a row, without its digest."""
    return Token(
        row.id,
        row.name,
        row.quota,
        row.created,
        row.expires,
        row.revoked,
        row.administrator,
        row.max_bytes,
        row.agent_of,
    )


def check_quota(session: Session, owner: str) -> None:
    """Raise QuotaExceeded if a token may not have another job.

    The token's row is locked until the transaction ends, so that two requests cannot both have the
    last job of the quota.
    """
    quota = session.scalar(select(TokenRow.quota).where(TokenRow.id == owner).with_for_update())
    if quota is None:
        return

    # Queued jobs count too: otherwise one token could fill the queue.
    unfinished = JobRow.state.in_([state for state in JobState if not state.final])
    query = select(func.count()).select_from(JobRow).where(JobRow.owner == owner, unfinished)
    if (session.scalar(query) or 0) >= quota:
        raise QuotaExceeded(quota)


def check_storage(session: Session, owner: str, size: int, *, lock: bool = True) -> None:
    """Raise StorageExceeded if a token may not upload so many bytes.

    Every version of a name counts until it is removed.

    Args:
        session: The transaction.
        owner: Id of the token.
        size: Bytes of the upload.
        lock: Whether to lock the token's row, so that two uploads cannot both take the last bytes.
    """
    query = select(TokenRow.max_bytes).where(TokenRow.id == owner)
    max_bytes = session.scalar(query.with_for_update() if lock else query)
    if max_bytes is None:
        return

    total = select(func.sum(FileRow.size)).where(FileRow.owner == owner, FileRow.removed.is_(None))
    used = int(session.scalar(total) or 0)
    if used + size > max_bytes:
        raise StorageExceeded(max_bytes, used, size)


def _find_active(session: Session, condition: ColumnElement[bool]) -> TokenRow | None:
    return session.scalar(select(TokenRow).where(condition, TokenRow.revoked.is_(None)))
