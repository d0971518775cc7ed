"""Following a job to its end by its event stream, and by polling if no stream is available."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from service.client.errors import ServiceProblem, Unreachable
from service.client.events import read_events
from service.client.status import FINAL
from service.jobs import JsonObject

if TYPE_CHECKING:
    from service.client.handles import JobHandle, SearchHandle
    from service.client.status import JobStatus

PATIENCE = 10.0
"""Seconds for which a service may be unreachable: as long as a restart takes."""

SILENCE = 20.0
"""Seconds of silence after which a stream counts as broken; a service sends a line every 15."""

# Pauses between the first polls in seconds; the last one repeats.
_POLL_PAUSES = (0.02, 0.05, 0.1, 0.2, 0.3, 0.5)

# Seconds between two tries to reach a service that restarts.
_RESTART_PAUSE = 0.2

# Statuses of a service that restarts or has no free stream.
_BUSY = (502, 503, 504)

_MAX_SECONDS_WITHOUT_STREAM = 5.0

Ending = tuple[str, JsonObject | None]
"""Final state of a job, and the error if it failed."""


class Following:
    """One wait for the end of a job, which outlasts a restart of the service.

    Args:
        handle: Handle of the job.
        timeout: Seconds to wait; None waits as long as the job takes.
        on_progress: Called with each JSON object of progress that differs from the one before.
    """

    def __init__(
        self,
        handle: JobHandle | SearchHandle,
        timeout: float | None,
        on_progress: Callable[[JsonObject], object],
    ):
        self._handle = handle
        self._timeout = timeout
        self._on_progress = on_progress
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._last_event = 0
        self._state = "queued"
        self._last_progress: JsonObject | None = None

    def wait(self) -> Ending:
        """Wait for the end of the job.

        Raises:
            TimeoutError: The job has not ended in time.
            Unreachable: The service is unreachable for longer than a restart takes.
            ServiceProblem: There is no such job.
        """
        while True:
            next_stream = time.monotonic()
            try:
                ending = self._follow_stream()
                if ending is not None:
                    return ending
            except Unreachable:
                pass
            except ServiceProblem as error:
                if error.status not in _BUSY:
                    raise
                pause = error.body.get("retry_after_s", 1.0)
                next_stream += min(pause, _MAX_SECONDS_WITHOUT_STREAM)

            # A stream that ended early is reopened after one poll, which also notices a job
            # that is gone.
            ending = self._poll(next_stream)
            if ending is not None:
                return ending

    def _follow_stream(self) -> Ending | None:
        """Follow the events after the last one; return None if the stream ends before the job."""
        # A reopened stream begins after the events that were received.
        headers = {"Last-Event-ID": str(self._last_event)} if self._last_event else {}
        transport = self._handle.client.transport
        path = f"{self._handle.path}/events"
        with transport.lines(path, headers, self._line_timeout) as lines:
            for event in read_events(lines):
                self._last_event = event.sequence
                if event.kind == "progress":
                    self._report(event.data)
                elif event.kind == "state":
                    self._state = event.data["state"]
                    if self._state in FINAL:
                        return self._state, event.data.get("error")

        return None

    def _line_timeout(self) -> float:
        """Return the seconds that the next line of the stream may take."""
        remaining = self._remaining()
        # A timeout of 0 would make the socket non-blocking.
        return SILENCE if remaining is None else max(min(remaining, SILENCE), 0.01)

    def _poll(self, until: float) -> Ending | None:
        """Poll at least once and until a time; return None if the job has not ended by then."""
        pauses = iter(_POLL_PAUSES)
        while True:
            status = patiently(self._handle)
            self._state = status.state
            self._report(status.details)
            if status.over:
                return status.state, status.error

            remaining = self._remaining()
            if remaining is not None and remaining <= 0:
                noun = self._handle.noun
                raise TimeoutError(
                    f"the {noun} {self._handle.id} is {self._state} after {self._timeout:g} s"
                )
            pause = next(pauses, _POLL_PAUSES[-1])
            time.sleep(pause if remaining is None else min(pause, remaining))
            if time.monotonic() >= until:
                return None

    def _remaining(self) -> float | None:
        return None if self._deadline is None else self._deadline - time.monotonic()

    def _report(self, progress: JsonObject | None) -> None:
        # A stream that is opened again and polls can repeat the latest progress.
        if progress and progress != self._last_progress:
            self._on_progress(progress)
            self._last_progress = progress


def patiently(handle: JobHandle | SearchHandle) -> JobStatus:
    """Get the status of a job, even if the service restarts meanwhile.

    Raises:
        Unreachable: The service is unreachable for longer than a restart takes.
    """
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return handle.status()
        except Unreachable:
            if time.monotonic() >= deadline:
                raise
        time.sleep(_RESTART_PAUSE)
