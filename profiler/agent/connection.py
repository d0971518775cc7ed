"""Requests of an agent to its service over HTTP, with the standard library alone."""

from __future__ import annotations

import http.client
import json
import threading
import urllib.error
import urllib.parse
import urllib.request
from typing import Any

from profiler.errors import AgentRefused, ServiceAway

_TIMEOUT_S = 15.0

# Seconds that the file of a block may take.
_FILE_S = 300.0

# Statuses of a service that answers again soon.
_TEMPORARY = (429, 502, 503, 504)

# Seconds before each repetition; the last one repeats.
_PAUSES_S = (0.5, 1.0, 2.0, 5.0)


class Connection:
    """Sends requests to one service, again where it is away.

    Args:
        url: Address of the service, http or https.
        token: Bearer token of the agent; None for a service that needs none.
        stopping: Set when the agent is to end, so that nothing is repeated any more.

    Raises:
        AgentRefused: The address is malformed.
    """

    def __init__(self, url: str, token: str | None, stopping: threading.Event):
        parsed = urllib.parse.urlsplit(url)
        if parsed.scheme not in ("http", "https") or not parsed.netloc:
            raise AgentRefused(
                f"--service {url!r} is no address; one reads like http://localhost:8000"
            )
        self.url = url.rstrip("/")
        self._token = token
        self._stopping = stopping

    def send(
        self, method: str, path: str, body: Any = None, wait_s: int = 0, timeout_s: float = 0.0
    ) -> Any:
        """Send a request once, and return the JSON of its answer; None where it is empty.

        Args:
            method: HTTP method.
            path: Path of the request.
            body: JSON object; None sends none.
            wait_s: Seconds that the answer may wait for something to happen.
            timeout_s: Seconds that the answer may take beyond these. 0: the default.

        Raises:
            ServiceAway: The service does not answer now.
            AgentRefused: It refuses the request; the message is its own.
        """
        headers = {"Content-Type": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        if wait_s:
            headers["Prefer"] = f"wait={wait_s}"
        content = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(f"{self.url}{path}", content, headers, method=method)
        text = self._open(request, wait_s + (timeout_s or _TIMEOUT_S))
        return json.loads(text) if text else None

    def _open(self, request: urllib.request.Request, timeout_s: float) -> bytes:
        try:
            with urllib.request.urlopen(request, timeout=timeout_s) as answer:
                return bytes(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                detail = _detail(error.read(4000))
            if error.code in _TEMPORARY:
                raise ServiceAway(f"{self.url} answers {error.code}: {detail}") from error
            raise AgentRefused(f"{self.url} refuses the request: {detail}") from error
        # URLError is an OSError; an answer may also be cut in the middle.
        except (OSError, http.client.HTTPException, ValueError) as error:
            reason = getattr(error, "reason", error)
            raise ServiceAway(f"cannot reach {self.url}: {reason}") from error

    def fetch(self, path: str) -> bytes:
        """Return the content of a file; raises as `send`."""
        headers = {"Authorization": f"Bearer {self._token}"} if self._token else {}
        return self._open(urllib.request.Request(f"{self.url}{path}", headers=headers), _FILE_S)

    def insist(self, method: str, path: str, body: Any = None) -> Any:
        """Send a request until the service answers; raises as `send` once the agent is to end."""
        attempt = 0
        while True:
            try:
                return self.send(method, path, body)
            except ServiceAway:
                if self.pause(attempt):
                    raise
                attempt += 1

    def pause(self, attempt: int) -> bool:
        """Wait before a request is repeated, and return whether the agent is to end.

        Args:
            attempt: Number of repetitions so far.
        """
        return self._stopping.wait(_PAUSES_S[min(attempt, len(_PAUSES_S) - 1)])


def _detail(body: bytes) -> str:
    """Return the detail of a problem in JSON, or else the body's text."""
    text = body.decode("utf-8", "replace").strip()
    try:
        value = json.loads(text)
    except ValueError:
        value = None
    if isinstance(value, dict) and "detail" in value:
        text = str(value["detail"])
    return " ".join(text.split())[:300] or "no reason given"
