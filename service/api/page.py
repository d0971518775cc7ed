"""`GET /`: the page, and the scripts and styles that it loads; everything else it asks of the
public API.
"""

from __future__ import annotations

import functools
from importlib import metadata
from pathlib import Path
from typing import Any

from flask import Blueprint, Response, make_response, render_template, send_file

from spaces import __version__

CONTENT_SECURITY_POLICY = "; ".join(
    (
        "default-src 'none'",
        "script-src 'self'",
        "style-src 'self'",
        "img-src 'self' data: blob:",
        "connect-src 'self'",
        "form-action 'self'",
        "base-uri 'none'",
        "frame-ancestors 'none'",
    )
)
"""Nothing of another origin, and no script or style that is not a file of ours."""

_DAY = 24 * 60 * 60


def blueprint() -> Blueprint:
    """The page, its files below `/static/`, and plotly's script."""
    page = Blueprint(
        "page",
        __name__,
        template_folder="../templates",
        static_folder="../static",
        static_url_path="/static",
    )

    @page.get("/")
    def index() -> Response:
        encoder, encoders = _encoders()
        text = render_template(
            "index.html",
            version=__version__,
            plotly=metadata.version("plotly"),
            strategies=_strategies(),
            encoder=encoder,
            encoders=encoders,
        )
        answer = make_response(text)
        answer.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
        answer.headers["Cache-Control"] = "no-cache"
        return answer

    @page.get("/plotly-<version>.min.js")
    def plotly(version: str) -> Response:
        # The version in the address lets browsers keep these 5 MB for as long as it is the same.
        answer = send_file(_plotly_script(), mimetype="text/javascript", max_age=365 * _DAY)
        answer.headers["X-Content-Type-Options"] = "nosniff"
        return answer

    return page


@functools.cache
def _plotly_script() -> Path:
    """The script that the plotly package brings, without importing the package."""
    files = metadata.files("plotly") or []
    found = next(file for file in files if file.name == "plotly.min.js")
    return Path(str(found.locate())).resolve()


@functools.cache
def _strategies() -> list[tuple[str, list[tuple[str, Any]]]]:
    """Every strategy, without its other names, with its options and their defaults in their
    order.
    """
    from oneshot.strategies.registry import STRATEGIES, options_of

    return [(name, list(options_of(name).items())) for name in sorted(STRATEGIES)]


@functools.cache
def _encoders() -> tuple[str, list[str]]:
    """The kind of predictor that is trained unless told otherwise, and all kinds."""
    from predictor.registry import DEFAULT, available

    return DEFAULT, available()
