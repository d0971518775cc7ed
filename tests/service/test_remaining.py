"""Estimates of the time that running jobs still take."""

from dataclasses import replace
from typing import Any

import pytest

from service.jobs import Job, JobState, Resources
from service.remaining import elapsed_seconds, remaining_seconds


def running(kind: str, progress: dict[str, Any] | None, attempt: int = 1) -> Job:
    return Job(
        id="a",
        kind=kind,
        state=JobState.RUNNING,
        request={},
        task={},
        attempt=attempt,
        worker_crashes=0,
        progress=progress,
        result=None,
        artifact=None,
        error=None,
        owner=None,
        resources=Resources(),
        engine="e",
        lease=1.0,
        created=900.0,
        started=1000.0,
        finished=None,
    )


@pytest.mark.parametrize(
    ("kind", "progress", "attempt", "expected"),
    [
        ("search", {"evaluated": 25, "planned": 100}, 1, 30.0),
        ("search", {"evaluated": 25, "planned": 100}, 2, 30.0),
        ("search", {"evaluated": 4, "planned": 100}, 1, None),
        ("search", {"evaluated": 9, "planned": 9, "finalists": {"share": 0.5}}, 1, None),
        ("search", {"evaluated": 0, "planned": 0}, 1, None),
        ("search", None, 1, None),
        ("retrain", {"share": 0.5}, 1, 10.0),
        ("retrain", {"share": 0.5}, 2, None),
        ("predictor", {"share": 0.5}, 1, None),
    ],
)
def test_the_time_left_is_at_the_pace_of_the_attempt(
    kind: str, progress: Any, attempt: int, expected: float | None
) -> None:
    assert remaining_seconds(running(kind, progress, attempt), now=1010.0) == expected


def test_no_time_is_estimated_early_or_after_the_end() -> None:
    job = running("search", {"evaluated": 50, "planned": 100})
    assert remaining_seconds(job, now=1004.0) is None
    assert elapsed_seconds(job, now=1004.0) == 4.0
    # The clock was set back.
    assert elapsed_seconds(job, now=500.0) == 0.0
    done = replace(job, state=JobState.DONE)
    assert (elapsed_seconds(done, 2000.0), remaining_seconds(done, 2000.0)) == (None, None)
