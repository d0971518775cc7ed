"""`/search/{id}/events` and `/jobs/{id}/events`: the stored events of a job as a stream.

The streams are server-sent events of the HTML standard. A client that lost its connection sends the
number of the last event that it received, and gets those after it.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator

from apiflask import APIBlueprint
from flask import Response, request

from service.api.connection import RequestEnd, request_end
from service.api.documentation import content, reading
from service.api.job_requests import get_owned_job
from service.context import Service, current_service
from service.jobs import JobState
from service.problems import invalid
from service.schemas.search import EventQuery
from service.store import Event

MEDIA_TYPE = "text/event-stream"
ACCESS_INTERVAL = 5.0
"""Seconds after which a stream checks again whether its sender still has access."""

KEEP_ALIVE = 15.0
"""Seconds without an event after which a stream sends a comment, so that proxies keep it open."""

# Milliseconds after which a browser connects again.
_RETRY_MS = 1000
# Events that are read from the store at once.
_BATCH = 100
_MAX_EVENT = 1 << 31

_ANSWERS = reading(404, 422) | {
    **content("Events `state`, `progress` and `result`; the stream ends with the job", MEDIA_TYPE),
    204: {
        "description": "The job is over and every event was sent, so that browsers do not reconnect"
    },
}

blueprint = APIBlueprint("events", __name__, tag="events")


@blueprint.get("/search/<job_id>/events")
@blueprint.input(EventQuery, location="query", arg_name="query")
@blueprint.doc(summary="Events of a search: progress, best score and result", responses=_ANSWERS)
def search(job_id: str, query: EventQuery) -> Response:
    """Stream the events of a search."""
    return _stream(job_id, "search", query)


@blueprint.get("/jobs/<job_id>/events")
@blueprint.input(EventQuery, location="query", arg_name="query")
@blueprint.doc(summary="Events of a job: states, progress and result", responses=_ANSWERS)
def job(job_id: str, query: EventQuery) -> Response:
    """Stream the events of a job of any kind."""
    return _stream(job_id, None, query)


def _stream(job_id: str, kind: str | None, query: EventQuery) -> Response:
    service = current_service()
    after = _last_event_id(query.after)
    job = get_owned_job(service, job_id, kind, with_result=False)

    # After the last event a browser would connect again and again; only a 204 stops it.
    if job.state.final and not service.store.events.list(job_id, after, limit=1):
        return Response(status=204)

    service.streams.acquire()
    # Now: the texts are made after this request's context is gone.
    end = request_end(service)
    text = _event_texts(service, job_id, after, service.access.checker(), end)
    response = Response(text, content_type=f"{MEDIA_TYPE}; charset=utf-8")
    # Not in the generator, which never runs if the client leaves before the first event.
    response.call_on_close(service.streams.release)
    response.headers["Cache-Control"] = "no-store"
    # nginx would buffer the events otherwise.
    response.headers["X-Accel-Buffering"] = "no"

    return response


def _last_event_id(default: int) -> int:
    """Return the header Last-Event-ID, which browsers send after a lost connection."""
    text = request.headers.get("Last-Event-ID", "").strip()
    if not text:
        return default

    # The length first: int() fails on thousands of digits, and the store on a number that large. It
    # would also read the digits of other scripts.
    significant = text.lstrip("0") or "0"
    is_number = text.isascii() and text.isdigit() and len(significant) <= len(str(_MAX_EVENT))
    if not is_number or int(significant) >= _MAX_EVENT:
        raise invalid(
            f"Last-Event-ID must be the number of an event, not {text!r:.80}", "Last-Event-ID"
        )

    return int(significant)


def _event_texts(
    service: Service, job_id: str, after: int, has_access: Callable[[], bool], end: RequestEnd
) -> Iterator[str]:
    # First of all, so that a browser receives the headers at once.
    yield f"retry: {_RETRY_MS}\n\n"
    sent = checked = time.monotonic()
    while not end.is_set():
        next_check = checked + ACCESS_INTERVAL
        timeout = max(0.0, min(sent + KEEP_ALIVE, next_check) - time.monotonic())
        events = service.store.events.wait(job_id, after, timeout, end, limit=_BATCH)

        # Before anything is sent: the token may have been revoked during the wait.
        if time.monotonic() >= next_check:
            if not has_access():
                return
            checked = time.monotonic()

        for event in events:
            yield _to_text(event)

        if events:
            # No event follows that of a final state.
            if _is_last(events[-1]):
                return
            after = events[-1].sequence
            sent = time.monotonic()
        # Only after an empty wait: events may remain to be sent when the job has ended.
        elif service.store.jobs.is_over(job_id):
            return
        elif time.monotonic() >= sent + KEEP_ALIVE:
            yield ": keep-alive\n\n"
            sent = time.monotonic()


def _is_last(event: Event) -> bool:
    return event.kind == "state" and JobState(event.data["state"]).final


def _to_text(event: Event) -> str:
    data = json.dumps(event.data, allow_nan=False)
    return f"id: {event.sequence}\nevent: {event.kind}\ndata: {data}\n\n"
