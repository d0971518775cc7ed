"""Headers by which browsers restrict the rights of an answer."""

from __future__ import annotations

from flask import Response, request

NOTHING = "default-src 'none'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
"""Content-Security-Policy of every answer that sets none itself."""

PICTURE = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; frame-ancestors 'none'"
"""Content-Security-Policy of SVG pictures: styles inside the file apply, scripts do not run."""

_ALWAYS = {
    "Content-Security-Policy": NOTHING,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}


def protect(answer: Response) -> Response:
    """Set the security headers that an answer has not set itself."""
    for name, value in _ALWAYS.items():
        answer.headers.setdefault(name, value)
    # Answers contain private results, except for the files of the page.
    if request.endpoint not in ("static", "page.static"):
        answer.headers.setdefault("Cache-Control", "no-store")
    if request.is_secure:
        answer.headers.setdefault("Strict-Transport-Security", "max-age=31536000")

    return answer
