"""Artifacts that no job needs: of attempts without a result, and of jobs that were removed."""

from __future__ import annotations

import re
from collections.abc import Sequence

from service.artifacts import Artifacts
from service.jobs import JobState
from service.store import Store

Attempt = tuple[str, int]
"""Id of a job and the number of an attempt."""

# `JOB/ATTEMPT/NAME`; uploads and probes have other paths.
_PATH = re.compile(r"([0-9a-f]{32})/([0-9]{1,9})/", re.ASCII)

# Jobs that are looked up at once.
_BATCH_SIZE = 500


def find_leftovers(store: Store, artifacts: Artifacts) -> Sequence[Attempt]:
    """Find the attempts whose artifacts no job needs.

    They are all attempts of jobs that were removed, and those of ended jobs except the one that
    gave the result. Jobs that have not ended need all: a next attempt may resume from any.

    Args:
        store: Has the jobs.
        artifacts: Stores their artifacts.

    Raises:
        ArtifactFailed: The artifacts cannot be listed.
    """
    # Before the jobs are read: whatever is written later belongs to jobs that are read as they
    # were, and is left alone.
    matches = map(_PATH.match, artifacts.paths())
    attempts = sorted({(match[1], int(match[2])) for match in matches if match})
    ids = sorted({job_id for job_id, _ in attempts})

    latest: dict[str, tuple[JobState, int]] = {}
    for start in range(0, len(ids), _BATCH_SIZE):
        latest |= store.jobs.latest_attempts(ids[start : start + _BATCH_SIZE])

    return [attempt for attempt in attempts if _is_leftover(attempt, latest)]


def _is_leftover(attempt: Attempt, latest: dict[str, tuple[JobState, int]]) -> bool:
    job_id, number = attempt
    if job_id not in latest:
        return True
    state, last_number = latest[job_id]
    return state.final and not (state is JobState.DONE and number == last_number)
