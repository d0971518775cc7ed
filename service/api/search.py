"""`/search`: request a search, follow it and cancel it."""

from __future__ import annotations

import json

from apiflask import APIBlueprint
from flask import Response

from service.admission.search import admit_search
from service.api.documentation import Answers, reading, writing
from service.api.job_requests import Accepted, accept, get_job, get_owned_job, job_to_status
from service.artifacts import MissingArtifact
from service.context import current_service
from service.jobs import Job
from service.problems import Problem
from service.schemas.base import JobQuery
from service.schemas.jobs import JobStatus, SearchList
from service.schemas.search import Detail, SearchRequest
from service.security.caller import owner

IN_TIME: Answers = {200: {"description": "The job ended in time; the body has its result."}}
_WAIT = "With `Prefer: wait=N` the answer waits up to N seconds, at most 30, for the search's end."

blueprint = APIBlueprint("search", __name__, url_prefix="/search", tag="search")


@blueprint.post("")
@blueprint.input(SearchRequest, arg_name="body")
@blueprint.output(
    JobStatus, status_code=202, description="Accepted; Location is the URL of the job"
)
@blueprint.doc(summary="Request a search", description=_WAIT, responses=writing(409, 429) | IN_TIME)
def create(body: SearchRequest) -> Accepted:
    """Check a search and put it into the queue."""
    service = current_service()
    agents = service.store.agents.list() if body.verify is not None else []
    return accept(service, lambda: admit_search(body, service.sender_catalog(), agents))


@blueprint.get("")
@blueprint.input(JobQuery, location="query", arg_name="query")
@blueprint.output(SearchList)
@blueprint.doc(summary="Searches, newest first", responses=reading(422))
def index(query: JobQuery) -> SearchList:
    """List the sender's searches."""
    jobs, total = current_service().store.jobs.list(
        owner(), "search", query.state, query.space, limit=query.limit, offset=query.offset
    )
    searches = [job_to_status(job) for job in jobs]
    return SearchList(searches=searches, total=total, limit=query.limit, offset=query.offset)


@blueprint.get("/<job_id>")
@blueprint.input(Detail, location="query", arg_name="detail")
@blueprint.output(JobStatus)
@blueprint.doc(
    summary="A search with its state and its result",
    description=_WAIT,
    responses=reading(404, 410, 422),
)
def show(job_id: str, detail: Detail) -> JobStatus | Response:
    """Report a search, with all its candidates if requested."""
    service = current_service()
    # The artifact has the result too.
    job = get_job(service, job_id, "search", with_result=not detail.candidates)
    if not detail.candidates or job.artifact is None:
        return job_to_status(job)

    try:
        result = service.artifacts.read(job.artifact)
    except MissingArtifact as error:
        message = f"the candidates of {job_id} are gone: {error}"
        raise Problem(410, "gone", "Gone", message, "id") from error

    return _with_result(job, result)


def _with_result(job: Job, result: bytes) -> Response:
    """Return the status of a search with the JSON text of its result.

    The text is inserted as it is: to read a thousand candidates and write them again would take
    longer than all the rest of the answer.
    """
    status = job_to_status(job, with_result=False).model_dump(mode="json", exclude={"result"})
    # An object with members, so that its text ends with a member and a brace.
    head = json.dumps(status, allow_nan=False).removesuffix("}").encode()
    return Response(head + b', "result": ' + result.strip() + b"}", mimetype="application/json")


@blueprint.delete("/<job_id>")
@blueprint.output(JobStatus, description="Cancelled")
@blueprint.doc(summary="Cancel a search", responses=reading(403, 404, 409))
def cancel(job_id: str) -> JobStatus:
    """Cancel a search that has not ended."""
    service = current_service()
    # Raises if the id is that of another kind of job. At once, whatever the request prefers: a
    # search that is to be cancelled must not run on while the answer waits for its end.
    get_owned_job(service, job_id, "search")
    return job_to_status(service.store.jobs.cancel(job_id, owner()))
