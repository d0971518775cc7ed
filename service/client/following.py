"""Following a job to its end: by its event stream, and by asking again where streams do not come
through.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from service.client.errors import ServiceProblem, Unreachable
from service.client.events import read_events
from service.client.status import FINAL

if TYPE_CHECKING:
    from service.client.handles import JobHandle, SearchHandle
    from service.client.status import JobStatus

PATIENCE = 10.0
"""Seconds for which a service that one waits at may be away: as long as it takes to start again."""

SILENCE = 20.0
"""Seconds without a word after which a stream counts as broken; a service says every 15 that it
lives.
"""

_POLLS = (0.02, 0.05, 0.1, 0.2)
_BUSY = (502, 503, 504)
_LONGEST_WITHOUT_STREAM = 5.0

Ended = tuple[str, dict[str, Any] | None]
"""The state that a job ended in, and why it failed."""


class Following:
    """One wait for a job's end, also past a restart of the service.

    Args:
        handle: of the job.
        timeout: seconds to wait; None for as long as it takes.
        tell: hears each progress that differs from the one before.
    """

    def __init__(
        self,
        handle: JobHandle | SearchHandle,
        timeout: float | None,
        tell: Callable[[dict[str, Any]], object],
    ):
        self._handle, self._timeout, self._tell = handle, timeout, tell
        self._deadline = None if timeout is None else time.monotonic() + timeout
        self._after, self._state = 0, "queued"
        self._seen: dict[str, Any] | None = None

    def end(self) -> Ended:
        """How the job ended.

        Raises:
            TimeoutError: it is not over yet.
            Unreachable: the service is away for longer than it takes to start again.
            ServiceProblem: there is no such job.
        """
        while True:
            stream_again = time.monotonic()
            try:
                ended = self._by_stream()
                if ended is not None:
                    return ended
            except Unreachable:
                pass
            except ServiceProblem as error:
                if error.status not in _BUSY:
                    raise
                stream_again += min(error.body.get("retry_after_s", 1.0), _LONGEST_WITHOUT_STREAM)
            ended = self._by_asking(stream_again)
            if ended is not None:
                return ended

    def _by_stream(self) -> Ended | None:
        """Follow the events behind the last that was seen; None where the stream ends before the
        job does.
        """
        headers = {"Last-Event-ID": str(self._after)} if self._after else {}
        with self._handle.client.transport.lines(
            f"{self._handle.path}/events", headers, self._patience
        ) as lines:
            for event in read_events(lines):
                self._after = event.sequence
                if event.kind == "progress":
                    self._told(event.data)
                elif event.kind == "state":
                    self._state = event.data["state"]
                    if self._state in FINAL:
                        return self._state, event.data.get("error")
        return None

    def _patience(self) -> float:
        """Seconds to wait for the next line."""
        left = self._left()
        return SILENCE if left is None else max(min(left, SILENCE), 0.01)

    def _by_asking(self, until: float) -> Ended | None:
        """Ask at least once, and until a time; None where the job is not over."""
        polls = iter(_POLLS)
        while True:
            status = patiently(self._handle)
            self._state = status.state
            self._told(status.details)
            if status.over:
                return status.state, status.error
            left = self._left()
            if left is not None and left <= 0:
                noun = self._handle.noun
                raise TimeoutError(
                    f"the {noun} {self._handle.id} is {self._state} after {self._timeout:g} s"
                )
            pause = next(polls, _POLLS[-1])
            time.sleep(pause if left is None else min(pause, left))
            if time.monotonic() >= until:
                return None

    def _left(self) -> float | None:
        return None if self._deadline is None else self._deadline - time.monotonic()

    def _told(self, details: dict[str, Any] | None) -> None:
        if details and details != self._seen:
            self._tell(details)
        self._seen = details or self._seen


def patiently(handle: JobHandle | SearchHandle) -> JobStatus:
    """Where a job stands, also if the service starts again meanwhile; raises Unreachable if that
    takes long.
    """
    patient_until = time.monotonic() + PATIENCE
    while True:
        try:
            return handle.status()
        except Unreachable:
            if time.monotonic() >= patient_until:
                raise
        time.sleep(_POLLS[-1])
