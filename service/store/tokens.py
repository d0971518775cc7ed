"""Tokens: who may ask, how long, and for how many jobs at a time."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import func, or_, select
from sqlalchemy.orm import Session

from service.jobs import JobState
from service.store.database import Database
from service.store.schema import JobRow, SessionRow, TokenRow
from service.store.secret import identity_of, issue, row_of
from spaces.errors import PathfitError

PREFIX = "pathfit"
LONGEST_NAME = 128


class InvalidToken(PathfitError):
    """A token that cannot be made or found; why is told."""


class QuotaExceeded(PathfitError):
    """A token has as many unfinished jobs as it may have.

    Args:
        quota: how many that is.
    """

    def __init__(self, quota: int):
        self.quota = quota
        super().__init__(
            f"this token may have {quota} unfinished jobs at a time and has as many; wait for one"
            " to end"
        )


@dataclass(frozen=True)
class Token:
    """A token without its secret.

    Args:
        id: the owner's id of the jobs that it asks for.
        name: as it was made; of one that is not revoked nobody else's.
        quota: unfinished jobs at a time, None for any number.
        created: seconds since 1970; `expires` and `revoked` alike, None where it never does or was
            not.
    """

    id: str
    name: str
    quota: int | None
    created: float
    expires: float | None
    revoked: float | None

    def valid(self, now: float) -> bool:
        """Whether it is accepted."""
        return self.revoked is None and (self.expires is None or now < self.expires)


class Tokens:
    """The tokens of a store."""

    def __init__(self, database: Database):
        self._database = database

    def create(self, name: str, expires: float | None = None, quota: int | None = None) -> str:
        """Make a token; its secret is given this once only.

        Args:
            name: tells a person whose it is.
            expires: seconds since 1970 at which it ends; None for never.
            quota: unfinished jobs at a time; None for any number.

        Raises:
            InvalidToken: the name is taken or no name, or a number is out of range.
        """
        if not 0 < len(name) <= LONGEST_NAME or not name.isprintable() or name != name.strip():
            raise InvalidToken(
                f"a token's name has 1 to {LONGEST_NAME} printable characters, not {name!r:.80}"
            )
        if quota is not None and quota < 1:
            raise InvalidToken(f"quota must be positive, not {quota}")
        identity, secret, digest = issue(PREFIX)
        with self._database.writing() as session:
            now = self._database.now(session)
            if expires is not None and expires <= now:
                raise InvalidToken("a token must end in the future")
            if (
                session.scalar(
                    select(TokenRow).where(TokenRow.name == name, TokenRow.revoked.is_(None))
                )
                is not None
            ):
                raise InvalidToken(
                    f"there is a token {name!r} already; revoke it, or choose another name"
                )
            session.add(
                TokenRow(
                    id=identity, name=name, digest=digest, quota=quota, created=now, expires=expires
                )
            )
        return secret

    def check(self, secret: str) -> Token | None:
        """The token of a secret; None where there is none that is still accepted."""
        identity = identity_of(PREFIX, secret)
        if identity is None:
            return None
        with self._database.reading() as session:
            row = row_of(session, TokenRow, identity, secret)
            if row is None:
                return None
            token = token_of(row)
            return token if token.valid(self._database.now(session)) else None

    def list(self) -> list[Token]:
        """All of them, newest first."""
        with self._database.reading() as session:
            return [
                token_of(row)
                for row in session.scalars(select(TokenRow).order_by(TokenRow.created.desc()))
            ]

    def exist(self) -> bool:
        """Whether any is accepted at present."""
        with self._database.reading() as session:
            now = self._database.now(session)
            lasting = or_(TokenRow.expires.is_(None), TokenRow.expires > now)
            return (
                session.scalar(
                    select(TokenRow.id).where(TokenRow.revoked.is_(None), lasting).limit(1)
                )
                is not None
            )

    def revoke(self, name: str) -> Token:
        """Accept a token no more, and end its sessions; raises InvalidToken where there is none of
        a name or id.
        """
        with self._database.writing() as session:
            named = or_(TokenRow.name == name, TokenRow.id == name)
            row = (
                None
                if "\0" in name
                else session.scalar(select(TokenRow).where(named, TokenRow.revoked.is_(None)))
            )
            if row is None:
                raise InvalidToken(f"there is no token {name!r:.80} to revoke")
            row.revoked = self._database.now(session)
            for browser in session.scalars(select(SessionRow).where(SessionRow.token == row.id)):
                session.delete(browser)
            return token_of(row)


def token_of(row: TokenRow) -> Token:
    """A row without its digest."""
    return Token(row.id, row.name, row.quota, row.created, row.expires, row.revoked)


def check_quota(session: Session, owner: str) -> None:
    """Raise QuotaExceeded where a token may not have another job; holds the token until the
    transaction ends.
    """
    quota = session.scalar(select(TokenRow.quota).where(TokenRow.id == owner).with_for_update())
    if quota is None:
        return
    unfinished = JobRow.state.in_([state for state in JobState if not state.final])
    count = (
        session.scalar(
            select(func.count()).select_from(JobRow).where(JobRow.owner == owner, unfinished)
        )
        or 0
    )
    if count >= quota:
        raise QuotaExceeded(quota)
