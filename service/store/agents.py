"""Agents: devices elsewhere that take measuring jobs, and who may measure on them."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from service.jobs import Job, JobState, JsonObject
from service.store.changes import Changes
from service.store.database import Database
from service.store.leases import Held, Leases
from service.store.rows import find_job, move
from service.store.schema import AgentRow, JobRow
from spaces.errors import PathfitError, UnknownName

AGENT_LEASE = 20.0
"""Seconds for which a job is an agent's without a report."""

AWAY_AFTER = 45.0
"""Seconds without a request after which an agent counts as away; its polls are shorter."""

EVERYONE = "*"
"""Name in the list of measurers that stands for every token."""


class AgentTaken(PathfitError):
    """The name of an agent belongs to one of another owner."""


@dataclass(frozen=True)
class Agent:
    """A device that measures networks for a service.

    Args:
        id: Id, which jobs name.
        name: Name that requests use; that of its token where there are tokens.
        owner: Id of the token that it belongs to; None without tokens.
        device: Identity of its processor.
        backends: Names of the runtimes that it has.
        threads: Number of threads that it measures with.
        version: Its version of Pathfit.
        has_torch: Whether torch can be imported there; without it networks are measured that are
            joined from blocks which the service has exported.
        measurers: Names of the tokens that may measure on it besides the owner; `EVERYONE` for all.
        age_s: Seconds since its last request.
        is_measuring: Whether it runs a job.
    """

    id: str
    name: str
    owner: str | None
    device: JsonObject
    backends: Sequence[str]
    threads: int
    version: str
    has_torch: bool
    measurers: Sequence[str]
    age_s: float
    is_measuring: bool

    @property
    def state(self) -> Literal["ready", "measuring", "away"]:
        """`ready`, `measuring` or `away`."""
        if self.age_s > AWAY_AFTER:
            return "away"
        return "measuring" if self.is_measuring else "ready"

    def admits(self, token_id: str | None, token_name: str | None) -> bool:
        """Return whether a token may measure on the device; without tokens everyone may."""
        return (
            token_id is None
            or token_id == self.owner
            or EVERYONE in self.measurers
            or token_name in self.measurers
        )


class Agents:
    """The agents of a store.

    Args:
        database: Has the agents and the jobs that wait for them.
        changes: Wakes those who wait for a job.
        leases: Leases of running jobs, those of agents too.
    """

    def __init__(self, database: Database, changes: Changes, leases: Leases):
        self._database = database
        self._changes = changes
        self._leases = leases

    def register(
        self,
        name: str,
        owner: str | None,
        device: JsonObject,
        backends: Sequence[str],
        threads: int,
        version: str,
        has_torch: bool = True,
    ) -> Agent:
        """Add an agent, or record what has changed of one.

        Args:
            name: Name of the agent.
            owner: Id of the token that it belongs to; None without tokens.
            device: Identity of its processor.
            backends: Names of its runtimes.
            threads: Number of threads that it measures with.
            version: Its version of Pathfit.
            has_torch: Whether torch can be imported there.

        Raises:
            AgentTaken: The name is that of another owner's agent.
        """
        with self._database.writing() as session:
            self._database.lock_topic(session, f"agent {name}")
            row = session.scalar(select(AgentRow).where(AgentRow.name == name))
            if row is None:
                row = AgentRow(id=secrets.token_hex(16), name=name, owner=owner, measurers=[])
                row.created = self._database.now(session)
                session.add(row)
            elif row.owner != owner:
                raise AgentTaken(f"name: {name!r} is an agent of another owner; use another name")

            row.device = device
            row.backends = list(backends)
            row.threads = threads
            row.version = version
            row.has_torch = has_torch
            row.seen = self._database.now(session)
            session.flush()
            return self._agent(session, row)

    def list(self) -> list[Agent]:
        """List all agents by name."""
        with self._database.reading() as session:
            rows = session.scalars(select(AgentRow).order_by(AgentRow.name))
            return [self._agent(session, row) for row in rows]

    def get(self, name: str) -> Agent:
        """Return the agent of a name; raises UnknownName."""
        agents = self.list()
        for agent in agents:
            if agent.name == name:
                return agent
        raise UnknownName("agent", name, [agent.name for agent in agents])

    def set_measurers(self, agent_id: str, measurers: Sequence[str]) -> None:
        """Decide which tokens may measure on an agent besides its owner."""
        with self._database.writing() as session:
            session.execute(
                update(AgentRow).where(AgentRow.id == agent_id).values(measurers=list(measurers))
            )

    def remove(self, agent_id: str) -> None:
        """Remove an agent; jobs that wait for it end as those of a device that is away."""
        with self._database.writing() as session:
            row = session.get(AgentRow, agent_id)
            if row is not None:
                session.delete(row)

    def note_seen(self, agent_id: str) -> None:
        """Record that an agent has sent a request."""
        with self._database.writing() as session:
            seen = self._database.now(session)
            session.execute(update(AgentRow).where(AgentRow.id == agent_id).values(seen=seen))

    # Jobs

    def claim(self, agent_id: str) -> Job | None:
        """Begin the next attempt of the oldest job that waits for an agent; None if none does."""
        waiting = (JobRow.state == JobState.QUEUED, JobRow.agent == agent_id)
        # A query first: it does not block other processes, as a write would.
        with self._database.reading() as session:
            if session.scalar(select(JobRow.sequence).where(*waiting).limit(1)) is None:
                return None

        with self._database.writing() as session:
            query = select(JobRow).where(*waiting).order_by(JobRow.sequence).limit(1)
            row = session.scalar(query.with_for_update(skip_locked=True))
            if row is None:
                return None
            lease = self._database.ticks(session) + AGENT_LEASE
            now = self._database.now(session)
            move(session, row, JobState.RUNNING, now, engine=holder(agent_id), lease=lease)
            job = find_job(session, row.id).job()

        self._changes.notify(job.id)
        return job

    def renew(self, agent_id: str, held: Held) -> bool:
        """Renew the lease of a job, and return whether it is still the agent's."""
        self.note_seen(agent_id)
        return not self._leases.renew(holder(agent_id), [held], AGENT_LEASE)

    def end_waits(self) -> int:
        """Let engines take the jobs again that have waited for their agents for too long.

        Returns:
            Number of these jobs. Their tasks have `gave_up` from now on.
        """
        with self._database.reading() as session:
            now = self._database.now(session)
            late = (
                JobRow.state == JobState.QUEUED,
                JobRow.agent.is_not(None),
                JobRow.agent_until < now,
            )
            if session.scalar(select(JobRow.sequence).where(*late).limit(1)) is None:
                return 0

        with self._database.writing() as session:
            rows = session.scalars(select(JobRow).where(*late).with_for_update(skip_locked=True))
            count = 0
            for row in rows:
                row.agent = None
                row.agent_until = None
                row.task = {**row.task, "gave_up": True}
                count += 1

        self._changes.notify()
        return count

    def _agent(self, session: Session, row: AgentRow) -> Agent:
        running = select(JobRow.sequence).where(
            JobRow.engine == holder(row.id), JobRow.state == JobState.RUNNING
        )
        return Agent(
            id=row.id,
            name=row.name,
            owner=row.owner,
            device=row.device,
            backends=row.backends,
            threads=row.threads,
            version=row.version,
            has_torch=row.has_torch,
            measurers=row.measurers,
            age_s=max(self._database.now(session) - row.seen, 0.0),
            is_measuring=session.scalar(running.limit(1)) is not None,
        )


def holder(agent_id: str) -> str:
    """Return the name by which an agent holds leases, as engines do by theirs."""
    return f"agent-{agent_id}"
