"""Admission of what agents measure: tables from afar, validations and verified searches."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace

from oneshot.search.measuring import check_single_phase
from profiler.agent.exporting import BACKENDS as EXPORTED
from profiler.agent.exporting import can_export
from profiler.whole_networks import check_measurable, check_single_latency
from service.admission.tasks import Admission, MeasureTask, VerifyTask
from service.catalog.catalog import Catalog
from service.catalog.files import FileReference, read_table
from service.catalog.names import Sender
from service.jobs import JsonObject, Resources
from service.measuring import space_of
from service.problems import Problem, blaming, invalid
from service.schemas.agents import TableBuild, TableValidation
from service.schemas.search import SearchRequest
from service.store.agents import Agent
from spaces.errors import UnknownName
from spaces.registry import get
from spaces.space import SearchSpace
from tables.lookup_table import LookupTable
from tables.metrics import canonical_metric

_LATENCY = "latency_ms"


def admit_build(
    request: TableBuild, catalog: Catalog, agents: Sequence[Agent], sender: Sender, library: str
) -> Admission:
    """Check a table that is to be built on an agent's device.

    Args:
        request: The request.
        catalog: Spaces that it may name.
        agents: All agents.
        sender: Sender of the request.
        library: Id of the library that is to have the table.

    Raises:
        Problem: A name is unknown, the sender may not measure there, or torch is missing there and
            the table needs it.
    """
    agent = find_agent(request.device, agents, sender, "device")
    with blaming("space"):
        space = catalog.space(request.space)
    backend = request.backend or agent.backends[0]
    if backend not in agent.backends:
        with blaming("backend"):
            raise UnknownName(f"backend of {agent.name}", backend, agent.backends)
    _check_exports(agent, space, backend, request.precision, "device")

    name = request.name or _file_name(f"{agent.name}-{space.name}")
    if catalog.is_hidden("table", name, library):
        detail = f"name {name!r} is that of a table in a folder of the service; use another name"
        raise Problem(409, "name-taken", "Name taken", detail, "name")

    conditions = {
        "backend": backend,
        "batch": request.batch,
        "precision": request.precision,
        "threads": agent.threads,
    }
    measuring = {
        "task": "build",
        "name": name,
        "conditions": conditions,
        "budget_s": request.budget_s,
        "seed": request.seed,
        **space_of(space),
    }
    update = {"space": space.name, "name": name, "backend": backend}
    return _admission(
        {**request.model_copy(update=update).model_dump(mode="json"), "task": "build"},
        MeasureTask(measuring, name, library),
        agent,
    )


def admit_validation(
    table: LookupTable,
    reference: FileReference,
    request: TableValidation,
    agents: Sequence[Agent],
    sender: Sender,
) -> Admission:
    """Check the validation of a table on an agent's device; raises as `admit_build`.

    Args:
        table: The table, which was measured.
        reference: Its file, pinned by its content.
        request: The request.
        agents: All agents.
        sender: Sender of the request.
    """
    with blaming("name"):
        check_single_latency(table)
    agent = find_agent(request.device, agents, sender, "device")
    _check_device(table, agent, "device")
    space = get(table.space)
    _check_table_exports(agent, space, table, "device")
    measuring = {
        "task": "validate",
        "table": reference.to_dict(),
        **request.model_dump(mode="json", exclude={"device"}),
        **space_of(space),
    }
    name = reference.name
    return _admission(
        {
            **request.model_dump(mode="json"),
            "space": table.space,
            "table": name,
            "task": "validate",
        },
        MeasureTask(measuring, name, ""),
        agent,
    )


def _admission(request: JsonObject, task: MeasureTask, agent: Agent) -> Admission:
    """Return the admission of a measurement, for which an engine exports blocks where needed."""
    if agent.has_torch:
        return Admission("measure", request, task, Resources(), agent.id)
    return Admission("measure", request, replace(task, export_for=agent.id), Resources())


def verification_of(
    request: SearchRequest,
    space: SearchSpace,
    table: FileReference | None,
    agents: Sequence[Agent],
    sender: Sender,
) -> VerifyTask | None:
    """Return the verification that a search requests; None for none.

    Args:
        request: The search.
        space: Its space.
        table: Its device's table; None where it has none.
        agents: All agents.
        sender: Sender of the request.

    Raises:
        Problem: Networks of the space have several latencies, the search has no table to measure
            by, or no device can measure.
    """
    if request.verify is None:
        if request.measure_on is not None:
            raise invalid("measure_on is for verify, which the search lacks", "measure_on")
        return None

    with blaming("verify"):
        check_single_phase(space)
    if table is None:
        raise invalid(
            "verify: the search has no lookup table to measure by; name one in device", "verify"
        )

    lookup_table = read_table(table)
    with blaming("device"):
        # Raises where the table was imported.
        lookup_table.measured  # noqa: B018

    agent = _measuring_agent(request, lookup_table, agents, sender)
    if agent is not None:
        _check_table_exports(agent, space, lookup_table, "verify")
    limits = request.constraints.to_limits()
    maxima = [value for name, value in limits.items() if canonical_metric(name) == _LATENCY]
    return VerifyTask(
        count=request.verify,
        table=table,
        limit_ms=min(maxima, default=None),
        agent=None if agent is None else agent.id,
        agent_name=None if agent is None else agent.name,
        within_s=request.verify_within_s,
        exports=agent is not None and not agent.has_torch,
    )


def _measuring_agent(
    request: SearchRequest, table: LookupTable, agents: Sequence[Agent], sender: Sender
) -> Agent | None:
    """Return the agent of the device that a table is of; None for the service's own machine."""
    if request.measure_on is not None:
        agent = find_agent(request.measure_on, agents, sender, "measure_on")
        _check_device(table, agent, "measure_on")
        return agent

    allowed = [agent for agent in agents if may_measure(agent, sender)]
    matching = [agent for agent in allowed if _mismatch(table, agent) is None]
    if len(matching) > 1:
        names = [agent.name for agent in matching]
        raise invalid(
            f"measure_on: {len(names)} agents are on the device of {table.name!r}; name one of"
            f" {', '.join(names)}",
            "measure_on",
            known=names,
        )
    if matching:
        return matching[0]

    _check_local(table, [agent.name for agent in allowed])
    return None


def _check_local(table: LookupTable, names: Sequence[str]) -> None:
    """Raise Problem where a table is not of the service's own machine."""
    from profiler.instruments.devices import find_like
    from tables.errors import InvalidTable

    device = find_like(table.device)
    try:
        check_measurable(table, device)
    except InvalidTable as error:
        listed = ", ".join(names) or "none"
        raise invalid(
            f"verify: no agent is on the device of {table.name!r}, which was measured on"
            f" {table.device['processor']}; agents: {listed}",
            "verify",
            known=list(names),
        ) from error


def find_agent(name: str, agents: Sequence[Agent], sender: Sender, field: str) -> Agent:
    """Return the agent of a name that a sender may measure on.

    Raises:
        Problem: There is no such agent; or 403, the sender may not measure on it.
    """
    with blaming(field):
        agent = next((agent for agent in agents if agent.name == name), None)
        if agent is None:
            known = [agent.name for agent in agents if may_measure(agent, sender)]
            raise UnknownName("agent", name, known)
    if not may_measure(agent, sender):
        detail = f"{field}: you may not measure on {name!r}; its owner decides who may"
        raise Problem(403, "not-a-measurer", "Not a measurer", detail, field)
    return agent


def may_measure(agent: Agent, sender: Sender) -> bool:
    """Return whether a sender may measure on an agent's device."""
    return agent.admits(sender.library or None, sender.name)


def _check_table_exports(agent: Agent, space: SearchSpace, table: LookupTable, field: str) -> None:
    """Raise Problem where an agent can run no networks under the conditions of a table."""
    conditions = table.conditions
    _check_exports(agent, space, str(conditions["backend"]), str(conditions["precision"]), field)


def _check_exports(
    agent: Agent, space: SearchSpace, backend: str, precision: str, field: str
) -> None:
    """Raise Problem where an agent needs exported blocks, and they cannot be exported."""
    if agent.has_torch or can_export(space, backend, precision):
        return
    raise invalid(
        f"{field}: torch is not installed on {agent.name}, which measures networks there that are"
        f" chains of exported blocks, by {' or '.join(EXPORTED)} in fp32, not those of {space.name}"
        f" by {backend} in {precision}; install torch there, or use such a space and backend",
        field,
    )


def _check_device(table: LookupTable, agent: Agent, field: str) -> None:
    mismatch = _mismatch(table, agent)
    if mismatch is not None:
        raise invalid(f"{field}: {table.name!r} {mismatch}", field)


def _mismatch(table: LookupTable, agent: Agent) -> str | None:
    """Return how the device of an agent differs from that of a table; None where it does not."""
    pairs = [
        ("was measured on", table.device["kind"], agent.device.get("kind")),
        ("was measured on", table.device["processor"], agent.device.get("processor")),
        ("was measured with threads", table.conditions["threads"], agent.threads),
    ]
    for words, recorded, actual in pairs:
        if recorded != actual:
            return f"{words} {recorded}, {agent.name} has {actual}"
    if table.conditions["backend"] not in agent.backends:
        listed = ", ".join(agent.backends)
        return f"was measured by {table.conditions['backend']}, {agent.name} has {listed}"
    return None


def _file_name(text: str) -> str:
    """Return a text with hyphens in place of what names of files have not."""
    return re.sub(r"[^A-Za-z0-9_.@+-]+", "-", text).strip("-.")[:200]
