"""Temporary folders of a real service: of cancelled jobs, and of processes that were killed."""

import os
import signal
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import spaces
from tests.waiting import within

SPACE = "spos-tiny"
ENDLESS = {"steps": 1_000_000, "batch_size": 16, "limit": 100, "checkpoint_every": 2}

pytestmark = pytest.mark.slow


def test_cancelled_and_killed_trainings_leave_no_folders(start: Any, tmp_path: Path) -> None:
    data = tmp_path / "data"
    service = start(data)
    attempts = data / "tmp" / "attempts"
    architecture = spaces.get(SPACE).architecture([0] * 6)

    def begin(client: Any) -> Any:
        handle = client.retrain(architecture, **ENDLESS)
        assert within(120, lambda: any(attempts.glob(f"{handle.id}-*/network/*.ckpt")))
        return handle

    for _ in range(2):
        begin(service.client).cancel()
        assert within(20, lambda: not any(attempts.iterdir()))

    running = begin(service.client)
    session = (data / "ray-folder").read_text().strip()
    for pid in [service.process.pid, *service.processes()]:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    service.process.wait()
    assert within(10, lambda: service.processes() == [])
    assert list(attempts.glob(f"{running.id}-1-*")), "nobody could remove it"

    again = start(data)
    assert not list(attempts.glob(f"{running.id}-1-*"))
    assert not Path(session).exists()
    type(running)(again.client, running.id).cancel()
    again.process.terminate()
    again.process.wait(30)
    assert not (data / "tmp").exists()
