"""Secrets that are shown once: an id to look them up by and 256 random bits, kept as a digest."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import TypeVar

from sqlalchemy.orm import Session

from service.store.schema import SessionRow, TokenRow

_NOBODY = hashlib.sha256(b"").hexdigest()


def issue(prefix: str) -> tuple[str, str, str]:
    """A new secret: its id, itself, and the digest to keep."""
    identity, random = secrets.token_hex(8), secrets.token_urlsafe(32)
    return identity, f"{prefix}_{identity}_{random}", _digest(random)


def identity_of(prefix: str, secret: str) -> str | None:
    """The id in a secret; None where it cannot be one."""
    head, _, rest = secret.partition("_")
    identity, _, random = rest.partition("_")
    known = (
        head == prefix
        and len(identity) == 16
        and len(random) == 43
        and secret.isascii()
        and "\0" not in secret
    )
    return identity if known else None


_Row = TypeVar("_Row", SessionRow, TokenRow)


def row_of(session: Session, kind: type[_Row], identity: str, secret: str) -> _Row | None:
    """The row of an id if the secret is its own; digests are compared in constant time, also where
    there is none.
    """
    row = session.get(kind, identity)
    digest = None if row is None else row.digest
    same = hmac.compare_digest(_digest(secret.split("_", 2)[2]), digest or _NOBODY)
    return row if same and digest is not None else None


def _digest(random: str) -> str:
    # A slow hash would only be needed for what a person made up.
    return hashlib.sha256(random.encode()).hexdigest()
