"""Secrets that are shown once: an id to look them up by and 256 random bits, kept as a digest."""

from __future__ import annotations

import hashlib
import hmac
import secrets

_NOBODY = hashlib.sha256(b"").hexdigest()


def issue(prefix: str) -> tuple[str, str, str]:
    """A new secret: its id, itself, and the digest to keep."""
    identity, random = secrets.token_hex(8), secrets.token_urlsafe(32)
    return identity, f"{prefix}_{identity}_{random}", _digest(random)


def identity_of(prefix: str, secret: str) -> str | None:
    """The id in a secret; None where it cannot be one."""
    head, _, rest = secret.partition("_")
    identity, _, random = rest.partition("_")
    known = head == prefix and len(identity) == 16 and len(random) == 43 and secret.isascii() and "\0" not in secret
    return identity if known else None


def matches(secret: str, digest: str | None) -> bool:
    """Whether a secret has a digest, compared in constant time also where there is none."""
    random = secret.split("_", 2)[2]
    return hmac.compare_digest(_digest(random), digest or _NOBODY) and digest is not None


def _digest(random: str) -> str:
    # A slow hash would only be needed for what a person made up.
    return hashlib.sha256(random.encode()).hexdigest()
