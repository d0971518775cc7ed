"""Jobs: what the service runs, the states they pass through, and which passages are lawful."""

from __future__ import annotations

from collections.abc import Mapping
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
        """Whether nothing follows it."""
        return not LAWFUL[self]


LAWFUL: Mapping[JobState, frozenset[JobState]] = {
    JobState.QUEUED: frozenset({JobState.RUNNING, JobState.CANCELLED}),
    JobState.RUNNING: frozenset(
        {JobState.QUEUED, JobState.DONE, JobState.FAILED, JobState.CANCELLED}
    ),
    JobState.DONE: frozenset(),
    JobState.FAILED: frozenset(),
    JobState.CANCELLED: frozenset(),
}
"""State -> the states that may follow; running goes back to queued when its worker died or its
lease is over.
"""


MAX_WORKER_CRASHES = 3
"""Workers that may die on a job before it fails."""


class UnknownJob(PathfitError):
    """There is no job of an id, or it is another owner's."""

    def __init__(self, job_id: str):
        self.job_id = job_id
        super().__init__(f"there is no search {job_id!r:.80}")


class IllegalTransition(PathfitError):
    """A job was to pass into a state that may not follow its own.

    Args:
        job_id: the job's.
        state: where it stands.
        target: where it was to go.
    """

    def __init__(self, job_id: str, state: JobState, target: JobState):
        self.job_id, self.state, self.target = job_id, state, target
        super().__init__(f"the job {job_id} is {state} and cannot become {target}")


class StaleAttempt(PathfitError):
    """A report of an attempt that is no longer the job's.

    Args:
        job_id: the job's.
        attempt: the report's.
        current: the job's.
    """

    def __init__(self, job_id: str, attempt: int, current: int):
        self.job_id, self.attempt, self.current = job_id, attempt, current
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

    def to_dict(self) -> JsonObject:
        """Return the JSON object that the API answers."""
        return asdict(self)


@dataclass(frozen=True)
class Job:
    """One job as the store has it.

    Args:
        id: hexadecimal, not to be guessed.
        kind: what is run, such as `search`.
        state: where it stands.
        request: as it was asked for, defaults filled in.
        task: what a worker needs to run it.
        attempt: how often it was begun; every report names the attempt it belongs to.
        worker_crashes: Number of workers that died while they ran it.
        progress: the last report, None before the first.
        result: what GET answers, None before it is done.
        artifact: the full result, as `Artifacts.read` takes it.
        error: JSON object of the `JobError`, None unless it failed.
        owner: id of the token that asked for it, None where none was needed.
        resources: Processor cores and GPUs that it occupies while it runs.
        engine: id of the engine that claimed it last.
        lease: until when that engine holds it unless it reports, in seconds since 1970; None once
            it has let go.
        created: seconds since 1970; `started` and `finished` alike.
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
