"""`/search/{id}/events` and `/jobs/{id}/events`: what happens to a job, as server-sent events from
the stored log.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from apiflask import APIBlueprint
from flask import Response, request

from service.api.documentation import content, reading
from service.api.job_requests import own
from service.context import Service, service_of
from service.operation import logs
from service.problems import invalid
from service.schemas.search import EventQuery
from service.store import Event

MEDIA_TYPE = "text/event-stream"
KEEP_ALIVE = 15.0
"""Seconds after which a stream says that it lives."""

_RETRY_MS = 1000
_AT_ONCE = 100
_MOST = 1 << 31


def blueprint() -> APIBlueprint:
    """The routes of events."""
    events = APIBlueprint("events", __name__, tag="events")

    @events.get("/search/<job_id>/events")
    @events.input(EventQuery, location="query", arg_name="query")
    @events.doc(
        summary="What happens to a search: progress, best so far, result", responses=_ANSWERS
    )
    def search(job_id: str, query: EventQuery) -> Response:
        return _stream(job_id, "search", query)

    @events.get("/jobs/<job_id>/events")
    @events.input(EventQuery, location="query", arg_name="query")
    @events.doc(summary="What happens to a job: states, progress, result", responses=_ANSWERS)
    def job(job_id: str, query: EventQuery) -> Response:
        return _stream(job_id, None, query)

    return events


_ANSWERS = reading(404, 422) | {
    **content("Events `state`, `progress` and `result`; the stream ends with the job", MEDIA_TYPE),
    204: {"description": "The job is over and every event was sent: a browser does not ask again"},
}


def _stream(job_id: str, kind: str | None, query: EventQuery) -> Response:
    service = service_of()
    after = _last_seen(query.after)
    logs.about(job_id[:64])
    job = own(service, job_id, kind)
    if job.state.final and not service.store.events.list(job_id, after, limit=1):
        return Response(status=204)
    service.streams.take()
    answer = Response(_told(service, job_id, after), content_type=f"{MEDIA_TYPE}; charset=utf-8")
    # Also where the client has gone before the first event.
    answer.call_on_close(service.streams.give_back)
    answer.headers["Cache-Control"] = "no-store"
    answer.headers["X-Accel-Buffering"] = "no"  # nginx would keep events back
    return answer


def _last_seen(after: int) -> int:
    given = request.headers.get("Last-Event-ID", "").strip()
    if not given:
        return after
    if not given.isascii() or not given.isdigit() or int(given[:20]) >= _MOST:
        raise invalid(f"Last-Event-ID: the number of an event, not {given!r:.80}", "Last-Event-ID")
    return int(given)


def _told(service: Service, job_id: str, after: int) -> Iterator[str]:
    yield f"retry: {_RETRY_MS}\n\n"
    while not service.stopping.is_set():
        found = service.store.events.wait(
            job_id, after, KEEP_ALIVE, service.stopping, limit=_AT_ONCE
        )
        for event in found:
            yield _text(event)
        if found:
            after = found[-1].sequence
        elif service.store.jobs.get(job_id).state.final:
            return
        else:
            yield ": keep-alive\n\n"


def _text(event: Event) -> str:
    return (
        f"id: {event.sequence}\nevent: {event.kind}\ndata:"
        f" {json.dumps(event.data, allow_nan=False)}\n\n"
    )
