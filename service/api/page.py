"""`GET /`: what the service knows and does, for a person with a browser; no script, no outside address."""

from __future__ import annotations

from typing import Any

from flask import Blueprint, Response, make_response, render_template

from service.app import service_of
from service.catalog import Catalog
from service.jobs import Job
from spaces import __version__
from spaces.errors import PathfitError

SHOWN = 20


def blueprint() -> Blueprint:
    """The page."""
    page = Blueprint("page", __name__, template_folder="../templates")

    @page.get("/")
    def index() -> Response:
        service = service_of()
        newest, total = service.store.newest(SHOWN)
        names = {
            "spaces": service.catalog.spaces(),
            "tables": list(service.catalog.tables()),
            "predictors": list(service.catalog.predictors()),
        }
        answer = make_response(
            render_template(
                "index.html",
                version=__version__,
                names=names,
                example=_example(service.catalog, names["tables"]),
                jobs=[_row(job) for job in newest],
                total=total,
            )
        )
        answer.headers["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'"
        return answer

    return page


def _example(catalog: Catalog, tables: list[str]) -> dict[str, str]:
    """A space and a table that go together, for the request that the page shows."""
    for name in tables:
        try:
            return {"space": catalog.table(name)[0].space, "device": name}
        except PathfitError:  # a file that is no table; another may be one
            continue
    return {"space": "spos", "device": "TABLE"}


def _row(job: Job) -> dict[str, Any]:
    limits = job.request.get("constraints") or {}
    return {
        "id": job.id,
        "state": job.state.value,
        "space": job.request.get("space", ""),
        "device": job.request.get("device") or "",
        "limits": ", ".join(f"{metric} at most {limit['max']:g}" for metric, limit in limits.items() if limit),
    }
