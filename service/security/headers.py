"""Headers that tell browsers what an answer may not do."""

from __future__ import annotations

from flask import Response, request

NOTHING = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
"""Content-Security-Policy of all answers that do not set one of their own."""

PICTURE = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'"
"""Content-Security-Policy of SVG pictures: they carry their own style, and no script of theirs
runs.
"""

_ALWAYS = {
    "Content-Security-Policy": NOTHING,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def protect(answer: Response) -> Response:
    """Set the headers that an answer has not set itself."""
    for name, value in _ALWAYS.items():
        answer.headers.setdefault(name, value)
    if request.endpoint not in ("static", "page.static"):
        answer.headers.setdefault("Cache-Control", "no-store")
    if request.is_secure:
        answer.headers.setdefault("Strict-Transport-Security", "max-age=31536000")
    return answer
