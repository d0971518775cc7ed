"""Secrets that are shown once: an id to find them by and 256 random bits, stored as a digest."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from typing import TypeVar

from sqlalchemy.orm import Session

from service.store.schema import SessionRow, TokenRow

# Lengths of `token_hex(8)` and `token_urlsafe(32)`.
_ID_LENGTH = 16
_RANDOM_LENGTH = 43

# Compared with where there is no row, so that the time does not reveal whether an id exists.
_EMPTY_DIGEST = hashlib.sha256(b"").hexdigest()

_Row = TypeVar("_Row", SessionRow, TokenRow)


def issue(prefix: str) -> tuple[str, str, str]:
    """Generate a secret.

    Args:
        prefix: First part of the secret, by which leaked secrets are recognised.

    Returns:
        The id, the secret itself, and the digest to store.
    """
    identity = secrets.token_hex(8)
    random = secrets.token_urlsafe(32)
    return identity, f"{prefix}_{identity}_{random}", _digest(random)


def parse_id(prefix: str, secret: str) -> str | None:
    """Return the id in a secret; None if it is malformed."""
    # token_urlsafe can contain underscores, so that only the first two separate.
    head, _, tail = secret.partition("_")
    identity, _, random = tail.partition("_")
    well_formed = (
        head == prefix
        and len(identity) == _ID_LENGTH
        and len(random) == _RANDOM_LENGTH
        and secret.isascii()
        and "\0" not in secret
    )

    return identity if well_formed else None


def verified_row(session: Session, row_type: type[_Row], identity: str, secret: str) -> _Row | None:
    """Return the row of an id if the secret is its own.

    Digests are compared in constant time, also if there is no row.
    """
    row = session.get(row_type, identity)
    digest = None if row is None else row.digest
    same = hmac.compare_digest(_digest(secret.split("_", 2)[2]), digest or _EMPTY_DIGEST)
    return row if same and digest is not None else None


def _digest(random: str) -> str:
    # A slow hash protects only secrets that people invent; 256 random bits cannot be guessed.
    return hashlib.sha256(random.encode()).hexdigest()
