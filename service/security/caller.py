"""Callers: a bearer token, a browser's session, or a user of this machine where no token was ever
made.
"""

from __future__ import annotations

from flask import g, request

from service.problems import Problem
from service.settings import Settings
from service.store import Store, Token

COOKIE = "pathfit_session"
PUBLIC = frozenset(
    {
        "health.healthz",
        "health.readyz",
        "openapi.spec",
        "page.index",
        "page.plotly",
        "page.static",
        "session.create",
        "static",
    }
)
"""Endpoints that anybody may ask: they tell nothing of jobs."""

_CHALLENGE = 'Bearer realm="pathfit"'


class Access:
    """Tells who asks, and whether a token is needed.

    Args:
        settings: whether others than this machine's users reach the service.
        store: knows the tokens.
    """

    def __init__(self, settings: Settings, store: Store):
        self._exposed, self._store = settings.exposed, store
        self._tokens_made = False

    @property
    def closed(self) -> bool:
        """Whether a token is needed: always beyond loopback, and everywhere once any was made.

        Revoking the last one opens nothing.
        """
        if not self._exposed and not self._tokens_made:
            self._tokens_made = bool(self._store.tokens.list())
        return self._exposed or self._tokens_made

    def identify(self) -> None:
        """Find who sends the present request; raises Problem (401) where that must be known and is
        not.
        """
        g.token, g.by_cookie = None, False
        header, cookie = request.headers.get("Authorization"), request.cookies.get(COOKIE)
        if header is not None:
            g.token = self._bearer(header)
        elif cookie is not None:
            g.token = self._store.sessions.check(cookie)
            g.by_cookie = g.token is not None
        if g.token is None and not self._free() and self.closed:
            raise unauthorized("a token is needed: send Authorization: Bearer TOKEN")

    def _bearer(self, header: str) -> Token:
        scheme, _, secret = header.partition(" ")
        token = self._store.tokens.check(secret.strip()) if scheme.lower() == "bearer" else None
        if token is None:
            raise unauthorized("the Authorization is no Bearer token that is accepted (any more)")
        return token

    def _free(self) -> bool:
        if request.endpoint == "metrics.show":
            return not self._exposed
        # Where there is no such route the answer is 404 or 405, which tells nothing.
        return request.endpoint is None or request.endpoint in PUBLIC


def owner() -> str | None:
    """The owner of what the present request asks for: its token's id."""
    token: Token | None = g.token
    return None if token is None else token.id


def unauthorized(detail: str, field: str = "Authorization") -> Problem:
    """Who asks is not known, 401."""
    headers = {"WWW-Authenticate": _CHALLENGE}
    return Problem(401, "unauthorized", "Unauthorized", detail, field, headers)
