"""Requests over HTTP, repeated if that is safe."""

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
from service.jobs import JsonObject

# Statuses of a service that is available again soon.
_TEMPORARY = (502, 503, 504)

# Seconds before each retry; the last one repeats.
_PAUSES = (0.1, 0.3, 0.9)
_MAX_PAUSE = 10.0


class Transport:
    """Sends requests to one service.

    Args:
        url: URL of the service, such as `http://127.0.0.1:8000`.
        token: Token that is sent as Bearer; None for a service that needs none.
        timeout: Seconds that an answer may take.

    Raises:
        ServiceProblem: The URL is malformed, or the token has characters that no header may have.
    """

    def __init__(self, url: str, token: str | None, timeout: float):
        self.url = url.rstrip("/")
        self.timeout = timeout
        parts = urlsplit(self.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ServiceProblem(
                f"not the URL of a service: {url!r}; expected one such as http://127.0.0.1:8000"
            )

        if token is not None and not (token.isascii() and token.isprintable() and token.strip()):
            raise ServiceProblem("the token is empty, or has characters that no token has")

        self._headers = {} if token is None else {"Authorization": f"Bearer {token.strip()}"}
        self._handlers: list[urllib.request.BaseHandler] = [_NoRedirects()]
        # A proxy from the environment would look for a loopback address on its own machine.
        if parts.hostname in ("127.0.0.1", "localhost", "::1"):
            self._handlers.append(urllib.request.ProxyHandler({}))

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
        """Send a request, and return the content of the answer.

        The request is repeated if the service is unreachable or busy, after pauses of up to a
        second or as long as the service requests. A POST has an Idempotency-Key for that: a service
        that has accepted it does not accept it twice.

        Args:
            method: HTTP method.
            path: Path with its query.
            body: Bytes that are sent as they are, or an object that is sent as JSON; None for none.
            headers: Further headers.
            retries: Number of times that the request is repeated at most.
            timeout: Seconds that an answer may take if that is longer than for other requests; None
                for the same as for others.

        Raises:
            ServiceProblem: The service answers with a problem.
            Unreachable: The service does not answer.
        """
        answer_timeout = self.timeout if timeout is None else max(timeout, self.timeout)
        all_headers = {**self._headers, **(headers or {})}
        if method == "POST" and retries:
            # One key for all repetitions.
            all_headers.setdefault("Idempotency-Key", uuid.uuid4().hex)

        for attempt in range(retries + 1):
            try:
                return self._send(method, path, body, all_headers, answer_timeout)
            except ServiceProblem as error:
                temporary = isinstance(error, Unreachable) or error.status in _TEMPORARY
                if attempt == retries or not temporary:
                    raise
                time.sleep(_pause(error, attempt))

        raise AssertionError("the last attempt returns or raises")

    @contextmanager
    def lines(
        self, path: str, headers: Mapping[str, str], line_timeout: Callable[[], float]
    ) -> Iterator[Iterator[bytes]]:
        """Open an answer that arrives line by line, such as a stream of events.

        Args:
            path: Path with its query.
            headers: Further headers.
            line_timeout: Returns, before each line, the seconds that it may take.

        Yields:
            An iterator over the lines, without any if the answer is empty.

        Raises:
            ServiceProblem: The service answers with a problem.
            Unreachable: The service does not answer, or the next line does not arrive in time.
        """
        timeouts = _ReadTimeouts()
        # A connection of its own, whose socket the timeouts belong to.
        opener = urllib.request.build_opener(*self._handlers, timeouts)
        request = urllib.request.Request(self.url + path, headers={**self._headers, **headers})
        timeout = min(self.timeout, line_timeout())
        with self._converted_errors(), opener.open(request, timeout=timeout) as answer:

            def read() -> Iterator[bytes]:
                while True:
                    timeouts.set(line_timeout())
                    line = answer.readline()
                    if not line:
                        return
                    yield line

            yield read()

    def json(self, *arguments: Any, **options: Any) -> Any:
        """Send a request, and return the JSON of the answer; None if the answer is empty.

        For the arguments and errors see `request`.
        """
        content = self.request(*arguments, **options)
        try:
            return json.loads(content) if content else None
        except ValueError as error:
            raise ServiceProblem(f"the server at {self.url} is no Pathfit service") from error

    def _send(
        self, method: str, path: str, body: Any, headers: Mapping[str, str], timeout: float
    ) -> bytes:
        request = urllib.request.Request(self.url + path, method=method, headers=dict(headers))
        if body is not None:
            request.data = body if isinstance(body, bytes) else json.dumps(body).encode()
            request.add_header("Content-Type", "application/json")

        with self._converted_errors(), self._opener.open(request, timeout=timeout) as answer:
            content: bytes = answer.read()
            return content

    @contextmanager
    def _converted_errors(self) -> Iterator[None]:
        """Convert errors of the connection and statuses of errors to exceptions of the client."""
        try:
            yield
        except urllib.error.HTTPError as error:
            # An HTTPError is an open answer, too.
            with error:
                raise _problem_from_answer(error) from error
        except (OSError, http.client.HTTPException) as error:
            # urllib wraps the error of the connection in its own.
            reason = error.reason if isinstance(error, urllib.error.URLError) else error
            raise Unreachable(f"no service answers at {self.url}: {reason}") from error


class _NoRedirects(urllib.request.HTTPRedirectHandler):
    """Follows no redirection: the token must not travel to the address that an answer names."""

    def redirect_request(self, *_: Any, **__: Any) -> None:
        return None


class _ReadTimeouts(urllib.request.HTTPHandler, urllib.request.HTTPSHandler):
    """Remembers the socket of its connection, so that each read can have a timeout of its own."""

    def __init__(self) -> None:
        super().__init__()
        self._sockets: list[socket.socket] = []

    def set(self, seconds: float) -> None:
        """Set the time that the next read may take."""
        for connected in self._sockets:
            connected.settimeout(seconds)

    def http_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(self._recording(http.client.HTTPConnection), req)

    def https_open(self, req: urllib.request.Request) -> http.client.HTTPResponse:
        return self.do_open(self._recording(http.client.HTTPSConnection), req)

    def _recording(self, connection_type: type[http.client.HTTPConnection]) -> Any:
        sockets = self._sockets

        class RecordingConnection(connection_type):  # type: ignore[misc, valid-type]
            def connect(self) -> None:
                super().connect()
                sockets.append(self.sock)

        return RecordingConnection


def _pause(error: ServiceProblem, attempt: int) -> float:
    """Return the seconds before the next attempt."""
    pause = _PAUSES[min(attempt, len(_PAUSES) - 1)]
    retry_after = error.body.get("retry_after_s")
    if not isinstance(retry_after, int):
        return pause
    return min(max(retry_after, pause), _MAX_PAUSE)


def _problem_from_answer(error: urllib.error.HTTPError) -> ServiceProblem:
    problem: JsonObject = {}
    try:
        body = json.loads(error.read())
        detail = str(body["detail"])
        problem = dict(body)
    except (OSError, http.client.HTTPException, ValueError, TypeError, KeyError):
        # A proxy can answer in the place of the service, by a page of its own.
        detail = f"the service answered with status {error.code}"

    retry_after = error.headers.get("Retry-After", "")
    if retry_after.isascii() and retry_after.isdigit():
        problem["retry_after_s"] = int(retry_after[:6])

    return ServiceProblem(detail, error.code, problem)
