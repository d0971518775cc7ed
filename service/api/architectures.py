"""`/search/{id}/architectures/{k}`: one network of a search, as text, a drawing or ONNX."""

from __future__ import annotations

import json
import threading

from apiflask import APIBlueprint
from flask import Response

from service.api.documentation import content, reading
from service.api.job_requests import get_finished_search
from service.catalog import costs
from service.catalog.files import FileReference, training_of_predictor
from service.context import Service, current_service
from service.jobs import Job, JsonObject
from service.operation.scratch import temporary_folder
from service.problems import Problem, blaming, invalid
from service.results import found_picture, onnx_export
from service.results.reasons import explain
from service.schemas.search import ArchitectureQuery, PositionQuery, Reasons
from service.security.headers import PICTURE
from spaces.architecture import Architecture
from spaces.errors import PathfitError
from spaces.registry import get

# Where graphviz is missing matplotlib draws, whose settings are shared by all threads.
_DRAWING_LOCK = threading.Lock()

_MEDIA_TYPES = (
    *("application/json", "text/plain", "image/svg+xml", "image/png", "application/onnx"),
)

blueprint = APIBlueprint("architectures", __name__, url_prefix="/search", tag="search")


@blueprint.get("/<job_id>/architectures/<int:place>")
@blueprint.input(ArchitectureQuery, location="query", arg_name="query")
@blueprint.doc(
    summary="A network of a search",
    description=(
        "`place` counts from 0, best first, on the front or among all candidates. ONNX has"
        " untrained weights, for measuring the network on a device; with"
        " `weights=supernet` it has the weights and statistics of its path in the supernet that"
        " guided the search. With these weights `format=found` draws what a detector or a segmenter"
        " finds in test images."
    ),
    responses=reading(404, 409, 410, 422) | content("The network", *_MEDIA_TYPES),
)
def show(job_id: str, place: int, query: ArchitectureQuery) -> Response:
    """Write a network in the requested format."""
    service = current_service()
    job, result = get_finished_search(service, job_id)
    architecture = read_architecture(service, job, result, place, query.of)
    supernet = _supernet_weights(job, query)
    # Recognisable among the downloads of several searches.
    name = f"{job.id[:8]}-{place}"

    if query.format == "svg":
        return _draw(architecture)
    if query.format == "onnx":
        with service.exports.slot():
            data = onnx_export.export(architecture, supernet)
        return _attach(data, "application/onnx", f"{name}.onnx")

    if query.format == "found":
        reference = _guiding_supernet(job, "format=found", "format")
        with service.exports.slot():
            picture = found_picture.draw(architecture, reference)
        return Response(picture, content_type="image/png")

    if query.format == "blocks":
        network_costs = costs.by_block(architecture, pinned_file(job, "table"))
        text = json.dumps(network_costs.to_dict(), allow_nan=False)
        return Response(text, content_type="application/json")

    return _write(architecture, query.format, name)


@blueprint.get("/<job_id>/architectures/<int:place>/reasons")
@blueprint.input(PositionQuery, location="query", arg_name="query")
@blueprint.output(Reasons)
@blueprint.doc(
    summary="Why a network of a search was chosen",
    description="Its limits with their margins, and the evidence that ranked it.",
    responses=reading(404, 409, 410, 422),
)
def reasons(job_id: str, place: int, query: PositionQuery) -> Reasons:
    """Explain the choice of a network."""
    service = current_service()
    job, result = get_finished_search(service, job_id)
    network_costs = _read_costs(service, job, result, place, query.of)
    rank = place if query.of == "candidates" or place == 0 else None
    return explain(result, network_costs, rank, _guide_record(job))


def _read_costs(
    service: Service, job: Job, result: JsonObject, index: int, source: str
) -> dict[str, float]:
    if source == "front":
        _check_index(index, len(result["front"]), "on the front")
        return dict(result["front"][index]["costs"])
    if index < len(result["best"]):
        return dict(result["best"][index]["costs"])

    assert job.artifact is not None
    columns = json.loads(service.artifacts.read(job.artifact))["candidates"]["costs"]
    _check_index(index, result["evaluated"], "candidates")

    return {metric: values[index] for metric, values in columns.items()}


def _guide_record(job: Job) -> JsonObject:
    """Return the training record of a search's predictor; empty for other guides."""
    value = job.task.get("predictor")
    if value is None:
        return {}
    # The result remains explained by its limits where the file is gone.
    try:
        return training_of_predictor(FileReference(**value).checked())
    except PathfitError:
        return {}


def read_architecture(
    service: Service, job: Job, result: JsonObject, index: int, source: str, field: str = "place"
) -> Architecture:
    """Read a network of a search.

    Args:
        service: Service that has the search.
        job: The search.
        result: Its result.
        index: Position of the network, from 0, best first.
        source: Networks that are counted: `front` or `candidates`.
        field: Part of the request that has the position.

    Raises:
        Problem: 422; there is no such network.
    """
    if source == "front":
        front = result["front"]
        _check_index(index, len(front), "on the front", field)
        return Architecture.from_dict(front[index]["architecture"])

    # The stored job has the best candidates in full; all others are codes in its artifact.
    best = result["best"]
    if index < len(best):
        return Architecture.from_dict(best[index]["architecture"])

    assert job.artifact is not None
    codes = json.loads(service.artifacts.read(job.artifact))["candidates"]["codes"]
    _check_index(index, len(codes), "candidates", field)

    return get(result["space"]).architecture(codes[index])


def _check_index(index: int, count: int, source: str, field: str = "place") -> None:
    if index >= count:
        raise invalid(
            f"{field} must be less than {count}, the number of networks {source}, not {index}",
            field,
        )


def _supernet_weights(job: Job, query: ArchitectureQuery) -> FileReference | None:
    """Return the weights of the supernet that guided a search, if they are requested."""
    if query.weights == "untrained":
        return None
    if query.format != "onnx":
        raise invalid(
            f"weights must be 'untrained' for the format {query.format!r:.80};"
            " only onnx contains weights",
            "weights",
        )

    return _guiding_supernet(job, "weights=supernet", "weights")


def _guiding_supernet(job: Job, requested: str, field: str) -> FileReference:
    """Return the weights of the supernet that guided a search; raises Problem if none did."""
    reference = pinned_file(job, "supernet")
    if reference is None:
        kind = job.request["guide"]["kind"]
        raise invalid(
            f"{requested} needs a search that a supernet guided; a {kind} guided this one", field
        )

    return reference


def pinned_file(job: Job, name: str) -> FileReference | None:
    """Return a file of a search's task, unless the task has none; raises Problem if it changed."""
    value = job.task.get(name)
    if value is None:
        return None

    reference = FileReference(**value)
    try:
        reference.checked()
    except PathfitError as error:
        raise Problem(409, "unusable-file", "Unusable file", str(error)) from error

    return reference


def _draw(architecture: Architecture) -> Response:
    from spaces.drawing.renderer import draw

    with temporary_folder() as folder:
        path = folder / "architecture.svg"
        with _DRAWING_LOCK:
            draw(get(architecture.space).sketch(architecture), path)
        response = Response(path.read_bytes(), content_type="image/svg+xml")

    response.headers["Content-Security-Policy"] = PICTURE

    return response


def _write(architecture: Architecture, format_name: str, name: str) -> Response:
    from spaces import formats

    with blaming("format"):
        text = formats.write(architecture, format_name)
    # Formats do not declare whether they are JSON, and some write lines of text.
    try:
        json.loads(text)
    except ValueError:
        return _attach(text.encode(), "text/plain; charset=utf-8", f"{name}.txt")

    return _attach(text.encode(), "application/json", f"{name}.{format_name}.json")


def _attach(data: bytes, media_type: str, filename: str) -> Response:
    response = Response(data, content_type=media_type)
    response.headers.set("Content-Disposition", "attachment", filename=filename)
    return response
