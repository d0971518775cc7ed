"""Handing tables to a service."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from profiler import Settings, build
from profiler.errors import UploadFailed
from profiler.upload import TOKEN, upload
from spaces import ChainSpace
from tables import LookupTable


class Service(HTTPServer):
    """Takes tables; `answer` is what it says, `taken` what it was given."""

    answer: tuple[int, bytes] = (201, b"{}")
    taken: list[tuple[str, dict[str, str], bytes]]


class Handler(BaseHTTPRequestHandler):
    """Keeps what it is given."""

    server: Service

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.taken.append((self.path, dict(self.headers), body))
        code, said = self.server.answer
        self.send_response(code)
        self.end_headers()
        self.wfile.write(said)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002
        """Nothing."""


@pytest.fixture
def service() -> Iterator[Service]:
    """A running service."""
    server = Service(("127.0.0.1", 0), Handler)
    server.taken = []
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def table(fake: Any, tiny: ChainSpace) -> LookupTable:
    """A small table."""
    return build(
        tiny,
        fake(4),
        Settings(fewest_networks=1),
        name="made",
        device={"kind": "cpu", "processor": "fake"},
        conditions={"backend": "fake", "batch": 1, "precision": "fp32", "threads": 1},
    )


def address(service: Service, path: str = "") -> str:
    return f"http://127.0.0.1:{service.server_port}{path}"


def test_a_table_arrives_whole(
    service: Service, table: LookupTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(TOKEN, raising=False)
    assert upload(table, address(service, "/")) == address(service, "/tables")
    ((path, headers, body),) = service.taken
    assert path == "/tables"
    assert headers["Content-Type"] == "application/json"
    assert "Authorization" not in headers
    assert LookupTable.from_json(body.decode()) == table


def test_the_token_is_sent(
    service: Service, table: LookupTable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(TOKEN, "secret")
    upload(table, address(service))
    assert service.taken[0][1]["Authorization"] == "Bearer secret"


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ((403, json.dumps({"detail": "no token"}).encode()), "with 403: no token"),
        ((422, b"the table\nis odd"), "with 422: the table is odd"),
        ((500, b""), "with 500: no reason given"),
        ((400, b"[]"), "with 400: []"),
    ],
)
def test_a_refusal_is_told(
    service: Service, table: LookupTable, answer: tuple[int, bytes], said: str
) -> None:
    service.answer = answer
    with pytest.raises(UploadFailed) as caught:
        upload(table, address(service))
    assert str(caught.value) == f"{address(service, '/tables')} refused the table 'made' {said}"


def test_what_cannot_be_reached_is_named(table: LookupTable) -> None:
    with pytest.raises(UploadFailed, match=r"cannot reach http://127\.0\.0\.1:9/tables: "):
        upload(table, "http://127.0.0.1:9")
    for url in ("localhost:8000", "file:///tmp/x", "http://"):
        with pytest.raises(
            UploadFailed, match="is no address; one reads like http://localhost:8000"
        ):
            upload(table, url)
