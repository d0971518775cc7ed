"""`/jobs`, `POST /predictors` and `POST /retrain`: jobs of every kind, and trainings."""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import Response

from service.admission import training
from service.api.documentation import content, reading, writing
from service.api.job_requests import Accepted, accept, get_job, get_owned_job, job_to_status
from service.api.search import IN_TIME
from service.api.uploads import upload_library
from service.context import current_service
from service.jobs import state_phrase
from service.operation.removal import remove_ended
from service.problems import Problem
from service.schemas.jobs import (
    JobLabels,
    JobList,
    JobStatus,
    KindQuery,
    PredictorRequest,
    RemovalQuery,
    RetrainRequest,
)
from service.security.caller import owner

_ACCEPTED = "Accepted; Location is the URL of the job"

blueprint = APIBlueprint("jobs", __name__, tag="jobs")


@blueprint.get("/jobs")
@blueprint.input(KindQuery, location="query", arg_name="query")
@blueprint.output(JobList)
@blueprint.doc(summary="Jobs of every kind, newest first", responses=reading(422))
def index(query: KindQuery) -> JobList:
    """List the sender's jobs."""
    jobs, total = current_service().store.jobs.list(
        owner(),
        query.kind,
        query.state,
        query.space,
        limit=query.limit,
        offset=query.offset,
        tag=query.tag,
        text=query.text,
    )
    statuses = [job_to_status(job) for job in jobs]
    return JobList(jobs=statuses, total=total, limit=query.limit, offset=query.offset)


@blueprint.get("/jobs/<job_id>")
@blueprint.output(JobStatus)
@blueprint.doc(summary="A job with its state and its result", responses=reading(404))
def show(job_id: str) -> JobStatus:
    """Report a job."""
    return job_to_status(get_job(current_service(), job_id))


@blueprint.patch("/jobs/<job_id>")
@blueprint.input(JobLabels, arg_name="body")
@blueprint.output(JobStatus)
@blueprint.doc(
    summary="Name or tag a job",
    description="In whichever state it is; lists are filtered by `tag` and `text`.",
    responses=writing(404),
)
def label(job_id: str, body: JobLabels) -> JobStatus:
    """Change the name and tags of a job, and report it without its result."""
    name = None if body.name is None else body.name.strip()
    jobs = current_service().store.jobs
    return job_to_status(jobs.label(job_id, owner(), name=name, tags=body.tags))


@blueprint.delete("/jobs/<job_id>")
@blueprint.input(RemovalQuery, location="query", arg_name="query")
@blueprint.output(JobStatus, description="Cancelled, or removed")
@blueprint.doc(
    summary="Cancel a job, or remove one that has ended",
    description=(
        "Without `remove` an unfinished job is cancelled. With `remove=true` a job that has ended"
        " is removed with its events and files; what it added to the catalog stays."
    ),
    responses=reading(403, 404, 409, 422),
)
def delete(job_id: str, query: RemovalQuery) -> JobStatus:
    """Cancel a job that has not ended, or remove one that has."""
    service = current_service()
    if not query.remove:
        return job_to_status(service.store.jobs.cancel(job_id, owner()))

    job = get_owned_job(service, job_id, with_result=False)
    remove_ended(service, job)

    return job_to_status(job)


@blueprint.get("/jobs/<job_id>/artifact")
@blueprint.doc(
    summary="File of a job: a predictor, the weights of a network, or the full result of a search",
    responses=reading(404, 409, 410) | content("The file", "application/octet-stream"),
)
def artifact(job_id: str) -> Response:
    """Send the file that a job produced."""
    service = current_service()
    job = get_owned_job(service, job_id)
    if job.artifact is None:
        detail = f"the job {job_id} {state_phrase(job.state)} and has no file"
        raise Problem(409, "conflict", "Conflict", detail, "id")

    content = service.artifacts.read(job.artifact)
    response = Response(content, content_type="application/octet-stream")
    filename = job.artifact.rpartition("/")[2]
    response.headers.set("Content-Disposition", "attachment", filename=filename)

    return response


@blueprint.post("/predictors")
@blueprint.input(PredictorRequest, arg_name="body")
@blueprint.output(JobStatus, status_code=202, description=_ACCEPTED)
@blueprint.doc(
    summary="Train a predictor from uploaded evaluations; searches may then name it",
    responses=writing(409, 429) | IN_TIME,
)
def predictors(body: PredictorRequest) -> Accepted:
    """Check the training of a predictor and put it into the queue."""
    service = current_service()
    library = upload_library(body.shared)
    return accept(
        service, lambda: training.admit_predictor(body, service.sender_catalog(), library)
    )


@blueprint.post("/retrain")
@blueprint.input(RetrainRequest, arg_name="body")
@blueprint.output(JobStatus, status_code=202, description=_ACCEPTED)
@blueprint.doc(
    summary="Train a network from scratch, or on from a supernet's weights",
    responses=writing(404, 409, 429) | IN_TIME,
)
def retrain(body: RetrainRequest) -> Accepted:
    """Check the training of a network and put it into the queue."""
    service = current_service()
    search = None if body.search is None else get_owned_job(service, body.search.id, "search")
    return accept(service, lambda: training.admit_retrain(body, service.sender_catalog(), search))
