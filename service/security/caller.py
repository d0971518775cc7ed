"""Identify the sender of a request.

A sender is known by a bearer token or by a browser's session. Users of this machine need neither as
long as no token was ever created.
"""

from __future__ import annotations

from collections.abc import Callable

from flask import g, request

from service.catalog.names import Sender
from service.problems import Problem
from service.settings import Settings
from service.store import Store, Token

COOKIE = "pathfit_session"
LIVENESS = "health.healthz"
"""Endpoint that never reads the store."""

PUBLIC = frozenset(
    {
        LIVENESS,
        "health.readyz",
        "openapi.spec",
        "page.index",
        "page.plotly",
        "page.static",
        "session.create",
        "static",
    }
)
"""Endpoints without access control, as they contain nothing about jobs."""

AGENT_ENDPOINTS = frozenset({"agents.block", "agents.claim", "agents.register", "agents.report"})
"""Endpoints that the tokens of agents have access to, besides the public ones."""

_CHALLENGE = 'Bearer realm="pathfit"'


class Access:
    """Identifies the senders of requests.

    Args:
        settings: Settings, which decide whether other machines can reach the service.
        store: Store of tokens and sessions.
    """

    def __init__(self, settings: Settings, store: Store):
        self._exposed = settings.exposed
        self._store = store
        self._has_tokens = False

    @property
    def closed(self) -> bool:
        """Whether a token is required: on exposed services, and wherever one was ever created.

        The service stays closed after the last token was revoked.
        """
        # The store is queried until the first token exists; afterwards the answer cannot change.
        if not self._exposed and not self._has_tokens:
            self._has_tokens = self._store.tokens.exist()
        return self._exposed or self._has_tokens

    def identify(self) -> None:
        """Identify the sender of the current request.

        Raises:
            Problem: 401; a token is required, or the one in the request is not valid.
        """
        g.token = None
        g.by_cookie = False
        # It must answer also while the store does not, which has the tokens.
        if request.endpoint == LIVENESS:
            return

        header = request.headers.get("Authorization")
        cookie = request.cookies.get(COOKIE)
        if header is not None:
            g.token = self._bearer(header)
        elif cookie is not None:
            g.token = self._store.sessions.check(cookie)
            g.by_cookie = g.token is not None

        if g.token is None and not self._is_public() and self.closed:
            raise unauthorized("a token is needed: send the header Authorization: Bearer TOKEN")
        if g.token is not None and g.token.agent_of is not None:
            self._check_agent_endpoint()

    def checker(self) -> Callable[[], bool]:
        """Return a check whether the sender of the current request still has access.

        Answers that take long call it again: a token expires or is revoked, a session ends, and a
        service without tokens gets its first one.
        """
        secret = request.headers.get("Authorization", "").partition(" ")[2].strip()
        cookie = request.cookies.get(COOKIE, "")
        if g.token is None:
            return lambda: not self.closed
        if g.by_cookie:
            return lambda: self._store.sessions.check(cookie) is not None
        return lambda: self._store.tokens.check(secret) is not None

    def _bearer(self, header: str) -> Token:
        scheme, _, secret = header.partition(" ")
        token = self._store.tokens.check(secret.strip()) if scheme.lower() == "bearer" else None
        if token is None:
            raise unauthorized(
                "Authorization is not a valid Bearer token, or it has expired or was revoked"
            )

        return token

    def _check_agent_endpoint(self) -> None:
        """Raise Problem (403) where a request is none that agents send."""
        if request.endpoint not in AGENT_ENDPOINTS and not self._is_public():
            detail = "an agent's token may take and report jobs of its own device and nothing else"
            raise Problem(403, "agents-only", "Agents only", detail, "Authorization")

    def _is_public(self) -> bool:
        if request.endpoint == "metrics.show":
            return not self._exposed
        # Without a matching route the answer is 404 or 405, which contains nothing about jobs.
        return request.endpoint is None or request.endpoint in PUBLIC


def owner() -> str | None:
    """Return the id of the current request's token, or None without a token."""
    token: Token | None = g.token
    return None if token is None else token.id


def sender() -> Sender:
    """Return the sender of the current request, whose libraries its names refer to."""
    return Sender.from_token(g.token)


def unauthorized(detail: str, field: str = "Authorization") -> Problem:
    """Return the problem of an unknown sender (401)."""
    headers = {"WWW-Authenticate": _CHALLENGE}
    return Problem(401, "unauthorized", "Unauthorized", detail, field, headers)
