"""Browser sessions: a browser that was given a token once, and keeps a cookie in its place."""

from __future__ import annotations

from sqlalchemy import delete

from service.store.database import Database
from service.store.schema import SessionRow, TokenRow
from service.store.secret import issue, parse_id, verified_row
from service.store.tokens import Token, token_from_row

PREFIX = "session"
LIFETIME = 12 * 3600.0
"""Seconds after which a browser needs the token again."""


class Sessions:
    """The browser sessions of a store.

    Args:
        database: Has the sessions.
    """

    def __init__(self, database: Database):
        self._database = database

    def create(self, token: Token, lifetime_s: float = LIFETIME) -> str:
        """Begin a session.

        Args:
            token: Token that the browser was given.
            lifetime_s: Seconds after which the session ends.

        Returns:
            The secret for the browser's cookie.
        """
        identity, secret, digest = issue(PREFIX)
        with self._database.writing() as session:
            now = self._database.now(session)
            # Otherwise sessions of browsers that never return would accumulate.
            session.execute(delete(SessionRow).where(SessionRow.expires <= now))
            row = SessionRow(id=identity, digest=digest, token=token.id)
            row.created = now
            row.expires = now + lifetime_s
            session.add(row)

        return secret

    def check(self, secret: str) -> Token | None:
        """Return the token of a session; None if the session or the token is no longer valid."""
        identity = parse_id(PREFIX, secret)
        if identity is None:
            return None

        with self._database.reading() as session:
            row = verified_row(session, SessionRow, identity, secret)
            # A session never outlives its token, whatever its own time.
            owner = None if row is None else session.get(TokenRow, row.token)
            if row is None or owner is None:
                return None
            token = token_from_row(owner)
            now = self._database.now(session)
            return token if token.valid(now) and now < row.expires else None

    def end(self, secret: str) -> None:
        """End a session; an unknown secret changes nothing."""
        identity = parse_id(PREFIX, secret)
        if identity is None:
            return
        with self._database.writing() as session:
            row = verified_row(session, SessionRow, identity, secret)
            if row is not None:
                session.delete(row)

    def remove_expired(self) -> None:
        """Remove the sessions whose lifetime is over."""
        with self._database.writing() as session:
            session.execute(
                delete(SessionRow).where(SessionRow.expires <= self._database.now(session))
            )
