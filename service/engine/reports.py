"""Messages between an engine and its workers: orders one way, reports the other.

They travel by Ray, so both sides must have the same version of Pathfit.
"""

from __future__ import annotations

from dataclasses import dataclass

from service.jobs import JobError, JsonObject


@dataclass(frozen=True)
class Assignment:
    """An attempt of a job, which a worker runs.

    Args:
        job_id: Id of the job.
        attempt: Number of the attempt, which counts from 1.
    """

    job_id: str
    attempt: int


@dataclass(frozen=True)
class Order:
    """A job for a worker to run.

    Args:
        assignment: The attempt.
        kind: Kind of the job.
        task: Input of that kind.
    """

    assignment: Assignment
    kind: str
    task: JsonObject


@dataclass(frozen=True)
class Ready:
    """The worker can run jobs.

    Args:
        pid: Id of its process.
        node: Name of its machine.
        version: Its version of Pathfit.
    """

    pid: int
    node: str = ""
    version: str = ""


@dataclass(frozen=True)
class Progressed:
    """The attempt has made progress.

    Args:
        assignment: The attempt.
        progress: JSON object of the progress.
    """

    assignment: Assignment
    progress: JsonObject


@dataclass(frozen=True)
class Done:
    """The attempt has a result.

    Args:
        assignment: The attempt.
        result: JSON object that the API answers.
        artifact: Path of the full result; None if it has none.
        progress: Last progress, if it was not reported before.
    """

    assignment: Assignment
    result: JsonObject
    artifact: str | None
    progress: JsonObject | None = None


@dataclass(frozen=True)
class Failed:
    """The attempt has failed, and another would fail too.

    Args:
        assignment: The attempt.
        error: The reason.
    """

    assignment: Assignment
    error: JobError


@dataclass(frozen=True)
class LostProcess:
    """One of the attempt's processes died, so that another attempt may succeed.

    Args:
        assignment: The attempt.
        ending: How the process ended.
    """

    assignment: Assignment
    ending: str


@dataclass(frozen=True)
class Stopped:
    """The attempt has ended because its job was cancelled.

    Args:
        assignment: The attempt.
    """

    assignment: Assignment


@dataclass(frozen=True)
class Handed:
    """The attempt has ended because a device elsewhere has to measure for the job.

    Args:
        assignment: The attempt.
        agent: Id of the agent on the device.
        measuring: What it is to measure.
        within_s: Seconds that the job waits for it; None: until it is cancelled.
        progress: Last progress, if it was not reported before.
    """

    assignment: Assignment
    agent: str
    measuring: JsonObject
    within_s: float | None
    progress: JsonObject | None = None


FinalReport = Done | Failed | Handed | LostProcess | Stopped
"""The last report of an attempt."""

Report = Ready | Progressed | FinalReport
