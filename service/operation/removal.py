"""Remove single jobs that have ended, with their files."""

from __future__ import annotations

from service.context import Service
from service.jobs import Job, state_phrase
from service.problems import Problem


def remove_ended(service: Service, job: Job) -> None:
    """Remove a job that has ended, with its events, keys and artifacts, as `service gc` does.

    Args:
        service: Service that has the job.
        job: The job.

    Raises:
        Problem: 409; the job has not ended.
        ArtifactFailed: A file of the job cannot be removed; the job remains.
    """
    if not job.state.final:
        detail = (
            f"the job {job.label} {state_phrase(job.state)} and cannot be removed; cancel it first"
        )
        raise Problem(409, "conflict", "Conflict", detail, "id", state=job.state)

    # What it trained joins the catalog when somebody next lists it, and outlives the job.
    service.uploads.publish_finished()

    # The artifacts first: the job still exists if this is interrupted.
    service.artifacts.remove(job.id)
    service.store.jobs.remove([job.id])
