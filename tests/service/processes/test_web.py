"""The web process without an engine: bodies that nobody reads, and stores that do not answer."""

import contextlib
import dataclasses
import http.client
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import text

from service.api.connection import is_closed
from service.processes.child_process import Child
from service.processes.listening import WebOrder, listen, url_of
from service.settings import Settings
from service.store import Store, Timeouts
from tests.waiting import PATIENCE


@contextlib.contextmanager
def web_process(settings: Settings) -> Iterator[tuple[str, int]]:
    """Host and port of a web process, which ends with the block."""
    with listen(settings) as listener:
        os.set_inheritable(listener.fileno(), True)
        url = url_of(listener, False)
        order = WebOrder(settings, listener.fileno(), None)
        child = Child("service.server", order, handles=[listener.fileno()])
        host, _, port = url.rpartition("/")[2].partition(":")
        # The listener accepts connections at once; the answer comes when the process is ready.
        try:
            assert request((host, int(port)), "GET", "/healthz")[0] == 200
            yield host, int(port)
        finally:
            child.terminate()
            in_time = child.close(10)
        assert in_time


def request(
    address: tuple[str, int], method: str, path: str, body: Any = None
) -> tuple[int, dict[str, str], Any]:
    """Status, headers and body of an answer."""
    connection = http.client.HTTPConnection(*address, timeout=120)
    content = None if body is None else json.dumps(body)
    connection.request(method, path, content, {"Content-Type": "application/json"})
    answer = connection.getresponse()
    result = answer.status, dict(answer.getheaders()), json.loads(answer.read())
    connection.close()
    return result


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """Host and port of a web process."""
    settings = Settings(tmp_path_factory.mktemp("web"), port=0, workers=1)
    with web_process(settings) as address:
        yield address


@pytest.mark.parametrize(
    ("path", "media_type", "status", "megabytes"),
    [
        ("/tables", "application/json", 413, 33),
        ("/search", "application/json", 413, 50),
        ("/search", "application/json", 413, 200),
        ("/search", "text/plain", 415, 50),
        ("/nowhere", "application/json", 404, 33),
    ],
)
def test_refusal_of_a_large_body_is_readable(
    address: tuple[str, int], path: str, media_type: str, status: int, megabytes: int
) -> None:
    connection = http.client.HTTPConnection(*address, timeout=60)
    # `http.client` sends the whole body before it reads, as most clients do.
    connection.request("POST", path, b" " * (megabytes << 20), {"Content-Type": media_type})
    answer: Any = connection.getresponse()
    assert answer.status == status
    assert json.loads(answer.read())["status"] == status

    # The body was read to its end, so that the next request is not mixed up with it.
    connection.request("GET", "/healthz")
    assert connection.getresponse().status == 200
    connection.close()


def test_stalled_body_does_not_hold_its_connection(address: tuple[str, int]) -> None:
    head = b"POST /tables HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    with socket.create_connection(address, timeout=30) as connection:
        connection.sendall(head + b"Content-Length: 50000000\r\n\r\n{")
        started = time.monotonic()
        with connection.makefile("rb") as file:
            answer = file.read()
    assert answer.startswith(b"HTTP/1.1 413")
    assert time.monotonic() - started < 20


# Stores that do not answer

QUICK = Timeouts(connect=2, pool=1, lock=1, statement=1, response=2, busy=2)
REQUESTS = 70
SEARCH = {"space": "spos-tiny"}


class Crowd:
    """Many clients that send the same request at the same time."""

    def __init__(self, address: tuple[str, int], method: str, path: str, body: Any = None):
        self.answers: list[tuple[int, dict[str, str], Any]] = []

        def send() -> None:
            self.answers.append(request(address, method, path, body))

        self._threads = [threading.Thread(target=send) for _ in range(REQUESTS)]
        for thread in self._threads:
            thread.start()

    def join(self) -> None:
        for thread in self._threads:
            thread.join()


def assert_lives(address: tuple[str, int], seconds: float) -> None:
    """The process answers at once, again and again for so many seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        started = time.monotonic()
        assert request(address, "GET", "/healthz")[0] == 200
        assert time.monotonic() - started < 3 * PATIENCE
        time.sleep(0.1)


@pytest.mark.slow
def test_frozen_postgresql_does_not_freeze_the_service(
    world: Any, proxy: Any, tmp_path: Path
) -> None:
    settings = dataclasses.replace(
        world.settings(tmp_path), database_url=proxy.url, timeouts=QUICK, threads=30
    )
    with web_process(settings) as address:
        job = request(address, "POST", "/search", SEARCH)[2]
        proxy.freeze()
        crowd = Crowd(address, "GET", f"/jobs/{job['id']}")
        assert_lives(address, 3)
        assert request(address, "GET", "/readyz")[0] == 503
        crowd.join()
        assert [status for status, _, _ in crowd.answers] == [503] * REQUESTS
        assert all(int(headers["Retry-After"]) > 0 for _, headers, _ in crowd.answers)
        proxy.thaw()
        assert request(address, "GET", f"/jobs/{job['id']}")[0] == 200


def test_locked_sqlite_does_not_freeze_the_service(world: Any, tmp_path: Path) -> None:
    settings = dataclasses.replace(world.settings(tmp_path), timeouts=QUICK)
    with web_process(settings) as address:
        store = Store(settings.store)
        with store.database.writing():
            crowd = Crowd(address, "POST", "/search", SEARCH)
            assert_lives(address, 2)
            crowd.join()
        store.close()
        assert {status for status, _, _ in crowd.answers} == {503}
        assert all(int(headers["Retry-After"]) > 0 for _, headers, _ in crowd.answers)
        assert request(address, "POST", "/search", SEARCH)[0] == 202


def test_cancelling_a_locked_job_is_refused_in_time(
    world: Any, shared_url: str, tmp_path: Path
) -> None:
    settings = dataclasses.replace(
        world.settings(tmp_path), database_url=shared_url, timeouts=QUICK
    )
    with web_process(settings) as address:
        job = request(address, "POST", "/search", SEARCH)[2]
        store = Store(shared_url)
        with store.database.writing() as session:
            session.execute(text("SELECT * FROM jobs FOR UPDATE"))
            crowd = Crowd(address, "DELETE", f"/search/{job['id']}")
            assert_lives(address, 1)
            crowd.join()
        store.close()
        assert {status for status, _, _ in crowd.answers} == {503}
        assert request(address, "DELETE", f"/search/{job['id']}")[2]["state"] == "cancelled"


# Clients that leave


def open_request(address: tuple[str, int], text: str) -> socket.socket:
    connection = socket.create_connection(address, timeout=60)
    connection.sendall(f"{text}\r\nHost: localhost\r\n\r\n".encode())
    return connection


@pytest.mark.parametrize(
    ("path", "headers"),
    [("/search/{}", "\r\nPrefer: wait=30"), ("/search/{}/events", "")],
    ids=["waiting", "stream"],
)
def test_client_that_leaves_frees_its_place_within_seconds(
    world: Any, tmp_path: Path, path: str, headers: str
) -> None:
    settings = dataclasses.replace(world.settings(tmp_path), waiting=3, streams=3)
    with web_process(settings) as address:
        job_id = request(address, "POST", "/search", SEARCH)[2]["id"]
        line = f"GET {path.format(job_id)} HTTP/1.1{headers}"

        def status() -> int:
            """The status of another such request, which leaves at once."""
            with open_request(address, line.replace("wait=30", "wait=1")) as connection:
                return int(connection.recv(1 << 12).split()[1])

        with contextlib.ExitStack() as clients:
            # A request of `status` may hold the place that one of the first clients then lacks, so
            # clients come until nothing is free.
            deadline = time.monotonic() + 30
            while status() != 503:
                assert time.monotonic() < deadline, "places are still free"
                clients.enter_context(open_request(address, line))

        left = time.monotonic()
        while status() == 503:
            # Two seconds and an answer; without a look at the connection it was 15 and 30 seconds.
            assert time.monotonic() < left + 14
            time.sleep(0.1)


def test_closed_connection_is_noticed_behind_unread_data() -> None:
    ours, theirs = socket.socketpair()
    with ours:
        assert not is_closed(ours)
        theirs.sendall(b"the next request")
        assert not is_closed(ours)
        theirs.close()
        assert is_closed(ours)
    assert is_closed(ours)
