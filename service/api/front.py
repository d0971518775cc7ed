"""`/search/{id}/front.svg`, `.png` and `.csv`: the front of a search as a picture or a table."""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import Response

from service.api.documentation import Answers, content, reading
from service.api.job_requests import get_finished_search
from service.context import current_service
from service.results.front import to_csv, to_picture
from service.security.headers import PICTURE

blueprint = APIBlueprint("front", __name__, url_prefix="/search", tag="search")


def _answers(media_type: str) -> Answers:
    return reading(404, 409) | content("The front, best score first", media_type)


@blueprint.get("/<job_id>/front.svg")
@blueprint.doc(summary="The front of a search as SVG", responses=_answers("image/svg+xml"))
def svg(job_id: str) -> Response:
    """Draw the front as SVG."""
    _, result = get_finished_search(current_service(), job_id)
    response = Response(to_picture(result, "svg"), content_type="image/svg+xml")
    # Opened as a page of its own, an SVG would otherwise lose its styles.
    response.headers["Content-Security-Policy"] = PICTURE
    return response


@blueprint.get("/<job_id>/front.png")
@blueprint.doc(summary="The front of a search as PNG", responses=_answers("image/png"))
def png(job_id: str) -> Response:
    """Draw the front as PNG."""
    _, result = get_finished_search(current_service(), job_id)
    return Response(to_picture(result, "png"), content_type="image/png")


@blueprint.get("/<job_id>/front.csv")
@blueprint.doc(summary="The front of a search as CSV", responses=_answers("text/csv"))
def csv(job_id: str) -> Response:
    """Write the front as CSV."""
    job, result = get_finished_search(current_service(), job_id)
    response = Response(to_csv(result), content_type="text/csv")
    filename = f"front-{job.id[:8]}.csv"
    response.headers.set("Content-Disposition", "attachment", filename=filename)
    return response
