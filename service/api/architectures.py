"""`/search/{id}/architectures/{k}`: one network that a search found, in the formats of the field,
drawn, or as ONNX.
"""

from __future__ import annotations

import json
import tempfile
import threading
from pathlib import Path
from typing import Any

from apiflask import APIBlueprint
from flask import Response

from service.api.documentation import content, reading
from service.api.front import finished
from service.catalog import costs
from service.catalog.catalog import FileReference
from service.context import Service, service_of
from service.jobs import Job
from service.problems import Problem, blaming, invalid
from service.results import onnx_export
from service.schemas.search import ArchitectureQuery
from service.security.headers import PICTURE
from spaces.architecture import Architecture
from spaces.errors import PathfitError
from spaces.registry import get

_ONE = (
    threading.Lock()
)  # matplotlib draws where graphviz is not installed; its settings are the whole process's


def blueprint() -> APIBlueprint:
    """The route of found architectures."""
    architectures = APIBlueprint("architectures", __name__, url_prefix="/search", tag="search")

    @architectures.get("/<job_id>/architectures/<int:place>")
    @architectures.input(ArchitectureQuery, location="query", arg_name="query")
    @architectures.doc(
        summary="A network that a search found",
        description=(
            "`place` counts from 0, best first, on the front or among all candidates. ONNX is of"
            " the network as it is before training, for measuring it on a device; with"
            " `weights=supernet` it has the weights and statistics of its path in the supernet that"
            " guided the search."
        ),
        responses=reading(404, 409, 410, 422) | content("The network", *MEDIA_TYPES),
    )
    def show(job_id: str, place: int, query: ArchitectureQuery) -> Response:
        service = service_of()
        job = finished(service, job_id)
        architecture = _architecture(service, job, place, query.of)
        name = f"{job.id[:8]}-{place}"
        supernet = _supernet(job, query)
        if query.format == "svg":
            return _drawing(architecture)
        if query.format == "onnx":
            with service.exports.held():
                return _file(
                    onnx_export.exported(architecture, supernet), "application/onnx", f"{name}.onnx"
                )
        if query.format == "blocks":
            return _json(_blocks(job, architecture))
        return _written(architecture, query.format, name)

    return architectures


MEDIA_TYPES = ("application/json", "text/plain", "image/svg+xml", "application/onnx")


def _architecture(service: Service, job: Job, place: int, of: str) -> Architecture:
    assert job.result is not None
    if of == "front":
        front = job.result["front"]
        _check_place(place, len(front), "on the front")
        return Architecture.from_dict(front[place]["architecture"])
    best = job.result["best"]
    if place < len(best):
        return Architecture.from_dict(best[place]["architecture"])
    assert job.artifact is not None
    codes = json.loads(service.artifacts.read(job.artifact))["candidates"]["codes"]
    _check_place(place, len(codes), "candidates")
    return get(job.result["space"]).architecture(codes[place])


def _supernet(job: Job, query: ArchitectureQuery) -> FileReference | None:
    """The weights of the supernet that guided a search, where they are asked for."""
    if query.weights == "untrained":
        return None
    if query.format != "onnx":
        raise invalid(
            f"weights are in the format onnx alone, not in {query.format!r:.80}", "weights"
        )
    given = job.task.get("supernet")
    if given is None:
        kind = job.request["guide"]["kind"]
        raise invalid(
            f"weights=supernet is for searches that a supernet guided; a {kind} guided this one",
            "weights",
        )
    return _unchanged(given)


def _unchanged(given: dict[str, Any]) -> FileReference:
    """A file of a search, which must be what it was."""
    reference = FileReference(**given)
    try:
        reference.checked()
    except PathfitError as error:
        raise Problem(409, "unusable-file", "Unusable file", str(error)) from error
    return reference


def _check_place(place: int, count: int, what: str) -> None:
    if place >= count:
        raise invalid(
            f"place must be less than {count}, the number of networks {what}, not {place}", "place"
        )


def _blocks(job: Job, architecture: Architecture) -> dict[str, Any]:
    given = job.task.get("table")
    return costs.by_block(architecture, None if given is None else _unchanged(given))


def _drawing(architecture: Architecture) -> Response:
    from spaces.drawing.renderer import draw

    with tempfile.TemporaryDirectory(prefix="pathfit-") as folder:
        path = Path(folder) / "architecture.svg"
        with _ONE:
            draw(get(architecture.space).sketch(architecture), path)
        answer = Response(path.read_bytes(), content_type="image/svg+xml")
    answer.headers["Content-Security-Policy"] = PICTURE
    return answer


def _written(architecture: Architecture, format_name: str, name: str) -> Response:
    from spaces import formats

    with blaming("format"):
        text = formats.write(architecture, format_name)
    try:
        json.loads(text)
    except ValueError:
        return _file(text.encode(), "text/plain; charset=utf-8", f"{name}.txt")
    return _file(text.encode(), "application/json", f"{name}.{format_name}.json")


def _json(value: dict[str, Any]) -> Response:
    return Response(json.dumps(value, allow_nan=False), content_type="application/json")


def _file(text: bytes, media_type: str, name: str) -> Response:
    answer = Response(text, content_type=media_type)
    answer.headers.set("Content-Disposition", "attachment", filename=name)
    return answer
