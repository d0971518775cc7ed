"""Handles: jobs at a service, to be followed, waited for and cancelled."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from service.client.errors import ServiceProblem, Unreachable
from service.client.status import JobStatus, Progress, SearchStatus

if TYPE_CHECKING:
    from oneshot.result import SearchResult
    from service.client.client import Client

PATIENCE = 10.0
"""Seconds for which a service that one waits at may be away: as long as it takes to start again."""

_POLLS = (0.02, 0.05, 0.1, 0.2)


@dataclass(frozen=True)
class JobHandle:
    """A job at a service.

    Args:
        client: talks to the service.
        id: the job's.
    """

    client: Client
    id: str

    @property
    def path(self) -> str:
        """Of the job at the service."""
        return f"/jobs/{quote(self.id, safe='')}"

    def status(self) -> JobStatus:
        """Where it stands."""
        return JobStatus.of(self.client.request("GET", self.path))

    def cancel(self) -> JobStatus:
        """Cancel it; raises ServiceProblem where it is done or has failed."""
        return JobStatus.of(self.client.request("DELETE", self.path))

    def wait(
        self, timeout: float | None = None, on_progress: Callable[[dict[str, Any]], None] | None = None
    ) -> dict[str, Any]:
        """Follow it to its end; its result.

        Args:
            timeout: seconds to wait; None for as long as it takes.
            on_progress: told whenever there is more progress.

        Raises:
            ServiceProblem: it failed or was cancelled; its reason.
            TimeoutError: it is not over yet.
        """
        last = _followed(self, timeout, lambda status: on_progress and status.details and on_progress(status.details))
        return last.result or {}

    def artifact(self) -> bytes:
        """The file that it left, such as a predictor; raises ServiceProblem where there is none."""
        return self.client.transport.request("GET", f"{self.path}/artifact")


@dataclass(frozen=True)
class SearchHandle:
    """A search at a service.

    Args:
        client: talks to the service.
        id: the search's.
    """

    client: Client
    id: str

    @property
    def path(self) -> str:
        """Of the search at the service."""
        return f"/search/{quote(self.id, safe='')}"

    def status(self) -> SearchStatus:
        """Where it stands."""
        return SearchStatus.of(self.client.request("GET", self.path))

    def wait(self, timeout: float | None = None, on_progress: Callable[[Progress], None] | None = None) -> SearchResult:
        """Follow it to its end, also past a restart of the service.

        Args:
            timeout: seconds to wait; None for as long as it takes.
            on_progress: told whenever there is more progress.

        Raises:
            ServiceProblem: it failed or was cancelled; its reason.
            TimeoutError: it is not over yet.
        """

        def tell(status: SearchStatus) -> None:
            if on_progress is not None and status.progress is not None:
                on_progress(status.progress)

        _followed(self, timeout, tell)
        return self.result()

    def result(self) -> SearchResult:
        """What it found, every candidate among it; raises ServiceProblem where it is not done."""
        from oneshot.result import SearchResult

        found = self.client.request("GET", f"{self.path}?candidates=1")
        if found["result"] is None:
            raise ServiceProblem(f"the search {self.id} is {found['state']} and has no result")
        return SearchResult.from_dict(found["result"])

    def architecture(self, rank: int = 0, form: str = "pathfit") -> bytes:
        """A candidate in a format: `pathfit`, `onnx`, `svg` or one of `spaces.formats`.

        Args:
            rank: among all candidates, 0 being the best.
            form: the format's name.

        Raises:
            ServiceProblem: there is no such candidate, or the format cannot hold it.
        """
        query = f"of=candidates&format={quote(form, safe='')}"
        return self.client.transport.request("GET", f"{self.path}/architectures/{rank}?{query}")

    def cancel(self) -> SearchStatus:
        """Cancel it; raises ServiceProblem where it is done or has failed."""
        return SearchStatus.of(self.client.request("DELETE", self.path))


def _followed(handle: Any, timeout: float | None, tell: Callable[[Any], object]) -> Any:
    """The last status of a job that ended well; `tell` hears each with other progress than the one before."""
    deadline = None if timeout is None else time.monotonic() + timeout
    seen, polls = None, iter(_POLLS)
    while True:
        status = _patiently(handle)
        if status.details != seen:
            tell(status)
        seen = status.details
        if status.over:
            break
        if deadline is not None and time.monotonic() >= deadline:
            raise TimeoutError(f"the {_noun(handle)} {handle.id} is {status.state} after {timeout:g} s")
        time.sleep(next(polls, _POLLS[-1]))
    if status.state == "done":
        return status
    reason = f": {status.reason}" if status.reason else ""
    raise ServiceProblem(f"the {_noun(handle)} {handle.id} was {status.state}{reason}", None, status.error)


def _noun(handle: Any) -> str:
    return "search" if isinstance(handle, SearchHandle) else "job"


def _patiently(handle: Any) -> Any:
    """Where a job stands, also if the service starts again meanwhile; raises Unreachable if that takes long."""
    patient_until = time.monotonic() + PATIENCE
    while True:
        try:
            return handle.status()
        except Unreachable:
            if time.monotonic() >= patient_until:
                raise
        time.sleep(_POLLS[-1])
