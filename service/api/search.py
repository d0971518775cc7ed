"""`/search`: ask for a search, follow it, cancel it."""

from __future__ import annotations

import json
from typing import Any

from apiflask import APIBlueprint

from service.admission.search import admit
from service.api.documentation import Answers, reading, writing
from service.api.job_requests import Answer, accept, looked_up, shown
from service.artifacts import MissingArtifact
from service.context import service_of
from service.jobs import JsonObject, Resources
from service.problems import Problem
from service.schemas.base import JobQuery
from service.schemas.jobs import JobStatus, SearchList
from service.schemas.search import Detail, SearchRequest
from service.security.caller import owner

IN_TIME: Answers = {
    200: {"description": "The job was done in time; the body is the same, with its result."}
}


def blueprint() -> APIBlueprint:
    """The routes of searches."""
    search = APIBlueprint("search", __name__, url_prefix="/search", tag="search")

    @search.post("")
    @search.input(SearchRequest, arg_name="asked")
    @search.output(
        JobStatus, status_code=202, description="Accepted; Location tells where to follow it"
    )
    @search.doc(
        summary="Ask for a search",
        description=(
            "With `Prefer: wait=N` the answer waits up to N seconds, at most 30, for the search's"
            " end."
        ),
        responses=writing(409, 429) | IN_TIME,
    )
    def create(asked: SearchRequest) -> Answer:
        service = service_of()

        def admitted() -> tuple[JsonObject, JsonObject, Resources]:
            filled, task = admit(asked, service.catalog)
            return (
                filled.model_dump(mode="json"),
                task.to_dict(),
                Resources(cpus=float(task.threads)),
            )

        return accept(service, "search", admitted)

    @search.get("")
    @search.input(JobQuery, location="query", arg_name="query")
    @search.output(SearchList)
    @search.doc(summary="Searches, newest first", responses=reading(422))
    def index(query: JobQuery) -> dict[str, Any]:
        page = {"limit": query.limit, "offset": query.offset}
        jobs, total = service_of().store.jobs.list(
            owner(), "search", query.state, query.space, **page
        )
        return {"searches": [shown(job) for job in jobs], "total": total, **page}

    @search.get("/<job_id>")
    @search.input(Detail, location="query", arg_name="detail")
    @search.output(JobStatus)
    @search.doc(
        summary="A search: where it stands, and what it found",
        description=(
            "With `Prefer: wait=N` the answer waits up to N seconds, at most 30, for the search's"
            " end."
        ),
        responses=reading(404, 410, 422),
    )
    def show(job_id: str, detail: Detail) -> dict[str, Any]:
        service = service_of()
        found = shown(job := looked_up(service, job_id, "search"))
        if detail.candidates and job.artifact is not None:
            try:
                found["result"] = json.loads(service.artifacts.read(job.artifact))
            except MissingArtifact as error:
                raise Problem(
                    410, "gone", "Gone", f"the candidates of {job_id} are gone: {error}", "id"
                ) from error
        return found

    @search.delete("/<job_id>")
    @search.output(JobStatus, description="Cancelled")
    @search.doc(summary="Cancel a search", responses=reading(403, 404, 409))
    def cancel(job_id: str) -> dict[str, Any]:
        service = service_of()
        looked_up(service, job_id, "search")
        return shown(service.store.jobs.cancel(job_id, owner()))

    return search
