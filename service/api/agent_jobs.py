"""Jobs of agents: what they take, and what comes of their reports."""

from __future__ import annotations

import json
import threading
import time

from profiler.errors import IncompleteMeasurement
from service.admission.tasks import MeasureTask
from service.api.connection import request_end
from service.artifacts import MissingArtifact
from service.catalog.files import FileReference, read_table
from service.catalog.summaries import summarise_table
from service.context import Service
from service.jobs import Job, JobError, JsonObject
from service.measuring import MEASURED_ARTIFACT
from service.schemas.agents import AgentReport, MeasuringJob
from service.store.agents import Agent
from spaces.errors import PathfitError
from tables.lookup_table import LookupTable
from tables.network_measurements import NetworkMeasurements

# Seconds between two looks for a job, should a notification be lost.
_LOOK_INTERVAL = 2.0


def wait_for_job(service: Service, agent: Agent, seconds: float) -> Job | None:
    """Take the next job of an agent.

    Args:
        service: Has the jobs.
        agent: The agent, which is noted as present all the time.
        seconds: Seconds to wait at most.

    Returns:
        The job; None: there was none in that time, or the client has left.
    """
    changed = threading.Event()
    end = request_end(service)
    deadline = time.monotonic() + seconds
    with service.store.changes.subscribed(changed.set):
        while True:
            changed.clear()
            service.store.agents.note_seen(agent.id)
            job = service.store.agents.claim(agent.id)
            remaining = deadline - time.monotonic()
            # A client that has left must not be given a job: it would run out of its lease.
            if job is not None or remaining <= 0 or end.is_set():
                return job
            changed.wait(min(remaining, _LOOK_INTERVAL))
            if end.is_set():
                return None


def to_measuring(service: Service, job: Job) -> MeasuringJob:
    """Return a claimed job with its table, and with what earlier attempts have measured."""
    task = dict(job.task["measuring"])
    if "table" in task:
        task["table"] = _table_of(service, FileReference(**task["table"])).to_dict()

    measured = None
    for attempt in range(job.attempt - 1, 0, -1):
        try:
            text = service.artifacts.read(f"{job.id}/{attempt}/{MEASURED_ARTIFACT}")
        except MissingArtifact:
            continue
        measured = json.loads(text)
        break
    return MeasuringJob(id=job.id, attempt=job.attempt, measuring=task, measured=measured)


def record(service: Service, agent: Agent, job: Job, body: AgentReport) -> None:
    """Record what an agent reports of its attempt, and renew its claim.

    Raises:
        IllegalTransition: The job is not running.
        StaleAttempt: The job is at another attempt.
        UnknownJob: There is no such job.
    """
    jobs = service.store.jobs
    if body.measured is not None:
        measured = NetworkMeasurements.from_dict(body.measured)
        text = json.dumps(measured.to_dict())
        service.artifacts.write(job.id, job.attempt, MEASURED_ARTIFACT, text.encode())

    match body.state:
        case "running":
            service.store.agents.renew(agent.id, (job.id, job.attempt))
            if body.progress is not None:
                jobs.report(job.id, job.attempt, _progress(agent, job, body.progress))
        case "returned":
            service.store.agents.note_seen(agent.id)
            jobs.requeue(job.id, job.attempt, crashed=False)
        case "failed":
            service.store.agents.note_seen(agent.id)
            detail = f"{agent.name}: {body.error or 'no reason given'}"
            jobs.fail(job.id, job.attempt, JobError("DeviceFailed", detail))
        case "done":
            service.store.agents.note_seen(agent.id)
            _finish(service, agent, job, body)


def _table_of(service: Service, reference: FileReference) -> LookupTable:
    if reference.artifact is not None:
        return LookupTable.from_json(service.artifacts.read(reference.artifact).decode())
    reference.checked()
    return read_table(reference)


def _progress(agent: Agent, job: Job, reported: JsonObject) -> JsonObject:
    """Return the progress of a job with that of its agent."""
    fraction = reported.get("fraction")
    present = {
        "share": float(fraction) if isinstance(fraction, int | float) else 0.0,
        "stage": f"measuring on {agent.name}",
        "state": str(reported.get("state", ""))[:200],
    }
    # A search still has the progress of its own.
    if job.kind == "search":
        return {**(job.progress or {"evaluated": 0, "planned": 0, "best": 0.0}), "device": present}
    return present


def _finish(service: Service, agent: Agent, job: Job, body: AgentReport) -> None:
    """End an attempt whose agent has done everything."""
    jobs = service.store.jobs
    if job.kind != "measure":
        # Engines continue with what was measured.
        jobs.hand_back(job.id, job.attempt)
        return

    try:
        result = _table_result(service, agent, job, body)
    except PathfitError as error:
        jobs.fail(job.id, job.attempt, JobError(type(error).__name__, str(error)))
    else:
        jobs.finish(job.id, job.attempt, result, None)


def _table_result(service: Service, agent: Agent, job: Job, body: AgentReport) -> JsonObject:
    task = MeasureTask.from_dict(job.task)
    if task.measuring["task"] == "validate":
        return {"table": task.name, "device": agent.name, "validation": body.validation}

    if body.table is None:
        raise IncompleteMeasurement(f"{agent.name} has sent no table")
    table = LookupTable.from_dict({**body.table, "name": task.name})
    if table.space != task.measuring["space"]:
        raise IncompleteMeasurement(
            f"{agent.name} has sent a table of {table.space}, not of {task.measuring['space']}"
        )
    version, _ = service.uploads.add(
        "table",
        task.name,
        table.to_json().encode(),
        job.owner,
        task.library,
        summarise_table(table),
    )
    return {
        "table": version.name,
        "version": version.version,
        "sha256": version.sha256,
        "device": agent.name,
        "blocks": len(table.blocks),
        "networks": len(table.networks),
    }
