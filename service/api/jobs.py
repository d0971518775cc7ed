"""`/jobs`, `POST /predictors` and `POST /retrain`: what the service runs beside searches."""

from __future__ import annotations

from typing import Any

from apiflask import APIBlueprint
from flask import Response

from service.admission import training
from service.api.documentation import content, reading, writing
from service.api.job_requests import Answer, accept, looked_up, own, shown
from service.api.search import IN_TIME
from service.context import service_of
from service.problems import Problem
from service.schemas.jobs import JobList, JobStatus, KindQuery, PredictorRequest, RetrainRequest
from service.security.caller import owner

ACCEPTED = "Accepted; Location tells where to follow it"


def blueprint() -> APIBlueprint:
    """The routes of jobs."""
    jobs = APIBlueprint("jobs", __name__, tag="jobs")

    @jobs.get("/jobs")
    @jobs.input(KindQuery, location="query", arg_name="query")
    @jobs.output(JobList)
    @jobs.doc(summary="Jobs of every kind, newest first", responses=reading(422))
    def index(query: KindQuery) -> dict[str, Any]:
        page = {"limit": query.limit, "offset": query.offset}
        found, total = service_of().store.jobs.list(
            owner(), query.kind, query.state, query.space, **page
        )
        return {"jobs": [shown(job) for job in found], "total": total, **page}

    @jobs.get("/jobs/<job_id>")
    @jobs.output(JobStatus)
    @jobs.doc(summary="A job: where it stands, and what came of it", responses=reading(404))
    def show(job_id: str) -> dict[str, Any]:
        return shown(looked_up(service_of(), job_id))

    @jobs.delete("/jobs/<job_id>")
    @jobs.output(JobStatus, description="Cancelled")
    @jobs.doc(summary="Cancel a job", responses=reading(403, 404, 409))
    def cancel(job_id: str) -> dict[str, Any]:
        return shown(service_of().store.jobs.cancel(job_id, owner()))

    @jobs.get("/jobs/<job_id>/artifact")
    @jobs.doc(
        summary=(
            "What a job left: a predictor, the weights of a network, the full result of a search"
        ),
        responses=reading(404, 409, 410) | content("The file", "application/octet-stream"),
    )
    def artifact(job_id: str) -> Response:
        service = service_of()
        job = own(service, job_id)
        if job.artifact is None:
            raise Problem(
                409,
                "conflict",
                "Conflict",
                f"the job {job_id} is {job.state} and has left nothing",
                "id",
            )
        answer = Response(
            service.artifacts.read(job.artifact), content_type="application/octet-stream"
        )
        answer.headers.set(
            "Content-Disposition", "attachment", filename=job.artifact.rpartition("/")[2]
        )
        return answer

    @jobs.post("/predictors")
    @jobs.input(PredictorRequest, arg_name="asked")
    @jobs.output(JobStatus, status_code=202, description=ACCEPTED)
    @jobs.doc(
        summary="Train a predictor from uploaded evaluations; searches may then name it",
        responses=writing(409, 429) | IN_TIME,
    )
    def predictors(asked: PredictorRequest) -> Answer:
        service = service_of()
        return accept(
            service, "predictor", lambda: training.admit_predictor(asked, service.catalog)
        )

    @jobs.post("/retrain")
    @jobs.input(RetrainRequest, arg_name="asked")
    @jobs.output(JobStatus, status_code=202, description=ACCEPTED)
    @jobs.doc(
        summary="Train a network from scratch, or on from a supernet's weights",
        responses=writing(404, 409, 429) | IN_TIME,
    )
    def retrain(asked: RetrainRequest) -> Answer:
        service = service_of()
        found = None if asked.search is None else own(service, asked.search.id, "search")
        return accept(
            service, "retrain", lambda: training.admit_retrain(asked, service.catalog, found)
        )

    return jobs
