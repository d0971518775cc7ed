"""Real services in their own processes: results, crashes, restarts and stops."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spaces
from service.client import Client, ServiceProblem, Unreachable
from service.store import Store
from tables.lookup_table import LookupTable
from tests.waiting import PATIENCE, within

ROOT = Path(__file__).resolve().parents[2]
SPACE = "spos-tiny"
LONG = {"population": 10, "generations": 300}
ENDLESS = {"population": 2, "generations": 2000}


def content(result: Any) -> dict[str, Any]:
    """A result without the time it took."""
    return {key: value for key, value in result.to_dict(3).items() if key != "seconds"}


def begun(handle: Any) -> bool:
    status = handle.status()
    return status.progress is not None and status.progress.evaluated > 0


def post(url: str, body: Any, headers: dict[str, str]) -> tuple[int, dict[str, str], Any]:
    connection = http.client.HTTPConnection(url.removeprefix("http://"), timeout=40)
    connection.request(
        "POST", "/search", json.dumps(body), {"Content-Type": "application/json", **headers}
    )
    answer = connection.getresponse()
    found = answer.status, dict(answer.getheaders()), json.load(answer)
    connection.close()
    return found


def test_every_returned_network_keeps_the_constraint(served: Any, world: Any) -> None:
    space = spaces.get(SPACE)
    table = LookupTable.read(world.tables / "made-up.json")
    model = table.cost_model(space)
    limit = float(np.median(model.estimate(space.sample(np.random.default_rng(3), 500))))
    progress: list[Any] = []
    handle = served.client.search(
        space=SPACE,
        device="made-up",
        constraints={"latency_ms": limit},
        count=5,
        seed=7,
        guide="small",
    )
    result = handle.wait(400, progress.append)
    assert (model.estimate(result.codes) + 1.64 * model.sigma <= limit).all()
    assert len(result) == len(np.unique(result.codes, axis=0)) >= 1000
    assert (np.diff(result.scores) <= 0).all()
    assert (progress[-1].evaluated, progress[-1].planned, progress[-1].best) == (
        len(result),
        len(result),
        result.scores[0],
    )
    assert result.constraints[0]["table"] == "made-up"
    output = handle.status().result
    assert "candidates" not in output
    assert len(output["best"]) == 5
    best = output["best"][0]
    assert best["architecture"] == result.best.architecture.to_dict()
    assert best["costs"]["latency_ms"] == pytest.approx(
        float(model.estimate([result.best.architecture])[0])
    )


def test_results_depend_on_the_seed_alone(served: Any) -> None:
    options = {"generations": 4}
    first, again, other = (
        content(served.client.search(space=SPACE, options=options, seed=seed).wait(400))
        for seed in (1, 1, 2)
    )
    assert first == again
    assert first["candidates"]["codes"] != other["candidates"]["codes"]


def test_a_small_search_is_answered_while_the_client_waits(served: Any) -> None:
    options = {"generations": 2, "population": 10}
    begin = time.monotonic()
    status, headers, body = post(
        served.url, {"space": SPACE, "strategy": {"options": options}}, {"Prefer": "wait=20"}
    )
    assert (status, body["state"]) == (200, "done")
    assert time.monotonic() - begin < 15
    assert headers["Location"] == f"/search/{body['id']}"
    status, _, body = post(
        served.url, {"space": SPACE, "strategy": {"options": ENDLESS}}, {"Prefer": "wait=1"}
    )
    assert (status, body["state"]) == (202, "running")
    served.client.request("DELETE", f"/search/{body['id']}")


def test_cancelling_frees_the_worker_at_once_without_ending_it(served: Any) -> None:
    workers = served.workers()
    handle = served.client.search(space=SPACE, options=ENDLESS)
    assert within(20, lambda: begun(handle))
    begin = time.monotonic()
    assert handle.cancel().state == "cancelled"
    served.client.search(space=SPACE, strategy="random", options={"evaluations": 5}).wait(400)
    assert time.monotonic() - begin < 6 * PATIENCE
    assert served.workers() == workers
    with pytest.raises(ServiceProblem, match="was cancelled"):
        handle.wait(5)


def test_refusals_reach_the_client_as_sentences(served: Any) -> None:
    with pytest.raises(ServiceProblem, match="the fastest network of spos-tiny takes") as caught:
        served.client.search(space=SPACE, device="made-up", constraints={"latency_ms": 0.001})
    assert (caught.value.status, caught.value.field) == (422, "constraints.latency_ms")
    with pytest.raises(ServiceProblem, match="unknown space 'sops'"):
        served.client.search(space="sops")
    long = served.client.search(space=SPACE, options={"generations": 400})
    with pytest.raises(TimeoutError, match=r"after 0\.01 s"):
        long.wait(0.01)
    long.cancel()


def test_malformed_http_is_answered_by_a_problem(served: Any) -> None:
    host, _, port = served.url.removeprefix("http://").partition(":")
    for sent, status in (
        (b"NONSENSE\r\n\r\n", b"400"),
        (b"GET /" + b"x" * 9000 + b" HTTP/1.1\r\n\r\n", b"414"),
    ):
        with socket.create_connection((host, int(port)), timeout=10) as connection:
            connection.sendall(sent)
            answer = connection.makefile("rb").read()
        head, _, body = answer.partition(b"\r\n\r\n")
        assert head.split()[1] == status
        assert b"application/problem+json" in head
        assert json.loads(body)["status"] == int(status)


@pytest.mark.slow
def test_twenty_searches_of_eight_clients_are_each_done_once(served: Any) -> None:
    found: dict[int, Any] = {}
    todo = list(range(20))

    def ask() -> None:
        client = Client(served.url)
        while todo:
            seed = todo.pop()
            handle = client.search(
                space=SPACE, options={"population": 10, "generations": 3}, seed=seed
            )
            found[seed] = (handle.id, handle.wait(400))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == list(range(20))
    assert len({job_id for job_id, _ in found.values()}) == 20
    assert all(result.seed == seed for seed, (_, result) in found.items())
    listed = served.client.request("GET", "/search?limit=100")["searches"]
    ours = [search for search in listed if search["id"] in {job_id for job_id, _ in found.values()}]
    assert [(search["state"], search["attempt"]) for search in ours] == [("done", 1)] * 20


@pytest.mark.slow
def test_a_killed_worker_is_replaced_without_changing_the_result(served: Any) -> None:
    undisturbed = served.client.search(space=SPACE, options=LONG, seed=5).wait(400)
    handle = served.client.search(space=SPACE, options=LONG, seed=5)
    assert within(20, lambda: begun(handle))
    os.kill(served.workers()[0], signal.SIGKILL)
    assert within(1, lambda: handle.status().state == "queued")
    disturbed = handle.wait(400)
    assert handle.status().attempt == 2
    assert content(disturbed) == content(undisturbed)


@pytest.mark.slow
def test_a_search_that_kills_its_workers_fails_with_the_reason(served: Any) -> None:
    handle = served.client.search(space=SPACE, options=ENDLESS)
    for attempt in (1, 2, 3):
        assert within(
            60, lambda attempt=attempt: handle.status().attempt == attempt and begun(handle)
        )
        os.kill(served.workers()[0], signal.SIGKILL)
    with pytest.raises(
        ServiceProblem, match="3 workers died on it; the last one ended unexpectedly"
    ):
        handle.wait(400)
    assert served.client.search(space=SPACE, options={"generations": 1}).wait(400).seed == 0


@pytest.mark.slow
def test_jobs_of_a_killed_supervisor_resume_at_the_next_start(start: Any, tmp_path: Path) -> None:
    service = start(tmp_path)
    undisturbed = service.client.search(space=SPACE, options=LONG, seed=9).wait(400)
    running = service.client.search(space=SPACE, options=LONG, seed=9)
    queued = [
        service.client.search(space=SPACE, options={"generations": 1}, seed=seed)
        for seed in range(2)
    ]
    assert within(20, lambda: begun(running))

    os.kill(service.process.pid, signal.SIGKILL)
    service.process.wait()
    assert within(5, lambda: service.processes() == []), "the rest ends by itself"
    with pytest.raises(Unreachable, match="no service answers at http://127"):
        running.status()

    again = start(tmp_path)
    resumed = [type(running)(again.client, handle.id) for handle in (running, *queued)]
    results = [handle.wait(400) for handle in resumed]
    assert content(results[0]) == content(undisturbed)
    assert [result.seed for result in results] == [9, 0, 1]
    assert resumed[0].status().attempt == 2
    assert [handle.status().attempt for handle in resumed[1:]] == [1, 1]


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_stopping_takes_less_than_five_seconds_and_ends_every_process(
    start: Any, tmp_path: Path, number: signal.Signals
) -> None:
    service = start(tmp_path)
    handle = service.client.search(space=SPACE, options=ENDLESS)
    assert within(120, lambda: begun(handle))
    answers: list[Any] = []
    request = {"space": SPACE, "strategy": {"options": ENDLESS}}
    waiting = threading.Thread(
        target=lambda: answers.append(post(service.url, request, {"Prefer": "wait=30"}))
    )
    waiting.start()
    assert within(5, lambda: service.client.request("GET", "/search")["total"] == 2)
    begin = time.monotonic()
    service.process.send_signal(number)
    assert service.process.wait(10 * PATIENCE) == 0
    assert time.monotonic() - begin < 5 * PATIENCE
    waiting.join(30)
    assert [answer[0] for answer in answers] == [202]
    assert within(0.5, lambda: service.processes() == [])
    store = Store(tmp_path / "jobs.sqlite")
    assert {(job.state, job.worker_crashes) for job in store.jobs.list(limit=9)[0]} == {
        ("queued", 0)
    }
    store.close()


def test_a_second_service_on_the_folder_is_refused(served: Any, world: Any) -> None:
    command = [sys.executable, "-m", "service", "serve", "--port", "0", "--data", str(served.data)]
    outcome = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert (outcome.returncode, outcome.stdout) == (2, "")
    assert (
        outcome.stderr
        == f"Error: the data folder {served.data} is in use by another service (process"
        f" {served.process.pid}); stop that one, or choose another folder with --data; services"
        " with a folder each can share jobs in PostgreSQL with --database\n"
    )
    served.client.wait_until_ready(1)


def test_the_web_process_does_not_load_torch_or_ray(served: Any) -> None:
    for part, libraries in (
        ("service.server", ("libtorch", "_raylet")),
        ("service.engine", ("libtorch",)),
    ):
        for pid in served.named(part):
            mapped = Path(f"/proc/{pid}/maps").read_text(encoding="utf-8")
            assert "python" in mapped
            assert not [library for library in libraries if library in mapped]


@pytest.mark.slow
def test_a_table_that_changed_after_acceptance_fails_the_search(
    start: Any, world: Any, tmp_path: Path
) -> None:
    tables = tmp_path / "tables"
    tables.mkdir()
    path = tables / "passing.json"
    path.write_bytes((world.tables / "made-up.json").read_bytes())
    service = start(tmp_path / "data", "--tables", str(tables))
    service.client.search(space=SPACE, options=ENDLESS)
    handle = service.client.search(space=SPACE, device="passing", constraints={"latency_ms": 5})
    path.write_text(
        path.read_text(encoding="utf-8").replace("made up", "made over"), encoding="utf-8"
    )
    service.client.request(
        "DELETE", f"/search/{service.client.request('GET', '/search')['searches'][1]['id']}"
    )
    with pytest.raises(ServiceProblem, match="was changed after this search was accepted"):
        handle.wait(400)
