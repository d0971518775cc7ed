"""Requests over HTTP, made again where that is safe."""

from __future__ import annotations

import http.client
import json
import socket
import time
import urllib.error
import urllib.request
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import urlsplit

from service.client.errors import ServiceProblem, Unreachable

_PASSING = (502, 503, 504)
"""Statuses of a service that is there again soon."""

_PAUSES = (0.1, 0.3, 0.9)
_LONGEST_PAUSE = 10.0


class Transport:
    """Sends requests to one service.

    Args:
        url: such as `http://127.0.0.1:8000`.
        token: sent as Bearer; None for services that need none.
        timeout: seconds for one answer.

    Raises:
        ServiceProblem: the URL is none, or the token holds what no header may.
    """

    def __init__(self, url: str, token: str | None, timeout: float):
        self.url, self.timeout = url.rstrip("/"), timeout
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ServiceProblem(
                f"not the URL of a service: {url!r}; one reads like http://127.0.0.1:8000"
            )
        if token is not None and not (token.isascii() and token.isprintable() and token.strip()):
            raise ServiceProblem("the token holds characters that no token has, or none at all")
        self._headers = {} if token is None else {"Authorization": f"Bearer {token.strip()}"}
        # A proxy from the environment would look for a loopback address on its own machine.
        local = parts.hostname in ("127.0.0.1", "localhost", "::1")
        self._handlers = [_Straight(), *([urllib.request.ProxyHandler({})] if local else [])]
        self._opener = urllib.request.build_opener(*self._handlers)

    def request(
        self,
        method: str,
        path: str,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        retries: int = 3,
        timeout: float | None = None,
    ) -> bytes:
        """The content of the answer to one request.

        A request is made again where the service is away or busy, in steps of up to a second or as
        long as it asks for. A POST carries an Idempotency-Key for that: one that was accepted is
        not accepted twice.

        Args:
            method: of HTTP.
            path: with its query.
            body: sent as JSON, bytes as they are; None: none.
            headers: further ones.
            retries: how often to try again.
            timeout: seconds for an answer that takes longer than others; None: as for every
                request.

        Raises:
            ServiceProblem: the service answers with a problem.
            Unreachable: it does not answer.
        """
        patience = self.timeout if timeout is None else max(timeout, self.timeout)
        given = {**self._headers, **(headers or {})}
        if method == "POST" and retries:
            given.setdefault("Idempotency-Key", uuid.uuid4().hex)
        for attempt in range(retries + 1):
            try:
                return self._once(method, path, body, given, patience)
            except ServiceProblem as error:
                passing = isinstance(error, Unreachable) or error.status in _PASSING
                if attempt == retries or not passing:
                    raise
                time.sleep(_pause(error, attempt))
        raise AssertionError("the last attempt returns or raises")

    @contextmanager
    def lines(
        self, path: str, headers: Mapping[str, str], patience: Callable[[], float]
    ) -> Iterator[Iterator[bytes]]:
        """The lines of an answer that comes bit by bit, such as a stream of events; none where it
        is empty.

        Args:
            path: with its query.
            headers: further ones.
            patience: tells before each line how many seconds it may take.

        Raises:
            ServiceProblem: the service answers with a problem.
            Unreachable: it does not answer, or the next line does not come in time.
        """
        noting = _Noting()
        opener = urllib.request.build_opener(*self._handlers, noting)
        sent = urllib.request.Request(self.url + path, headers={**self._headers, **headers})
        with self._told(), opener.open(sent, timeout=min(self.timeout, patience())) as answer:

            def read() -> Iterator[bytes]:
                while True:
                    noting.allow(patience())
                    line = answer.readline()
                    if not line:
                        return
                    yield line

            yield read()

    def _once(
        self, method: str, path: str, body: Any, headers: Mapping[str, str], timeout: float
    ) -> bytes:
        sent = urllib.request.Request(self.url + path, method=method, headers=dict(headers))
        if body is not None:
            sent.data = body if isinstance(body, bytes) else json.dumps(body).encode()
            sent.add_header("Content-Type", "application/json")
        with self._told(), self._opener.open(sent, timeout=timeout) as answer:
            content: bytes = answer.read()
            return content

    @contextmanager
    def _told(self) -> Iterator[None]:
        """Turn what goes wrong between here and the service into errors of ours."""
        try:
            yield
        except urllib.error.HTTPError as error:
            with error:
                raise _problem(error) from error
        except (OSError, http.client.HTTPException) as error:
            reason = error.reason if isinstance(error, urllib.error.URLError) else error
            raise Unreachable(f"no service answers at {self.url}: {reason}") from error

    def json(self, *arguments: Any, **options: Any) -> Any:
        """The JSON of the answer to a request, None where it is empty; as `request`."""
        content = self.request(*arguments, **options)
        try:
            return json.loads(content) if content else None
        except ValueError as error:
            raise ServiceProblem(f"what answers at {self.url} is no Pathfit service") from error


class _Straight(urllib.request.HTTPRedirectHandler):
    """Follows no redirection: a token must not travel on to where another answer points."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


class _Noting(urllib.request.HTTPHandler, urllib.request.HTTPSHandler):
    """Keeps hold of its connection's socket, so that each read may be given its own time."""

    def __init__(self) -> None:
        super().__init__()
        self._sockets: list[socket.socket] = []

    def allow(self, seconds: float) -> None:
        """Set how long the next read may take."""
        for held in self._sockets:
            held.settimeout(seconds)

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(self._noted(http.client.HTTPConnection), req)

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(self._noted(http.client.HTTPSConnection), req)

    def _noted(self, kind: type[http.client.HTTPConnection]) -> Any:
        sockets = self._sockets

        class Noted(kind):  # type: ignore[misc, valid-type]
            def connect(self) -> None:
                super().connect()
                sockets.append(self.sock)

        return Noted


def _pause(error: ServiceProblem, attempt: int) -> float:
    """Seconds before the next attempt."""
    asked = error.body.get("retry_after_s")
    pause = _PAUSES[min(attempt, len(_PAUSES) - 1)]
    return min(max(asked, pause), _LONGEST_PAUSE) if isinstance(asked, int) else pause


def _problem(error: urllib.error.HTTPError) -> ServiceProblem:
    told: dict[str, Any] = {}
    try:
        body = json.loads(error.read())
        detail = str(body["detail"])
        told = dict(body)
    except (OSError, http.client.HTTPException, ValueError, TypeError, KeyError):
        detail = f"the service answered with status {error.code}"
    later = error.headers.get("Retry-After", "")
    if later.isascii() and later.isdigit():
        told["retry_after_s"] = int(later[:6])
    return ServiceProblem(detail, error.code, told)
