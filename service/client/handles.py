"""Handles of jobs at a service, to follow, await and cancel them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import quote, urlencode

from service.client.errors import ServiceProblem
from service.client.following import Following, patiently
from service.client.status import JobProgress, JobStatus, SearchProgress, SearchStatus
from service.jobs import JsonObject, state_phrase

if TYPE_CHECKING:
    from oneshot.search.result import Candidate, SearchResult
    from service.client.client import Client

EXPORT_TIMEOUT = 300.0
"""Seconds that an export to ONNX may take: as long as a service tries."""


@dataclass(frozen=True)
class JobHandle:
    """A job at a service.

    Args:
        client: Client of the service.
        id: Id of the job.

    Example:
        >>> from service.client import Client, JobHandle
        >>> handle = JobHandle(Client("http://127.0.0.1:8000"), "5f0c9b7e61d24f6a")
        >>> handle.path
        '/jobs/5f0c9b7e61d24f6a'
        >>> handle.wait(timeout=600)["test"]["top1"]  # doctest: +SKIP
        97.4
    """

    client: Client
    id: str
    noun: ClassVar[str] = "job"

    @property
    def path(self) -> str:
        """Path of the job at the service."""
        return f"/jobs/{quote(self.id, safe='')}"

    def status(self) -> JobStatus:
        """Return the present state of the job."""
        return JobStatus.from_dict(self.client.request("GET", self.path))

    def cancel(self) -> JobStatus:
        """Cancel the job; raises ServiceProblem if it is done or has failed."""
        return JobStatus.from_dict(self.client.request("DELETE", self.path))

    def wait(
        self,
        timeout: float | None = None,
        on_progress: Callable[[JobProgress], None] | None = None,
    ) -> JsonObject:
        """Wait for the end of the job, and return the JSON object of its result.

        Args:
            timeout: Seconds to wait; None waits as long as the job takes.
            on_progress: Called with each new progress; None for nothing.

        Raises:
            ServiceProblem: The job failed or was cancelled; the message has the reason.
            TimeoutError: The job has not ended in time.
        """

        def report(progress: JsonObject) -> None:
            if on_progress is not None:
                on_progress(JobProgress.from_dict(progress))

        _wait_until_done(self, timeout, report)
        return patiently(self).result or {}

    def artifact(self) -> bytes:
        """Return the file of the job's result, such as a predictor.

        Raises:
            ServiceProblem: The job has no such file.
        """
        return self.client.transport.request("GET", f"{self.path}/artifact")

    def file(self, name: str) -> bytes:
        """Return the content of a file that the result lists, such as `test.png` of a detector.

        Args:
            name: Name of the file.

        Raises:
            ServiceProblem: The job has no such file.
        """
        path = f"{self.path}/files/{quote(name, safe='')}"
        return self.client.transport.request("GET", path)


@dataclass(frozen=True)
class SearchHandle:
    """A search at a service.

    Args:
        client: Client of the service.
        id: Id of the search.

    Example:
        >>> from service.client import Client, SearchHandle
        >>> handle = SearchHandle(Client("http://127.0.0.1:8000"), "5f0c9b7e61d24f6a")
        >>> handle.path
        '/search/5f0c9b7e61d24f6a'
        >>> result = handle.wait(timeout=60)  # doctest: +SKIP
        >>> len(handle.front())  # doctest: +SKIP
        12
    """

    client: Client
    id: str
    noun: ClassVar[str] = "search"

    @property
    def path(self) -> str:
        """Path of the search at the service."""
        return f"/search/{quote(self.id, safe='')}"

    def status(self) -> SearchStatus:
        """Return the present state of the search."""
        return SearchStatus.from_dict(self.client.request("GET", self.path))

    def wait(
        self,
        timeout: float | None = None,
        on_progress: Callable[[SearchProgress], None] | None = None,
    ) -> SearchResult:
        """Wait for the end of the search, even past a restart of the service.

        Args:
            timeout: Seconds to wait; None waits as long as the search takes.
            on_progress: Called with each new progress; None for nothing.

        Returns:
            The result with every candidate.

        Raises:
            ServiceProblem: The search failed or was cancelled; the message has the reason.
            TimeoutError: The search has not ended in time.
        """

        def report(progress: JsonObject) -> None:
            if on_progress is not None:
                on_progress(SearchProgress.from_dict(progress))

        _wait_until_done(self, timeout, report)
        return self.result()

    def result(self) -> SearchResult:
        """Return the result with every candidate; raises ServiceProblem if it is not done."""
        from oneshot.search.result import SearchResult

        job = self.client.request("GET", f"{self.path}?candidates=1")
        if job["result"] is None:
            phrase = state_phrase(job["state"])
            raise ServiceProblem(f"the search {self.id} {phrase} and has no result")
        return SearchResult.from_dict(job["result"])

    def measured(self) -> bytes:
        """Return the networks that were measured for `verify`, as `profiler refine` reads them.

        Raises:
            ServiceProblem: None were, or the search is not done.
        """
        path = f"/jobs/{quote(self.id, safe='')}/files/measured.json"
        return self.client.transport.request("GET", path)

    def front(self) -> list[Candidate]:
        """Return the networks that no other one beats in score and all objectives, best first.

        Raises:
            ServiceProblem: The search is not done.
        """
        status = self.status()
        if status.result is None:
            raise ServiceProblem(
                f"the search {self.id} {state_phrase(status.state)} and has no result"
            )
        return status.front

    def architecture(
        self, rank: int = 0, form: str = "pathfit", weights: str = "untrained"
    ) -> bytes:
        """Return a candidate in a format.

        Args:
            rank: Rank among all candidates; 0 is the best.
            form: Name of the format: `pathfit`, `onnx`, `svg` or one of `spaces.formats`.
            weights: Weights of an ONNX model: `untrained`, or `supernet` if one guided the search.

        Raises:
            ServiceProblem: There is no such candidate, or the format cannot express it.
        """
        query = urlencode({"of": "candidates", "format": form, "weights": weights})
        # A request that is abandoned and repeated would have the service export twice.
        timeout = EXPORT_TIMEOUT if form == "onnx" else None
        path = f"{self.path}/architectures/{rank}?{query}"
        return self.client.transport.request("GET", path, timeout=timeout)

    def reasons(self, rank: int = 0) -> JsonObject:
        """Return why a candidate was chosen: `limits`, `evidence` and a `sentence` of both.

        Args:
            rank: Rank among all candidates; 0 is the best.

        Raises:
            ServiceProblem: There is no such candidate, or the search is not done.
        """
        path = f"{self.path}/architectures/{rank}/reasons?of=candidates"
        answer: JsonObject = self.client.request("GET", path)
        return answer

    def cancel(self) -> SearchStatus:
        """Cancel the search; raises ServiceProblem if it is done or has failed."""
        return SearchStatus.from_dict(self.client.request("DELETE", self.path))


def _wait_until_done(
    handle: JobHandle | SearchHandle,
    timeout: float | None,
    on_progress: Callable[[JsonObject], object],
) -> None:
    """Wait for the end of a job; raises ServiceProblem if it failed or was cancelled."""
    state, error = Following(handle, timeout, on_progress).wait()
    if state != "done":
        reason = f": {error['detail']}" if error and "detail" in error else ""
        raise ServiceProblem(
            f"the {handle.noun} {handle.id} {state_phrase(state)}{reason}", None, error
        )
