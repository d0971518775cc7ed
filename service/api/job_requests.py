"""Parts of all requests for jobs: ownership, waiting for results, and idempotency."""

from __future__ import annotations

import hashlib
import re
import time
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import TypeAlias

from flask import request, url_for

from service.admission.tasks import Admission
from service.api.connection import request_end
from service.context import Service
from service.jobs import Job, JsonObject, UnknownJob, state_phrase
from service.operation import logs
from service.problems import Problem, invalid, too_many
from service.remaining import elapsed_seconds, remaining_seconds
from service.schemas.jobs import JobStatus
from service.security.caller import owner
from service.store import IdempotencyKey

LONGEST_WAIT = 30
"""Seconds that an answer waits at most for a job's end."""

_WAIT = re.compile(r"(?:^|,)\s*wait\s*=\s*\"?([0-9]{1,9})\"?\s*(?:$|[,;])", re.IGNORECASE)
_KEY = re.compile(r"[!-~]{1,255}")

Accepted: TypeAlias = tuple[JobStatus, int, dict[str, str]]
"""Body, status and headers of the answer to a request that creates a job."""


def accept(service: Service, admit: Callable[[], Admission]) -> Accepted:
    """Create a job, and wait for its end as long as the request prefers.

    Args:
        service: Service that handles the request.
        admit: Checks the request and returns the job to create.

    Raises:
        Problem: The request is refused, or too many requests wait already.
        IdempotencyConflict: The key was used with another body.
        QuotaExceeded: The token has as many unfinished jobs as its quota.
    """
    seconds = preferred_wait()
    key = _idempotency_key()

    # The slot comes first: a request that is refused for lack of one must not have made a job.
    with service.waiting.slot() if seconds else nullcontext():
        admission = admit()
        _check_queue(service)
        job, is_new = service.store.jobs.create(
            admission.kind,
            admission.request,
            admission.task.to_dict(),
            owner(),
            admission.resources,
            key,
            admission.agent,
        )
        logs.about(job.id)

        headers = {"Location": url_of(job)}
        if not is_new:
            headers["Idempotency-Replayed"] = "true"
        if seconds:
            headers["Preference-Applied"] = f"wait={seconds}"
            job = service.store.jobs.wait(job.id, seconds, request_end(service))
            # The token may have been revoked during the wait.
            service.access.identify()

    return job_to_status(job), 200 if job.state.final else 202, headers


def get_job(
    service: Service, job_id: str, kind: str | None = None, *, with_result: bool = True
) -> Job:
    """Get a job of the sender, after waiting for its end as long as the request prefers.

    Args:
        service: Service that handles the request.
        job_id: Id of the job.
        kind: Kind that the job must have. None accepts every kind.
        with_result: Whether the result, which may be large, is needed if the job has ended already.

    Raises:
        UnknownJob: The sender has no such job.
        Problem: Too many requests wait already.
    """
    job = get_owned_job(service, job_id, kind, with_result=with_result)
    seconds = preferred_wait()
    if not seconds or job.state.final:
        return job

    with service.waiting.slot():
        job = service.store.jobs.wait(job.id, seconds, request_end(service))
        # The token may have been revoked during the wait.
        service.access.identify()

    return job


def get_owned_job(
    service: Service, job_id: str, kind: str | None = None, *, with_result: bool = True
) -> Job:
    """Get a job of the sender at once; raises UnknownJob as `get_job`."""
    # Cut, since the sender could otherwise fill the log by long ids.
    logs.about(job_id[:64])
    job = service.store.jobs.get(job_id, owner(), with_result=with_result)
    if kind is not None and job.kind != kind:
        raise UnknownJob(job_id)
    return job


def get_finished_search(service: Service, job_id: str) -> tuple[Job, JsonObject]:
    """Get a search of the sender and its result; raises Problem (409) if it has none."""
    job = get_owned_job(service, job_id, "search")
    if job.result is None:
        detail = f"the search {job_id} {state_phrase(job.state)} and has no result"
        raise Problem(409, "conflict", "Conflict", detail, "id", state=job.state)
    return job, job.result


def preferred_wait() -> int:
    """Return the seconds of the header `Prefer: wait=N`, at most 30, or 0 without it.

    A preference that cannot be read is ignored, as RFC 7240 (section 2) requires.
    """
    # The header may list several preferences.
    match = _WAIT.search(request.headers.get("Prefer", ""))
    return min(int(match[1]), LONGEST_WAIT) if match else 0


def _idempotency_key() -> IdempotencyKey | None:
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not _KEY.fullmatch(key):
        raise invalid(
            "Idempotency-Key: 1 to 255 printable ASCII characters without spaces are accepted",
            "Idempotency-Key",
        )

    # Of the bytes as they were sent: the same key with any other body is a mistake of the client.
    body_sha256 = hashlib.sha256(request.get_data()).hexdigest()

    return IdempotencyKey(key, request.method, request.path, body_sha256)


def _check_queue(service: Service) -> None:
    limit = service.settings.max_unfinished
    if service.store.jobs.count_unfinished() >= limit:
        raise too_many(f"the limit of {limit} unfinished jobs is reached; try again when some end")


def url_of(job: Job) -> str:
    """Return the path of a job."""
    return url_for("search.show" if job.kind == "search" else "jobs.show", job_id=job.id)


def job_to_status(job: Job, *, with_result: bool = True) -> JobStatus:
    """Convert a job to the JSON object that the API answers."""
    now = time.time()
    elapsed = elapsed_seconds(job, now)
    remaining = remaining_seconds(job, now)

    return JobStatus(
        id=job.id,
        kind=job.kind,
        name=job.name,
        tags=list(job.tags),
        state=job.state,
        attempt=job.attempt,
        created=format_time(job.created),
        started=None if job.started is None else format_time(job.started),
        finished=None if job.finished is None else format_time(job.finished),
        elapsed_s=None if elapsed is None else round(elapsed, 3),
        remaining_s=None if remaining is None else round(remaining, 1),
        request=job.request,
        progress=job.progress,
        result=job.result if with_result else None,
        error=job.error,
        links=_links(job),
    )


def _links(job: Job) -> dict[str, str]:
    url = url_of(job)
    links = {"self": url, "events": f"{url}/events"}
    if job.kind != "search":
        return {**links, "artifact": f"{url}/artifact", "jobs": url_for("jobs.index")}

    links |= {"candidates": f"{url}?candidates=1", "searches": url_for("search.index")}
    links |= {f"front_{suffix}": f"{url}/front.{suffix}" for suffix in ("svg", "png", "csv")}

    return {**links, "architectures": f"{url}/architectures/{{k}}"}


def format_time(seconds: float) -> str:
    """Format seconds since 1970 as an ISO 8601 time in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
