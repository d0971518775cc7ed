"""A real service whose store stalls, or whose Ray dies again and again, while it runs a job."""

import os
import signal
import sqlite3
import time
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from service.client import ServiceProblem
from service.jobs import MAX_INTERRUPTIONS
from service.store.leases import LEASE
from tests.waiting import PATIENCE, within

SPACE = "spos-tiny"
LONG = {"population": 10, "generations": 3000}

pytestmark = pytest.mark.slow


def begun(handle: Any, attempt: int = 1) -> bool:
    status = handle.status()
    return status.attempt == attempt and status.progress is not None


def assert_lives(client: Any, seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        started = time.monotonic()
        assert client.request("GET", "/healthz", retries=0) == {"status": "alive"}
        # A machine that runs other things may be slow, but the store stalls for longer.
        assert time.monotonic() - started < 5 * PATIENCE
        time.sleep(0.5)


def assert_goes_on(handle: Any) -> None:
    """The same attempt makes progress, or has ended meanwhile."""
    before = handle.status()
    assert (before.state in ("running", "done"), before.attempt) == (True, 1)

    def has_moved() -> bool:
        now = handle.status()
        return now.state == "done" or now.progress.evaluated > before.progress.evaluated

    assert within(60, has_moved)
    assert handle.status().attempt == 1
    # It may be done by now.
    with suppress(ServiceProblem):
        handle.cancel()


def test_locked_sqlite_costs_no_attempt(start: Any, tmp_path: Path) -> None:
    service = start(tmp_path)
    handle = service.client.search(space=SPACE, options=LONG)
    assert within(120, lambda: begun(handle))
    with closing(sqlite3.connect(tmp_path / "jobs.sqlite", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        assert_lives(service.client, LEASE + 5)
        other.execute("ROLLBACK")
    service.client.wait_until_ready(60)
    assert_goes_on(handle)


def test_frozen_postgresql_costs_no_attempt(start: Any, proxy: Any, tmp_path: Path) -> None:
    service = start(tmp_path, "--database", proxy.url, "--artifacts", str(tmp_path / "results"))
    handle = service.client.search(space=SPACE, options=LONG)
    assert within(120, lambda: begun(handle))
    proxy.freeze()
    assert_lives(service.client, LEASE + 15)
    proxy.thaw()
    service.client.wait_until_ready(60)
    assert_goes_on(handle)


def test_job_during_which_ray_dies_again_and_again_fails(start: Any, tmp_path: Path) -> None:
    service = start(tmp_path)
    handle = service.client.search(space=SPACE, options=LONG)
    for attempt in range(1, MAX_INTERRUPTIONS + 1):
        assert within(180, lambda attempt=attempt: begun(handle, attempt))
        os.kill(service.named("gcs_server")[0], signal.SIGKILL)
    assert within(60, lambda: handle.status().state == "failed")
    error = handle.status().error
    assert error["kind"] == "Interrupted"
    reason = "5 attempts at it were interrupted; the last one because Ray's GCS"
    assert error["detail"].startswith(reason)
    service.client.wait_until_ready(120)
