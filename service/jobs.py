"""Jobs, their states, and the transitions between states."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from spaces.errors import PathfitError

JsonObject = dict[str, Any]
"""A JSON object whose fields depend on the kind of a job."""


class JobState(StrEnum):
    """State of a job."""

    QUEUED = "queued"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"

    @property
    def final(self) -> bool:
        """Whether no other state may follow."""
        return not LAWFUL[self]


def state_phrase(state: str) -> str:
    """Return what a sentence about a job says of its state.

    Example:
        >>> f"the job abc {state_phrase('failed')}"
        'the job abc failed'
        >>> f"the job abc {state_phrase('queued')}"
        'the job abc is queued'
    """
    phrases: Mapping[str, str] = {JobState.FAILED: "failed", JobState.CANCELLED: "was cancelled"}
    return phrases.get(state, f"is {state}")


LAWFUL: Mapping[JobState, frozenset[JobState]] = {
    JobState.QUEUED: frozenset({JobState.RUNNING, JobState.CANCELLED}),
    JobState.RUNNING: frozenset(
        {JobState.QUEUED, JobState.DONE, JobState.FAILED, JobState.CANCELLED}
    ),
    JobState.DONE: frozenset(),
    JobState.FAILED: frozenset(),
    JobState.CANCELLED: frozenset(),
}
"""State -> states that may follow.

A running job returns to the queue when its worker died or its lease expired.
"""


MAX_WORKER_CRASHES = 3
"""Workers that may die on a job before it fails."""

MAX_INTERRUPTIONS = 5
"""Attempts at a job that may end with their engine or its Ray before the job fails."""


class UnknownJob(PathfitError):
    """Raised if no job has an id, or if the job belongs to another owner."""

    def __init__(self, job_id: str):
        self.job_id = job_id
        super().__init__(f"there is no search {job_id!r:.80}")


class IllegalTransition(PathfitError):
    """Raised for a state that may not follow the job's current one.

    Args:
        job_id: Id of the job.
        state: Current state of the job.
        target: Requested state.
    """

    def __init__(self, job_id: str, state: JobState, target: JobState):
        self.job_id = job_id
        self.state = state
        self.target = target
        super().__init__(f"the job {job_id} {state_phrase(state)} and cannot become {target}")


class StaleAttempt(PathfitError):
    """Raised for a report of an attempt that is no longer the job's current one.

    Args:
        job_id: Id of the job.
        attempt: Attempt of the report.
        current: Current attempt of the job.
    """

    def __init__(self, job_id: str, attempt: int, current: int):
        self.job_id = job_id
        self.attempt = attempt
        self.current = current
        super().__init__(
            f"attempt {attempt} of the job {job_id} is over; it is at attempt {current}"
        )


@dataclass(frozen=True)
class Resources:
    """Processor cores and GPUs of a machine or a job.

    Args:
        cpus: Processor cores.
        gpus: GPUs; a fraction of one shares it with other jobs.
    """

    cpus: float = 1.0
    gpus: float = 0.0


@dataclass(frozen=True)
class JobError:
    """Reason why a job failed.

    Args:
        kind: Name of the error's class.
        detail: One sentence for the person who sent the request.
    """

    kind: str
    detail: str

    @classmethod
    def from_crashes(cls, ending: str) -> JobError:
        """Describe a job on which too many workers died, the last one with the given ending."""
        detail = f"{MAX_WORKER_CRASHES} workers died on it; the last one {ending}"
        return cls("WorkerDied", detail)

    @classmethod
    def from_interruptions(cls, reason: str) -> JobError:
        """Describe a job too many attempts of which were interrupted, the last one by a reason."""
        detail = (
            f"{MAX_INTERRUPTIONS} attempts at it were interrupted; the last one because {reason}"
        )
        return cls("Interrupted", detail)

    def to_dict(self) -> JsonObject:
        """Return the JSON object that the API answers."""
        return asdict(self)


@dataclass(frozen=True)
class Job:
    """A job as the store has it.

    Args:
        id: Random hexadecimal id, which cannot be guessed.
        kind: Kind of the job, such as `search`.
        state: Current state.
        request: Request with all defaults filled in.
        task: JSON object of the task that a worker runs.
        attempt: Number of attempts so far; every report names the attempt that it belongs to.
        worker_crashes: Number of workers that died while they ran it.
        progress: Latest progress; None before the first report.
        result: Result that the API answers; None before the job is done.
        artifact: Path of the full result, as `Artifacts.read` takes it.
        error: JSON object of the `JobError`; None unless the job failed.
        owner: Id of the token that requested the job; None if no token was needed.
        resources: Processor cores and GPUs that it occupies while it runs.
        engine: Id of the engine that claimed it last.
        lease: End of that engine's claim unless it is renewed, in seconds by the ticks of the
            database; None once the engine released it.
        created: Time of the request, in seconds since 1970.
        started: Time of the first attempt, in seconds since 1970; None before.
        finished: Time of its end, in seconds since 1970; None before.
        name: Name that its owner gave it; None for none.
        tags: Tags that its owner gave it, in alphabetical order.
        agent: Id of the agent that is to measure for it; None while engines run it.
    """

    id: str
    kind: str
    state: JobState
    request: JsonObject
    task: JsonObject = field(repr=False)
    attempt: int
    worker_crashes: int
    progress: JsonObject | None
    result: JsonObject | None = field(repr=False)
    artifact: str | None
    error: JsonObject | None
    owner: str | None
    resources: Resources
    engine: str | None
    lease: float | None
    created: float
    started: float | None
    finished: float | None
    name: str | None = None
    tags: Sequence[str] = ()
    agent: str | None = None

    @property
    def label(self) -> str:
        """Name of the job in messages: that of its owner, or its id."""
        return self.id if self.name is None else f"{self.name!r}"
