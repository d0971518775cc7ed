"""Waiting for a job by its events, also when the stream of events breaks."""

import json
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest

from service.client import Client, JobHandle, JobProgress, SearchProgress, ServiceProblem, following
from service.client.events import Event, read_events
from service.jobs import JobError

SPACE = "spos-tiny"
JOB = {
    "id": "abc",
    "kind": "retrain",
    "state": "running",
    "attempt": 1,
    "created": "",
    "request": {},
}


def stream(*events: tuple[int, str, Any]) -> bytes:
    answer = (
        f"id: {number}\nevent: {kind}\ndata: {json.dumps(data)}\n\n"
        for number, kind, data in events
    )
    return f"retry: 1000\n\n{''.join(answer)}".encode()


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The handles whose status was asked for, in place of hearing of it."""
    found: list[Any] = []
    patiently = following.patiently

    def noted(handle: Any) -> Any:
        found.append(handle)
        return patiently(handle)

    monkeypatch.setattr(following, "patiently", noted)
    return found


def working(work: Callable[[], None]) -> threading.Thread:
    thread = threading.Thread(target=work)
    thread.start()
    return thread


def test_events_are_parsed_and_other_lines_skipped() -> None:
    text = (
        b'retry: 1000\n\n: keep-alive\n\nid: 3\r\nevent: state\r\ndata: {"state": "done"}\r\n\r\n'
    )
    other = (
        b"id: x\nevent: state\ndata: {}\n\nid: 4\nevent: odd\ndata: [1]\n\nid: 5\nevent:"
        b" progress\ndata: {}\n"
    )
    assert list(read_events((text + other).splitlines(keepends=True))) == [
        Event(3, "state", {"state": "done"})
    ]


def test_events_are_streamed_without_polling(answering: Any, asked: list[Any]) -> None:
    handle = Client(answering.url).search(space=SPACE)
    answer: list[SearchProgress] = []

    def heard(progress: SearchProgress) -> None:
        answer.append(progress)
        if progress.evaluated == 3:
            Client(answering.url).cancel(handle.id)

    reports = tuple({"evaluated": count, "planned": 4, "best": float(count)} for count in (1, 2, 3))
    worker = working(lambda: answering.run(progress=reports))
    with pytest.raises(ServiceProblem, match=rf"the search {handle.id} was cancelled$"):
        handle.wait(30, heard)
    worker.join()
    assert answer == [SearchProgress(count, 4, float(count)) for count in (1, 2, 3)]
    assert asked == []


def test_a_failed_job_raises_with_its_reason(answering: Any, asked: list[Any]) -> None:
    handle = Client(answering.url).search(space=SPACE)
    job = answering.store.leases.claim("test", 60)
    answering.store.jobs.fail(job.id, job.attempt, JobError("Odd", "the moon is full"))
    with pytest.raises(
        ServiceProblem, match=rf"the search {handle.id} failed: the moon is full$"
    ) as caught:
        handle.wait(30)
    assert caught.value.body["kind"] == "Odd"
    assert asked == []


def test_a_broken_stream_resumes_after_its_last_event(scripted: Any) -> None:
    half = {"share": 0.5, "stage": "training", "state": ""}
    complete = {**half, "share": 1.0}
    running = ("state", {"state": "running", "attempt": 1})
    scripted.will(200, stream((1, *running), (2, "progress", half)))
    scripted.will(200, {**JOB, "progress": half})
    scripted.will(
        200, stream((3, "progress", complete), (4, "state", {"state": "done", "attempt": 1}))
    )
    scripted.will(200, {**JOB, "state": "done", "result": {"test": 1}})
    answer: list[Any] = []
    assert JobHandle(Client(scripted.url), "abc").wait(30, answer.append) == {"test": 1}
    assert answer == [JobProgress.from_dict(half), JobProgress.from_dict(complete)]
    seen = [(path, headers.get("Last-Event-Id")) for _, path, headers, _ in scripted.asked]
    assert seen[:3] == [("/jobs/abc/events", None), ("/jobs/abc", None), ("/jobs/abc/events", "2")]


def test_a_service_without_free_streams_is_polled(scripted: Any, no_pauses: list[float]) -> None:
    scripted.will(503, {"detail": "all places are taken"}, Retry_After="60")
    scripted.will(200, JOB)
    scripted.will(200, {**JOB, "progress": {"share": 0.1, "stage": "", "state": ""}})
    scripted.will(200, {**JOB, "state": "cancelled"})
    answer: list[Any] = []
    with pytest.raises(ServiceProblem, match=r"the job abc was cancelled$"):
        JobHandle(Client(scripted.url), "abc").wait(30, answer.append)
    assert [progress.fraction for progress in answer] == [0.1]
    assert [path for _, path, _, _ in scripted.asked] == ["/jobs/abc/events", *["/jobs/abc"] * 3]


def test_a_lost_connection_is_retried_but_an_unknown_job_raises(
    scripted: Any, no_pauses: list[float]
) -> None:
    scripted.will(0)
    scripted.will(0)
    scripted.will(0)
    scripted.will(0)
    scripted.will(0)
    scripted.will(200, JOB)
    scripted.will(204, b"")
    scripted.will(200, {**JOB, "state": "done", "result": {"top1": 90}})
    scripted.will(200, {**JOB, "state": "done", "result": {"top1": 90}})
    assert JobHandle(Client(scripted.url), "abc").wait(30) == {"top1": 90}
    scripted.will(404, {"detail": "there is no job 'abc'"})
    with pytest.raises(ServiceProblem, match="there is no job 'abc'"):
        JobHandle(Client(scripted.url), "abc").wait(30)


def test_a_silent_stream_counts_as_broken(
    answering: Any, asked: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "SILENCE", 0.1)
    handle = Client(answering.url).search(space=SPACE)

    def work() -> None:
        while len(asked) < 3:
            time.sleep(0.01)
        Client(answering.url).cancel(handle.id)

    worker = working(work)
    with pytest.raises(ServiceProblem, match="was cancelled"):
        handle.wait(30)
    worker.join()
    with pytest.raises(TimeoutError, match=r"is queued after 0\.3 s"):
        Client(answering.url).search(space=SPACE).wait(0.3)


def test_a_front_is_returned_as_typed_values(answering: Any) -> None:
    handle = Client(answering.url).search(space=SPACE, objectives=["flops", "params"])
    with pytest.raises(ServiceProblem, match="is queued and has no result"):
        handle.front()
    assert (handle.status().front, handle.status().objectives) == ([], [])
    names = {f"layer_{layer}": "k3" for layer in range(1, 7)}
    found = {
        "architecture": {"space": SPACE, "choices": names},
        "score": 1.5,
        "deviation": 0.25,
        "costs": {"macs": 1e6, "params": 2e5},
    }
    answering.run(
        result={"objectives": ["macs", "params"], "best": [found], "front": [found, found]}
    )
    status = handle.status()
    assert (status.objectives, len(status.best), len(handle.front())) == (["macs", "params"], 1, 2)
    first = handle.front()[0]
    assert (first.architecture.choices["layer_1"], first.score, first.deviation) == (
        "k3",
        1.5,
        0.25,
    )
    assert first.costs == {"macs": 1e6, "params": 2e5}
    assert first.to_dict() == found
