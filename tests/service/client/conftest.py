"""Services for clients: one with scripted answers, and a real application without its engine."""

import json
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from service.context import Service
from service.store import Store

DROPPED = 0
"""In place of a status: the connection is closed without an answer."""


@dataclass
class Scripted:
    """A service that gives the answers of a list, one after the other, and remembers what was
    asked.

    Args:
        url: where it is.
        answers: (status, body, headers).
        asked: (method, path, headers, body).
    """

    url: str = ""
    answers: list[tuple[int, Any, dict[str, str]]] = field(default_factory=list)
    asked: list[tuple[str, str, dict[str, str], bytes]] = field(default_factory=list)

    def will(self, status: int, body: Any = None, **headers: str) -> None:
        self.answers.append(
            (status, body, {name.replace("_", "-"): value for name, value in headers.items()})
        )

    def keys(self) -> list[str | None]:
        return [headers.get("Idempotency-Key") for _, _, headers, _ in self.asked]


@pytest.fixture
def scripted() -> Iterator[Scripted]:
    script = Scripted()

    class Handler(BaseHTTPRequestHandler):
        def answer(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            script.asked.append((self.command, self.path, dict(self.headers), body))
            status, told, headers = script.answers.pop(0)
            if status == DROPPED:
                self.close_connection = True
                return
            content = told if isinstance(told, bytes) else json.dumps(told).encode()
            self.send_response(status)
            for name, value in {"Content-Length": str(len(content)), **headers}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_DELETE = answer  # noqa: N815

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    script.url = f"http://127.0.0.1:{server.server_port}"
    yield script
    server.shutdown()
    thread.join()
    server.server_close()


@dataclass(frozen=True)
class Answering:
    """A real application that answers over HTTP, whose jobs nobody runs but the test."""

    url: str
    store: Store

    def run(
        self, *, progress: tuple[dict[str, Any], ...] = (), result: dict[str, Any] | None = None
    ) -> str:
        """Claim the oldest queued job and report; where a result is given it ends done. Gives its
        id.
        """
        job = self.store.leases.claim("test", 60)
        assert job is not None
        for report in progress:
            self.store.jobs.report(job.id, job.attempt, report)
        if result is not None:
            self.store.jobs.finish(job.id, job.attempt, result, None)
        return job.id


@pytest.fixture
def answering(application: tuple[str, Service]) -> Answering:
    url, service = application
    return Answering(url, service.store)


@pytest.fixture
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The pauses between attempts, which are noted in place of being made."""
    from service.client import transport

    pauses: list[float] = []
    sleep: Callable[[float], None] = pauses.append
    monkeypatch.setattr(transport.time, "sleep", sleep)
    return pauses
