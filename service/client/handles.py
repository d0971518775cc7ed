"""Handles: jobs at a service, to be followed, waited for and cancelled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar
from urllib.parse import quote, urlencode

from service.client.errors import ServiceProblem
from service.client.following import Following, patiently
from service.client.status import JobStatus, Progress, SearchStatus

if TYPE_CHECKING:
    from oneshot.search.result import Candidate, SearchResult
    from service.client.client import Client

EXPORT = 300.0
"""Seconds that an export to ONNX may take: as long as a service tries."""


@dataclass(frozen=True)
class JobHandle:
    """A job at a service.

    Args:
        client: talks to the service.
        id: the job's.
    """

    client: Client
    id: str
    noun: ClassVar[str] = "job"

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
        self,
        timeout: float | None = None,
        on_progress: Callable[[dict[str, Any]], None] | None = None,
    ) -> dict[str, Any]:
        """Follow it to its end; its result.

        Args:
            timeout: seconds to wait; None for as long as it takes.
            on_progress: told whenever there is more progress.

        Raises:
            ServiceProblem: it failed or was cancelled; its reason.
            TimeoutError: it is not over yet.
        """
        _followed(self, timeout, on_progress or (lambda details: None))
        return patiently(self).result or {}

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
    noun: ClassVar[str] = "search"

    @property
    def path(self) -> str:
        """Of the search at the service."""
        return f"/search/{quote(self.id, safe='')}"

    def status(self) -> SearchStatus:
        """Where it stands."""
        return SearchStatus.of(self.client.request("GET", self.path))

    def wait(
        self, timeout: float | None = None, on_progress: Callable[[Progress], None] | None = None
    ) -> SearchResult:
        """Follow it to its end, also past a restart of the service.

        Args:
            timeout: seconds to wait; None for as long as it takes.
            on_progress: told whenever there is more progress.

        Raises:
            ServiceProblem: it failed or was cancelled; its reason.
            TimeoutError: it is not over yet.
        """

        _followed(self, timeout, lambda details: on_progress and on_progress(Progress.of(details)))
        return self.result()

    def result(self) -> SearchResult:
        """What it found, every candidate among it; raises ServiceProblem where it is not done."""
        from oneshot.search.result import SearchResult

        found = self.client.request("GET", f"{self.path}?candidates=1")
        if found["result"] is None:
            raise ServiceProblem(f"the search {self.id} is {found['state']} and has no result")
        return SearchResult.from_dict(found["result"])

    def front(self) -> list[Candidate]:
        """The networks that no other beats in score and all objectives at once, best first.

        Raises:
            ServiceProblem: it is not done.
        """
        status = self.status()
        if status.result is None:
            raise ServiceProblem(f"the search {self.id} is {status.state} and has no result")
        return status.front

    def architecture(
        self, rank: int = 0, form: str = "pathfit", weights: str = "untrained"
    ) -> bytes:
        """A candidate in a format: `pathfit`, `onnx`, `svg` or one of `spaces.formats`.

        Args:
            rank: among all candidates, 0 being the best.
            form: the format's name.
            weights: of ONNX: `untrained`, or `supernet` where one guided the search.

        Raises:
            ServiceProblem: there is no such candidate, or the format cannot hold it.
        """
        query = urlencode({"of": "candidates", "format": form, "weights": weights})
        # Given up and asked again, an export would be made twice.
        patience = EXPORT if form == "onnx" else None
        return self.client.transport.request(
            "GET", f"{self.path}/architectures/{rank}?{query}", timeout=patience
        )

    def cancel(self) -> SearchStatus:
        """Cancel it; raises ServiceProblem where it is done or has failed."""
        return SearchStatus.of(self.client.request("DELETE", self.path))


def _followed(
    handle: JobHandle | SearchHandle,
    timeout: float | None,
    tell: Callable[[dict[str, Any]], object],
) -> None:
    """Return once a job is done; `tell` hears each progress that differs from the one before."""
    state, error = Following(handle, timeout, tell).end()
    if state != "done":
        reason = f": {error['detail']}" if error and "detail" in error else ""
        raise ServiceProblem(f"the {handle.noun} {handle.id} was {state}{reason}", None, error)
