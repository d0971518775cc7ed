"""Sessions: browsers that a token was given to once."""

from __future__ import annotations

from sqlalchemy import delete

from service.store.database import Database
from service.store.schema import SessionRow, TokenRow
from service.store.secret import identity_of, issue, row_of
from service.store.tokens import Token, token_of

PREFIX = "session"
LIFETIME = 12 * 3600.0
"""Seconds for which a browser need not be given the token again."""


class Sessions:
    """The browser sessions of a store."""

    def __init__(self, database: Database):
        self._database = database

    def create(self, token: Token, lifetime_s: float = LIFETIME) -> str:
        """Begin a session; the secret for its cookie."""
        identity, secret, digest = issue(PREFIX)
        with self._database.writing() as session:
            now = self._database.now(session)
            session.execute(delete(SessionRow).where(SessionRow.expires <= now))
            session.add(
                SessionRow(
                    id=identity,
                    digest=digest,
                    token=token.id,
                    created=now,
                    expires=now + lifetime_s,
                )
            )
        return secret

    def check(self, secret: str) -> Token | None:
        """The token of a session; None where it is over, or the token is."""
        identity = identity_of(PREFIX, secret)
        if identity is None:
            return None
        with self._database.reading() as session:
            row = row_of(session, SessionRow, identity, secret)
            if row is None:
                return None
            owner, now = session.get(TokenRow, row.token), self._database.now(session)
            token = None if owner is None else token_of(owner)
            return token if token is not None and token.valid(now) and now < row.expires else None

    def end(self, secret: str) -> None:
        """End a session; one that is none changes nothing."""
        identity = identity_of(PREFIX, secret)
        if identity is None:
            return
        with self._database.writing() as session:
            row = row_of(session, SessionRow, identity, secret)
            if row is not None:
                session.delete(row)
