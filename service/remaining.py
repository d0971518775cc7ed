"""Estimates of the time that a running job still takes."""

from __future__ import annotations

from service.jobs import Job, JobState

MIN_FRACTION = 0.05
"""Fraction that must be done before a time is estimated."""

MIN_SECONDS = 5.0
"""Seconds that must have passed before a time is estimated."""


def elapsed_seconds(job: Job, now: float) -> float | None:
    """Return the seconds since the present attempt began; None unless the job is running.

    Args:
        job: The job.
        now: Seconds since 1970.
    """
    if job.state is not JobState.RUNNING or job.started is None:
        return None
    # The clock may have been set back since.
    return max(now - job.started, 0.0)


def remaining_seconds(job: Job, now: float) -> float | None:
    """Estimate the seconds that a running job still takes, at the pace of its attempt so far.

    Args:
        job: The job.
        now: Seconds since 1970.

    Returns:
        The estimate; None before 5% and 5 s, and where the fraction that is done does not count
        the attempt's work from its beginning: of pipelines, trainings of predictors and searches
        with finalists, which have several stages, and of trainings that were resumed.
    """
    elapsed = elapsed_seconds(job, now)
    fraction = _fraction(job)
    if elapsed is None or elapsed < MIN_SECONDS or not MIN_FRACTION <= fraction <= 1.0:
        return None
    return elapsed * (1.0 - fraction) / fraction


def _fraction(job: Job) -> float:
    progress = job.progress or {}
    if job.kind == "search":
        if progress.get("finalists"):
            return 0.0
        planned = progress.get("planned")
        return progress["evaluated"] / planned if planned else 0.0
    if job.kind == "retrain" and job.attempt == 1:
        return float(progress.get("share", 0.0))
    return 0.0
