"""`POST /pipelines`, and the files of finished pipelines and trainings."""

from __future__ import annotations

import mimetypes

from apiflask import APIBlueprint
from flask import Response

from service.admission.pipeline import admit_pipeline
from service.api.documentation import content, reading, writing
from service.api.job_requests import Accepted, accept, get_owned_job
from service.api.search import IN_TIME
from service.api.uploads import upload_library
from service.catalog.pipeline_files import path_of_file
from service.context import current_service
from service.jobs import state_phrase
from service.problems import Problem
from service.schemas.jobs import JobStatus, PipelineRequest

_PNG = "image/png"

blueprint = APIBlueprint("pipelines", __name__, tag="jobs")


@blueprint.post("/pipelines")
@blueprint.input(PipelineRequest, arg_name="body")
@blueprint.output(
    JobStatus, status_code=202, description="Accepted; Location is the URL of the job"
)
@blueprint.doc(
    summary="Run a pipeline: profile, train, evaluate, predict, search, retrain, export, measure",
    description=(
        "All faults are reported at once, in `errors`. The progress has the stages as `steps`. The"
        " result lists the files of each stage; the table, the evaluations and the predictor are"
        " added to the catalog under the request's name."
    ),
    responses=writing(409, 429) | IN_TIME,
)
def create(body: PipelineRequest) -> Accepted:
    """Check a pipeline and put it into the queue."""
    service = current_service()
    library = upload_library(body.shared)
    return accept(
        service, lambda: admit_pipeline(body, service.sender_catalog(), library, service.checks)
    )


@blueprint.get("/jobs/<job_id>/files/<name>")
@blueprint.doc(
    summary="A file that a stage of a pipeline, or the training of a network, wrote",
    responses=reading(404, 409, 410) | content("The file", "application/octet-stream", _PNG),
)
def file(job_id: str, name: str) -> Response:
    """Send a file that the result of a job lists."""
    service = current_service()
    job = get_owned_job(service, job_id)
    if job.artifact is None:
        detail = f"the job {job_id} {state_phrase(job.state)} and has no files"
        raise Problem(409, "conflict", "Conflict", detail, "id", state=job.state)

    result = job.result or {}
    lists = [stage["files"] for stage in result.get("stages", [])]
    names = [listed for files in [*lists, result.get("files", [])] for listed in files]
    # Only names of the list: no other text becomes part of a path.
    if name not in names:
        available = ", ".join(names) or "none"
        detail = f"the job {job_id} has no file {name!r:.80}; available: {available}"
        raise Problem(404, "unknown-file", "Unknown file", detail, "name", known=names)

    # Only pictures have a type of their own, which lets pages show them.
    is_picture = mimetypes.guess_type(name)[0] == _PNG
    response = Response(
        service.artifacts.read(path_of_file(job, name)),
        content_type=_PNG if is_picture else "application/octet-stream",
    )
    response.headers.set("Content-Disposition", "attachment", filename=name)
    return response
