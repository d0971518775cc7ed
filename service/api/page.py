"""`GET /`: the page with its scripts and styles; it gets everything else from the public API."""

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
"""Allows scripts, styles and connections of this service only, and no inline script or style."""

EXAMPLE = Path(__file__).parents[1] / "quickstart" / "example.yaml"
"""Pipeline of the example."""

_DAY = 24 * 60 * 60

blueprint = Blueprint(
    "page",
    __name__,
    template_folder="../templates",
    static_folder="../static",
    static_url_path="/static",
)


@blueprint.get("/")
def index() -> Response:
    """Render the page."""
    default_encoder, encoders = _encoders()
    text = render_template(
        "index.html",
        version=__version__,
        plotly=metadata.version("plotly"),
        strategies=_strategies(),
        encoder=default_encoder,
        encoders=encoders,
        example=_example(),
    )
    response = make_response(text)
    response.headers["Content-Security-Policy"] = CONTENT_SECURITY_POLICY
    # The scripts of an updated service must not meet an old page.
    response.headers["Cache-Control"] = "no-cache"

    return response


@blueprint.get("/plotly-<version>.min.js")
def plotly(version: str) -> Response:
    """Send the script of plotly, which draws the fronts."""
    # The version in the address lets browsers cache these 5 MB until plotly is updated.
    response = send_file(_plotly_script(), mimetype="text/javascript", max_age=365 * _DAY)
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


@functools.cache
def _plotly_script() -> Path:
    """Find the script in the plotly package, without the slow import of the package."""
    files = metadata.files("plotly") or []
    script = next(file for file in files if file.name == "plotly.min.js")
    return Path(str(script.locate())).resolve()


@functools.cache
def _strategies() -> list[tuple[str, list[tuple[str, Any]]]]:
    """List every strategy, without its aliases, with its options and their defaults in order."""
    from oneshot.strategies.registry import STRATEGIES, options_of

    return [(name, list(options_of(name).items())) for name in sorted(STRATEGIES)]


@functools.cache
def _encoders() -> tuple[str, list[str]]:
    """Return the default kind of predictor, and all kinds."""
    from predictor.registry import DEFAULT, available

    return DEFAULT, available()


@functools.cache
def _example() -> str:
    """Read the pipeline that the page offers where nothing can be searched yet."""
    return EXAMPLE.read_text(encoding="utf-8")
