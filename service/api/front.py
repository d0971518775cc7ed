"""`/search/{id}/front.svg`, `.png` and `.csv`: what a search found, to look at and to calculate
with.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from apiflask import APIBlueprint
from flask import Response

from service.api.documentation import content, reading
from service.api.job_requests import own
from service.context import Service, service_of
from service.jobs import Job
from service.problems import Problem
from service.results import front
from service.security.headers import PICTURE

MEDIA_TYPES = {"svg": "image/svg+xml", "png": "image/png", "csv": "text/csv"}


def blueprint() -> APIBlueprint:
    """The routes of fronts, one for each kind of file."""
    fronts = APIBlueprint("front", __name__, url_prefix="/search", tag="search")
    for ending, media_type in MEDIA_TYPES.items():
        documented = fronts.doc(
            summary=f"The front of a search as {ending.upper()}",
            responses=reading(404, 409) | content("The front, best score first", media_type),
        )(_view(ending))
        fronts.get(f"/<job_id>/front.{ending}")(documented)
    return fronts


def _view(ending: str) -> Callable[..., Any]:
    def view(job_id: str) -> Response:
        job = finished(service_of(), job_id)
        assert job.result is not None
        text = front.as_csv(job.result) if ending == "csv" else front.as_picture(job.result, ending)
        answer = Response(text, content_type=MEDIA_TYPES[ending])
        if ending == "csv":
            answer.headers.set(
                "Content-Disposition", "attachment", filename=f"front-{job.id[:8]}.csv"
            )
        if ending == "svg":
            answer.headers["Content-Security-Policy"] = PICTURE
        return answer

    view.__name__ = ending
    return view


def finished(service: Service, job_id: str) -> Job:
    """A search of the asker's that is done; raises UnknownJob, or Problem (409) where it is not."""
    job = own(service, job_id, "search")
    if job.result is None:
        detail = f"the search {job_id} is {job.state} and has found nothing"
        raise Problem(409, "conflict", "Conflict", detail, "id", state=job.state)
    return job
