"""The web process without an engine: refusals of bodies that nobody reads."""

import http.client
import json
import os
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from service.processes.child_process import Child
from service.processes.listening import WebOrder, listen, url_of
from service.settings import Settings


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, int]]:
    """Host and port of a web process."""
    settings = Settings(tmp_path_factory.mktemp("web"), port=0, workers=1)
    with listen(settings) as listener:
        os.set_inheritable(listener.fileno(), True)
        url = url_of(listener, False)
        order = WebOrder(settings, listener.fileno(), None)
        child = Child("service.server", order, handles=[listener.fileno()])
        host, _, port = url.rpartition("/")[2].partition(":")
        # The listener accepts connections at once; the answer comes when the process is ready.
        connection = http.client.HTTPConnection(host, int(port), timeout=120)
        connection.request("GET", "/healthz")
        assert connection.getresponse().status == 200
        connection.close()
        yield host, int(port)
        child.terminate()
        assert child.close(10)


@pytest.mark.parametrize("megabytes", [33, 50])
@pytest.mark.parametrize(
    ("path", "media_type", "status"),
    [
        ("/tables", "application/json", 413),
        ("/search", "application/json", 413),
        ("/search", "text/plain", 415),
        ("/nowhere", "application/json", 404),
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
