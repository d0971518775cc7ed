"""Client: asks a service for searches and follows them, with the standard library alone."""

from __future__ import annotations

import http.client
import json
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from service.status import Progress, SearchStatus
from spaces.errors import PathfitError

if TYPE_CHECKING:
    from oneshot.result import SearchResult

PATIENCE = 10.0
"""Seconds for which a service that one waits at may be away: as long as it takes to start again."""

_POLLS = (0.02, 0.05, 0.1, 0.2)


class ServiceProblem(PathfitError):
    """The service refused a request, or a search did not end well.

    Args:
        detail: what the service says.
        status: of the HTTP answer, None where there was none.
        body: the whole problem.
    """

    def __init__(self, detail: str, status: int | None = None, body: Mapping[str, Any] | None = None):
        self.status, self.body = status, dict(body or {})
        self.field: str | None = self.body.get("field")
        super().__init__(detail)


class Unreachable(ServiceProblem):
    """No service answers at a URL."""


class Client:
    """Talks to one service.

    Args:
        url: such as `http://127.0.0.1:8000`.
        timeout: seconds for one answer.
    """

    def __init__(self, url: str, timeout: float = 10.0):
        self.url, self.timeout = url.rstrip("/"), timeout
        if urlsplit(self.url).scheme not in ("http", "https"):
            raise ServiceProblem(f"not the URL of a service: {url!r}; one reads like http://127.0.0.1:8000")
        # A proxy from the environment would look for a loopback address on its own machine.
        local = urlsplit(self.url).hostname in ("127.0.0.1", "localhost", "::1")
        self._opener = urllib.request.build_opener(*([urllib.request.ProxyHandler({})] if local else []))

    def search(
        self,
        *,
        space: str,
        device: str | None = None,
        constraints: Mapping[str, float | Mapping[str, float]] | None = None,
        strategy: str | None = None,
        options: Mapping[str, Any] | None = None,
        guide: str | None = None,
        margin: float | None = None,
        count: int | None = None,
        seed: int | None = None,
    ) -> SearchHandle:
        """Ask for a search; what is None is left to the service's defaults.

        Args:
            space: its name.
            device: a table's name.
            constraints: metric -> maximum, such as `{"latency_ms": 12}` or `{"latency_ms": {"max": 12}}`.
            strategy: its name.
            options: the strategy's.
            guide: a predictor's name.
            margin: deviations kept between an estimate and its limit.
            count: how many of the best are given in full.
            seed: the same seed gives the same result.

        Raises:
            ServiceProblem: the service refuses it; its own words.
        """
        given = (constraints or {}).items()
        limits = {metric: limit if isinstance(limit, Mapping) else {"max": limit} for metric, limit in given}
        chosen = {"name": strategy, "options": options}
        body = {
            "space": space,
            "device": device,
            "constraints": limits or None,
            "strategy": {key: value for key, value in chosen.items() if value is not None} or None,
            "guide": None if guide is None else {"kind": "predictor", "name": guide},
            "margin": margin,
            "count": count,
            "seed": seed,
        }
        answer = self.request("POST", "/search", {key: value for key, value in body.items() if value is not None})
        return SearchHandle(self, answer["id"])

    def request(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Any:
        """One request; the JSON of its answer.

        Raises:
            ServiceProblem: the service answers with a problem.
            Unreachable: it does not answer.
        """
        sent = urllib.request.Request(self.url + path, method=method, headers=dict(headers or {}))
        if body is not None:
            sent.data = json.dumps(body).encode()
            sent.add_header("Content-Type", "application/json")
        try:
            with self._opener.open(sent, timeout=self.timeout) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                raise _problem(error.code, error.read()) from error
        except (OSError, http.client.HTTPException) as error:
            reason = error.reason if isinstance(error, urllib.error.URLError) else error
            raise Unreachable(f"no service answers at {self.url}: {reason}") from error
        except ValueError as error:
            raise ServiceProblem(f"what answers at {self.url} is no Pathfit service") from error

    def wait_until_ready(self, timeout: float = 30.0) -> None:
        """Return once the service is ready; raises Unreachable or ServiceProblem when `timeout` seconds are over."""
        deadline = time.monotonic() + timeout
        while True:
            try:
                self.request("GET", "/readyz")
                return
            except ServiceProblem as error:
                if time.monotonic() >= deadline or error.status not in (None, 503):
                    raise
            time.sleep(0.1)


@dataclass(frozen=True)
class SearchHandle:
    """A search at a service.

    Args:
        client: talks to the service.
        id: the search's.
    """

    client: Client
    id: str

    def status(self) -> SearchStatus:
        """Where it stands."""
        return SearchStatus.of(self.client.request("GET", f"/search/{self.id}"))

    def wait(self, timeout: float | None = None, on_progress: Callable[[Progress], None] | None = None) -> SearchResult:
        """Follow it to its end.

        Args:
            timeout: seconds to wait; None for as long as it takes.
            on_progress: told whenever there is more progress.

        Raises:
            ServiceProblem: it failed or was cancelled; its reason.
            TimeoutError: it is not over yet.
        """
        deadline = None if timeout is None else time.monotonic() + timeout
        seen, polls = None, iter(_POLLS)
        while True:
            status = self._patiently()
            if status.progress is not None and status.progress != seen and on_progress is not None:
                on_progress(status.progress)
            seen = status.progress
            if status.over:
                break
            if deadline is not None and time.monotonic() >= deadline:
                raise TimeoutError(f"the search {self.id} is {status.state} after {timeout:g} s")
            time.sleep(next(polls, _POLLS[-1]))
        if status.state == "done":
            return self.result()
        reason = f": {status.error['detail']}" if status.error is not None else ""
        raise ServiceProblem(f"the search {self.id} was {status.state}{reason}", None, status.error)

    def _patiently(self) -> SearchStatus:
        """Where it stands, also if the service starts again meanwhile; raises Unreachable if that takes long."""
        patient_until = time.monotonic() + PATIENCE
        while True:
            try:
                return self.status()
            except Unreachable:
                if time.monotonic() >= patient_until:
                    raise
            time.sleep(_POLLS[-1])

    def result(self) -> SearchResult:
        """What it found, every candidate among it; raises ServiceProblem where it is not done."""
        from oneshot.result import SearchResult

        found = self.client.request("GET", f"/search/{self.id}?candidates=1")
        if found["result"] is None:
            raise ServiceProblem(f"the search {self.id} is {found['state']} and has no result")
        return SearchResult.from_dict(found["result"])

    def cancel(self) -> SearchStatus:
        """Cancel it; raises ServiceProblem where it is over already."""
        return SearchStatus.of(self.client.request("DELETE", f"/search/{self.id}"))


def _problem(status: int, content: bytes) -> ServiceProblem:
    try:
        body = json.loads(content)
        return ServiceProblem(str(body["detail"]), status, body)
    except (ValueError, TypeError, KeyError):
        return ServiceProblem(f"the service answered with status {status}", status)
