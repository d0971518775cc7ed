"""Refuse requests that a page of another site could send through a user's browser."""

from __future__ import annotations

from urllib.parse import urlsplit

from flask import g, request
from werkzeug.exceptions import UnsupportedMediaType

from service.problems import Problem

WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})
# Values of Sec-Fetch-Site: our own page, or an action of the user such as a bookmark.
_TRUSTED_SITES = ("same-origin", "none")


def refuse_other_media_types() -> None:
    """Raise UnsupportedMediaType for a body that is not JSON.

    Forms of other sites' pages can send other media types without the browser's consent check.
    """
    if (
        request.method in ("POST", "PUT", "PATCH")
        and request.routing_exception is None
        and not request.is_json
    ):
        media_type = request.mimetype or "nothing"
        raise UnsupportedMediaType(
            f"the body must be application/json; its Content-Type is {media_type:.80}"
        )


def refuse_other_origins() -> None:
    """Raise Problem (403) for a write that a page of another site makes or may make.

    Browsers send Origin or Sec-Fetch-Site with such requests. A write with a session's cookie but
    without both is refused too, since browsers add cookies on their own.
    """
    if request.method not in WRITES:
        return

    origin = request.headers.get("Origin")
    site = request.headers.get("Sec-Fetch-Site")
    if origin is not None and not _is_same_origin(origin):
        raise _forbidden(
            f"pages of {origin!r:.80} may not change anything in this service", "Origin"
        )

    if origin is None and site is not None and site not in _TRUSTED_SITES:
        raise _forbidden(
            "pages of other sites may not change anything in this service", "Sec-Fetch-Site"
        )

    if origin is None and site is None and g.by_cookie:
        raise _forbidden(
            "a change by a session's cookie needs the header Origin; send a Bearer token instead",
            "Origin",
        )


def _is_same_origin(origin: str) -> bool:
    try:
        url = urlsplit(origin)
        return url.scheme in ("http", "https") and url.netloc.lower() == request.host.lower()
    except ValueError:
        return False


def _forbidden(detail: str, field: str) -> Problem:
    return Problem(403, "foreign-origin", "Foreign origin", detail, field)
