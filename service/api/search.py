"""`/search`: ask for a search, follow it, cancel it."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from typing import Any

from apiflask import APIBlueprint
from flask import request, url_for

from service.admission import admit
from service.api.documentation import Answers, problems
from service.app import Service, service_of
from service.jobs import Job
from service.problems import Problem
from service.schemas import Detail, Page, SearchList, SearchRequest, SearchStatus
from spaces.errors import InvalidFile
from spaces.files import read_text

IN_TIME: Answers = {200: {"description": "The search was done in time; the body is the same, with its result."}}
LONGEST_WAIT = 30
_WAIT = re.compile(r"(?:^|,)\s*wait\s*=\s*\"?(\d{1,9})\"?\s*(?:$|[,;])", re.IGNORECASE)


def blueprint() -> APIBlueprint:
    """The routes of searches."""
    search = APIBlueprint("search", __name__, url_prefix="/search", tag="search")

    @search.post("")
    @search.input(SearchRequest, arg_name="asked")
    @search.output(SearchStatus, status_code=202, description="Accepted; Location tells where to follow it")
    @search.doc(
        summary="Ask for a search",
        description="With `Prefer: wait=N` the answer waits up to N seconds, at most 30, for the search's end.",
        responses=problems(400, 413, 415, 422) | IN_TIME,
    )
    def create(asked: SearchRequest) -> tuple[dict[str, Any], int, dict[str, str]]:
        service = service_of()
        filled, task = admit(asked, service.catalog)
        job = service.store.create("search", filled.model_dump(mode="json"), task.to_dict())
        service.engine.notify()
        wait = min(_preferred_wait(request.headers.get("Prefer", "")), LONGEST_WAIT)
        headers = {"Location": url_for("search.show", job_id=job.id)}
        if wait:
            headers["Preference-Applied"] = f"wait={wait}"
            job = _waited(service, job, wait)
        return _shown(job), 200 if job.state.final else 202, headers

    @search.get("")
    @search.input(Page, location="query", arg_name="page")
    @search.output(SearchList)
    @search.doc(summary="Searches, newest first", responses=problems(400, 422))
    def index(page: Page) -> dict[str, Any]:
        jobs, total = service_of().store.newest(page.limit, page.offset)
        return {"searches": [_shown(job) for job in jobs], "total": total, **page.model_dump()}

    @search.get("/<job_id>")
    @search.input(Detail, location="query", arg_name="detail")
    @search.output(SearchStatus)
    @search.doc(summary="A search: where it stands, and what it found", responses=problems(400, 404, 410, 422))
    def show(job_id: str, detail: Detail) -> dict[str, Any]:
        service = service_of()
        shown = _shown(job := service.store.get(job_id))
        if detail.candidates and job.artifact is not None:
            try:
                shown["result"] = json.loads(read_text(service.settings.results / job.artifact))
            except InvalidFile as error:
                raise Problem(410, "gone", "Gone", f"the candidates of {job_id} are gone: {error}", "id") from error
        return shown

    @search.delete("/<job_id>")
    @search.output(SearchStatus, description="Cancelled")
    @search.doc(summary="Cancel a search", responses=problems(400, 404, 409))
    def cancel(job_id: str) -> dict[str, Any]:
        service = service_of()
        job = service.store.cancel(job_id)
        service.engine.cancel(job_id)
        return _shown(job)

    return search


def _preferred_wait(header: str) -> int:
    """Seconds of `Prefer: wait=N`; 0 where it does not ask for any, as RFC 7240 has unreadable preferences ignored."""
    match = _WAIT.search(header)
    return int(match[1]) if match else 0


def _waited(service: Service, job: Job, seconds: int) -> Job:
    # Waiting requests hold threads: beyond their share the answer comes at once, which `Prefer` allows.
    if not service.waiting.acquire(blocking=False):
        return job
    try:
        return service.store.wait(job.id, seconds, service.stopping)
    finally:
        service.waiting.release()


def _shown(job: Job) -> dict[str, Any]:
    here = url_for("search.show", job_id=job.id)
    return {
        **{key: getattr(job, key) for key in ("id", "kind", "state", "attempt", "request", "progress")},
        **{key: _time(getattr(job, key)) for key in ("created", "started", "finished")},
        "result": job.result,
        "error": job.error,
        "links": {"self": here, "candidates": f"{here}?candidates=1", "searches": url_for("search.index")},
    }


def _time(seconds: float | None) -> str | None:
    return None if seconds is None else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
