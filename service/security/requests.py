"""What requests must not be: other media types, writes by other sites' pages, bodies beyond
reading.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import g, request
from werkzeug.exceptions import UnsupportedMediaType

from service.problems import Problem

WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
_OWN_SITE = ("same-origin", "none")


def refuse_other_media_types() -> None:
    """Raise UnsupportedMediaType for a body that is no JSON: a form of another site's page could
    send others.
    """
    if (
        request.method in ("POST", "PUT", "PATCH")
        and request.routing_exception is None
        and not request.is_json
    ):
        given = request.mimetype or "nothing"
        raise UnsupportedMediaType(
            f"the body must be application/json; its Content-Type says {given:.80}"
        )


def refuse_other_origins() -> None:
    """Raise Problem (403) for a write that a page of another site makes, and for one by cookie that
    may be such.
    """
    if request.method not in WRITES:
        return
    origin, site = request.headers.get("Origin"), request.headers.get("Sec-Fetch-Site")
    if origin is not None and not _own(origin):
        raise _forbidden(
            f"the page of {origin!r:.80} may not ask this service for changes", "Origin"
        )
    if origin is None and site is not None and site not in _OWN_SITE:
        raise _forbidden(
            "a page of another site may not ask this service for changes", "Sec-Fetch-Site"
        )
    if origin is None and site is None and g.by_cookie:
        raise _forbidden(
            "a browser's session changes things only with an Origin; send a Bearer token instead",
            "Origin",
        )


def _own(origin: str) -> bool:
    try:
        parts = urlsplit(origin)
        return parts.scheme in ("http", "https") and parts.netloc.lower() == request.host.lower()
    except ValueError:
        return False


def _forbidden(detail: str, field: str) -> Problem:
    return Problem(403, "foreign-origin", "Foreign origin", detail, field)
