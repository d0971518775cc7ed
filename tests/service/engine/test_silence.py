"""Workers and Ray that hang rather than die."""

import time
from typing import Any

import pytest
import ray
from ray.exceptions import GetTimeoutError

from service.engine import ray_process
from service.engine.ray_session import RaySession
from service.engine.worker import Needs


def test_silent_worker_is_given_up_after_its_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    def silent(reference: Any, timeout: float) -> Any:
        waits.append(timeout)
        raise GetTimeoutError

    monkeypatch.setattr(ray, "get", silent)
    with pytest.raises(Exception, match="did not answer for 45 s and was killed"):
        ray_process._get("reports", 45)
    # In steps, of which a suspension of this machine costs one.
    assert len(waits) == 9
    assert sum(waits) == 45


def test_late_answer_of_a_worker_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[Any] = [GetTimeoutError(), GetTimeoutError(), ["report"]]

    def late(reference: Any, timeout: float) -> Any:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(ray, "get", late)
    assert ray_process._get("reports", 45) == ["report"]


@pytest.mark.parametrize(
    ("address", "limit", "message"),
    [
        (None, 30, "Ray has not answered for 31 s"),
        ("10.0.0.1:6379", 5, "the Ray cluster at 10.0.0.1:6379 has not answered for 6 s"),
    ],
)
def test_silent_ray_is_a_fault(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch, address: str | None, limit: int, message: str
) -> None:
    session = RaySession(tmp_path, address, Needs(1, 0))
    now = time.monotonic()
    monkeypatch.setattr(time, "monotonic", lambda: now)
    assert session.fault() is None
    now += limit - 1
    assert session.fault() is None
    now += 2
    assert session.fault() == message
