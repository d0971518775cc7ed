"""What the requests for jobs share: who asks, how long the answer may wait, and which request was
made before.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from contextlib import nullcontext
from datetime import UTC, datetime
from typing import Any

from flask import request, url_for

from service.context import Service
from service.jobs import Job, JobState, JsonObject, Resources
from service.operation import logs
from service.problems import invalid, too_many
from service.security.caller import owner
from service.store import ANY, IdempotencyKey

LONGEST_WAIT = 30
_WAIT = re.compile(r"(?:^|,)\s*wait\s*=\s*\"?([0-9]{1,9})\"?\s*(?:$|[,;])", re.IGNORECASE)
_KEY = re.compile(r"[!-~]{1,255}")

Answer = tuple[dict[str, Any], int, dict[str, str]]
"""A job as it is shown, the answer's status and its headers."""


def accept(
    service: Service,
    kind: str,
    admit: Callable[[], tuple[JsonObject, JsonObject, Resources]],
) -> Answer:
    """Create a job, and wait for its end as far as the request prefers that.

    Args:
        service: has the store.
        kind: of the job.
        admit: checks the request; gives it with defaults filled in, the task, and the resources
            that it takes.

    Raises:
        Problem: it is refused, or too many wait already.
        IdempotencyConflict: the key was used with another body.
        QuotaExceeded: the token has its share of unfinished jobs.
    """
    seconds, same = preferred_wait(), _idempotency()
    # The place comes first: a job must not be made by a request that is told to try again.
    with service.waiting.held() if seconds else nullcontext():
        filled, task, resources = admit()
        _check_queue(service)
        job, created = service.store.jobs.create(kind, filled, task, owner(), resources, same)
        logs.about(job.id)
        headers = {"Location": url_of(job)}
        if not created:
            headers["Idempotency-Replayed"] = "true"
        if seconds:
            headers["Preference-Applied"] = f"wait={seconds}"
            job = service.store.jobs.wait(job.id, seconds, service.stopping)
    return shown(job), 200 if job.state.final else 202, headers


def looked_up(service: Service, job_id: str, kind: str | None = None) -> Job:
    """A job of the asker's, waited for as far as the request prefers that; raises UnknownJob."""
    logs.about(job_id[:64])
    job = own(service, job_id, kind)
    seconds = preferred_wait()
    if not seconds or job.state.final:
        return job
    with service.waiting.held():
        return service.store.jobs.wait(job.id, seconds, service.stopping)


def own(service: Service, job_id: str, kind: str | None = None) -> Job:
    """A job of the asker's, of a kind where only that will do; raises UnknownJob."""
    from service.jobs import UnknownJob

    job = service.store.jobs.get(job_id, owner())
    if kind is not None and job.kind != kind:
        raise UnknownJob(job_id)
    return job


def preferred_wait() -> int:
    """Seconds of `Prefer: wait=N`, 30 at most; 0 without, as RFC 7240 has unreadable preferences
    ignored.
    """
    match = _WAIT.search(request.headers.get("Prefer", ""))
    return min(int(match[1]), LONGEST_WAIT) if match else 0


def _idempotency() -> IdempotencyKey | None:
    key = request.headers.get("Idempotency-Key")
    if key is None:
        return None
    if not _KEY.fullmatch(key):
        raise invalid(
            "Idempotency-Key: 1 to 255 printable ASCII characters without spaces", "Idempotency-Key"
        )
    return IdempotencyKey(
        key, request.method, request.path, hashlib.sha256(request.get_data()).hexdigest()
    )


def _check_queue(service: Service) -> None:
    most = service.settings.max_unfinished
    unfinished = (state for state in JobState if not state.final)
    if sum(service.store.jobs.list(ANY, state=state, limit=1)[1] for state in unfinished) >= most:
        raise too_many(
            f"{most} jobs are unfinished already, as many as may be; wait for some to end"
        )


def url_of(job: Job) -> str:
    """The path of a job."""
    return url_for("search.show" if job.kind == "search" else "jobs.show", job_id=job.id)


def shown(job: Job) -> dict[str, Any]:
    """A job as the API tells it."""
    return {
        **{
            key: getattr(job, key)
            for key in ("id", "kind", "state", "attempt", "request", "progress")
        },
        **{key: moment(getattr(job, key)) for key in ("created", "started", "finished")},
        "result": job.result,
        "error": job.error,
        "links": _links(job),
    }


def _links(job: Job) -> dict[str, str]:
    here = url_of(job)
    links = {"self": here, "events": f"{here}/events"}
    if job.kind != "search":
        return {**links, "artifact": f"{here}/artifact", "jobs": url_for("jobs.index")}
    links |= {"candidates": f"{here}?candidates=1", "searches": url_for("search.index")}
    links |= {f"front_{ending}": f"{here}/front.{ending}" for ending in ("svg", "png", "csv")}
    return {**links, "architectures": f"{here}/architectures/{{k}}"}


def moment(seconds: float | None) -> str | None:
    """Seconds since 1970 as text."""
    return (
        None
        if seconds is None
        else datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
    )
