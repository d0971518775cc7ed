"""`/agents`: devices that measure for the service, and what their agents take and report."""

from __future__ import annotations

from apiflask import APIBlueprint
from flask import Response, g

from service.admission import measuring
from service.api.agent_jobs import record, to_measuring, wait_for_job
from service.api.catalog import resolving_path
from service.api.documentation import Answers, content, reading, writing
from service.api.job_requests import Accepted, accept, preferred_wait
from service.api.search import IN_TIME
from service.artifacts import CHECKPOINT
from service.context import current_service
from service.jobs import IllegalTransition, JobState, StaleAttempt, UnknownJob
from service.measuring import block_file
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

NOTHING: Answers = {204: {"description": "No job waits for the agent."}}

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
            job = wait_for_job(service, agent, seconds)
    return Response(status=204) if job is None else to_measuring(service, job)


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
        record(service, agent, job, body)
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
