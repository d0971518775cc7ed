"""`/agents`: devices that measure for the service, and what their agents take and report."""

from __future__ import annotations

import json
import threading
import time

from apiflask import APIBlueprint
from flask import Response, g

from profiler.errors import IncompleteMeasurement
from service.admission import measuring
from service.admission.tasks import MeasureTask
from service.api.catalog import resolving_path
from service.api.connection import request_end
from service.api.documentation import Answers, content, reading, writing
from service.api.job_requests import Accepted, accept, preferred_wait
from service.api.search import IN_TIME
from service.artifacts import CHECKPOINT, MissingArtifact
from service.catalog.files import FileReference, read_table
from service.catalog.summaries import summarise_table
from service.context import Service, current_service
from service.jobs import (
    IllegalTransition,
    Job,
    JobError,
    JobState,
    JsonObject,
    StaleAttempt,
    UnknownJob,
)
from service.measuring import MEASURED_ARTIFACT, block_file
from service.problems import Problem, invalid
from service.schemas.agents import (
    AgentIdentity,
    AgentList,
    AgentReport,
    AgentStatus,
    Claimed,
    Measurers,
    MeasuringJob,
    TableValidation,
)
from service.schemas.jobs import JobStatus
from service.security.caller import owner, sender
from service.store import Token
from service.store.agents import Agent, AgentTaken, holder
from spaces.errors import PathfitError
from tables.lookup_table import LookupTable
from tables.network_measurements import NetworkMeasurements

NOTHING: Answers = {204: {"description": "No job waits for the agent."}}

# Seconds between two looks for a job, should a notification be lost.
_LOOK_INTERVAL = 2.0

blueprint = APIBlueprint("agents", __name__, tag="agents")


@blueprint.get("/agents")
@blueprint.output(AgentList)
@blueprint.doc(summary="Devices that the sender may measure on", responses=reading())
def index() -> AgentList:
    """List the agents whose devices the sender may use."""
    agents = current_service().store.agents.list()
    allowed = [agent for agent in agents if measuring.may_measure(agent, sender())]
    return AgentList(items=[_to_schema(agent) for agent in allowed])


@blueprint.post("/agents")
@blueprint.input(AgentIdentity, arg_name="body")
@blueprint.output(AgentStatus)
@blueprint.doc(summary="Register an agent, as agents do when they start", responses=writing(409))
def register(body: AgentIdentity) -> AgentStatus:
    """Add an agent, or record what has changed of its device."""
    token: Token | None = g.token
    _check_agent(body.name)
    for key in ("kind", "processor"):
        if not isinstance(body.device.get(key), str):
            raise invalid(f"device.{key}: a text is needed", f"device.{key}")
    try:
        agent = current_service().store.agents.register(
            body.name,
            None if token is None else token.agent_of,
            body.device,
            body.backends,
            body.threads,
            body.version,
            body.has_torch,
        )
    except AgentTaken as error:
        raise Problem(409, "name-taken", "Name taken", str(error), "name") from error
    return _to_schema(agent)


@blueprint.put("/agents/<name>/measurers")
@blueprint.input(Measurers, arg_name="body")
@blueprint.output(AgentStatus)
@blueprint.doc(summary="Decide who may measure on a device", responses=writing(404))
def measurers(name: str, body: Measurers) -> AgentStatus:
    """Set the tokens that may measure on a device, which its owner decides."""
    agents = current_service().store.agents
    agents.set_measurers(_own_agent(name).id, body.measurers)
    return _to_schema(agents.get(name))


@blueprint.delete("/agents/<name>")
@blueprint.output(AgentStatus, description="Removed")
@blueprint.doc(summary="Remove an agent", responses=reading(403, 404))
def remove(name: str) -> AgentStatus:
    """Remove an agent; it may register again."""
    agent = _own_agent(name)
    current_service().store.agents.remove(agent.id)
    return _to_schema(agent)


@blueprint.post("/tables/<path:name>/validation")
@blueprint.input(TableValidation, arg_name="body")
@blueprint.output(JobStatus, status_code=202, description="Accepted; Location is the job's URL")
@blueprint.doc(
    summary="Compare a table with networks that are measured on its device",
    responses=writing(404, 409, 429) | IN_TIME,
)
def validate(name: str, body: TableValidation) -> Accepted:
    """Have an agent validate a table."""
    service = current_service()
    agents = service.store.agents.list()
    with resolving_path("table"):
        table, reference = service.sender_catalog().table(name)
        # Raises where the table was imported.
        table.measured  # noqa: B018
    return accept(
        service, lambda: measuring.admit_validation(table, reference, body, agents, sender())
    )


@blueprint.post("/agents/<name>/claims")
@blueprint.output(MeasuringJob)
@blueprint.doc(
    summary="Take the next job of an agent",
    description="With `Prefer: wait=N` the answer waits up to N seconds, at most 30, for a job.",
    responses=writing(404) | NOTHING,
)
def claim(name: str) -> MeasuringJob | Response:
    """Take the oldest job that waits for an agent, as soon as there is one."""
    service = current_service()
    agent = _calling_agent(name)
    seconds = preferred_wait()
    if not seconds:
        job = service.store.agents.claim(agent.id)
    else:
        with service.waiting.slot():
            job = _wait_for_job(service, agent, seconds)
    return Response(status=204) if job is None else _to_measuring(service, job)


@blueprint.post("/agents/<name>/jobs/<job_id>")
@blueprint.input(AgentReport, arg_name="body")
@blueprint.output(Claimed)
@blueprint.doc(
    summary="Report what an agent has measured for a job",
    description="`held` is false where the job was cancelled or begun again: the agent leaves it.",
    responses=writing(404, 409),
)
def report(name: str, job_id: str, body: AgentReport) -> Claimed:
    """Record what an agent reports of its attempt, and renew its claim."""
    service = current_service()
    agent = _calling_agent(name)
    job = service.store.jobs.get(job_id, with_result=False)
    is_its = job.engine == holder(agent.id) and job.attempt == body.attempt
    if not is_its or job.state is not JobState.RUNNING:
        service.store.agents.note_seen(agent.id)
        return Claimed(held=False)

    try:
        _record(service, agent, job, body)
    # Cancelled, or begun again by another process meanwhile.
    except (IllegalTransition, StaleAttempt, UnknownJob):
        return Claimed(held=False)
    return Claimed(held=True)


@blueprint.get("/agents/<name>/jobs/<job_id>/blocks/<digest>")
@blueprint.doc(
    summary="An exported block of a job, for agents without torch",
    responses=reading(403, 404, 410) | content("The block", "application/octet-stream"),
)
def block(name: str, job_id: str, digest: str) -> Response:
    """Send an exported block, by its SHA-256, to the agent that measures networks of it."""
    service = current_service()
    agent = _calling_agent(name)
    job = service.store.jobs.get(job_id, with_result=False)
    task = job.task.get("measuring") or {}
    if job.engine != holder(agent.id) or digest not in (task.get("blocks") or {}).values():
        raise UnknownJob(job_id)
    path = f"{task['folder']}/{CHECKPOINT}{block_file(digest)}"
    return Response(service.artifacts.read(path), content_type="application/octet-stream")


def _record(service: Service, agent: Agent, job: Job, body: AgentReport) -> None:
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


def _wait_for_job(service: Service, agent: Agent, seconds: float) -> Job | None:
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


def _to_measuring(service: Service, job: Job) -> MeasuringJob:
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


def _table_of(service: Service, reference: FileReference) -> LookupTable:
    if reference.artifact is not None:
        return LookupTable.from_json(service.artifacts.read(reference.artifact).decode())
    reference.checked()
    return read_table(reference)


def _check_agent(name: str) -> None:
    """Raise Problem where the sender is not the agent of a name."""
    token: Token | None = g.token
    if token is None:
        return
    if token.agent_of is None:
        detail = (
            "only an agent's own token may do this; create one with"
            " python -m service token create NAME --agent-of OWNER"
        )
        raise Problem(403, "agent-needed", "Agent needed", detail)
    if token.name != name:
        detail = f"name: this token is that of the agent {token.name!r}, not of {name!r:.80}"
        raise Problem(403, "another-agent", "Another agent", detail, "name")


def _calling_agent(name: str) -> Agent:
    _check_agent(name)
    return _find_agent(name)


def _find_agent(name: str) -> Agent:
    with resolving_path("agent"):
        return current_service().store.agents.get(name)


def _own_agent(name: str) -> Agent:
    agent = _find_agent(name)
    if not _is_own(agent):
        detail = f"name: {name!r} belongs to somebody else, who decides about it"
        raise Problem(403, "not-the-owner", "Not the owner", detail, "name")
    return agent


def _is_own(agent: Agent) -> bool:
    return owner() is None or agent.owner == owner() or sender().administrator


def _to_schema(agent: Agent) -> AgentStatus:
    is_own = _is_own(agent)
    return AgentStatus(
        name=agent.name,
        state=agent.state,
        device=agent.device,
        backends=list(agent.backends),
        threads=agent.threads,
        version=agent.version,
        has_torch=agent.has_torch,
        seen_s=round(agent.age_s, 1),
        is_own=is_own,
        measurers=list(agent.measurers) if is_own else None,
    )
