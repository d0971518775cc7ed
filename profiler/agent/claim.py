"""A job that an agent has claimed: what is reported of it, and whether it is still the agent's."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any
from urllib.parse import quote

from profiler.agent.connection import Connection
from profiler.errors import AgentRefused, JobLost, ServiceAway

HEARTBEAT_S = 4.0
"""Seconds between two reports that renew a claim."""


class Claim:
    """The attempt at a job that an agent runs.

    Args:
        connection: Connection to the service.
        agent: Name of the agent.
        job: The job as the service answers it.
    """

    def __init__(self, connection: Connection, agent: str, job: Mapping[str, Any]):
        self.id = str(job["id"])
        self.attempt = int(job["attempt"])
        self.measuring: Mapping[str, Any] = job["measuring"]
        self.measured: Mapping[str, Any] | None = job.get("measured")
        self._connection = connection
        self._path = f"/agents/{quote(agent, safe='')}/jobs/{quote(self.id, safe='')}"
        self._progress: Mapping[str, Any] | None = None
        self._lost = threading.Event()

    def note_progress(self, fraction: float, state: str) -> None:
        """Note the progress, which the next heartbeat reports; raises JobLost if the job is lost.

        Args:
            fraction: Fraction of the work that is done.
            state: Description of the present step.
        """
        self._progress = {"fraction": round(min(fraction, 1.0), 4), "state": state}
        self.check()

    def check(self) -> None:
        """Raise JobLost if the job was cancelled, or begun again by another attempt."""
        if self._lost.is_set():
            raise JobLost(f"the job {self.id} was cancelled or is done by another attempt")

    def report(self, state: str, **fields: Any) -> None:
        """Report until the service has answered.

        Args:
            state: running, done, failed or returned.
            fields: What is reported with it, such as `measured`.

        Raises:
            JobLost: The job is no longer the agent's.
        """
        body = {"attempt": self.attempt, "state": state, **fields}
        self._take(self._connection.insist("POST", self._path, body))
        self.check()

    def block(self, digest: str) -> bytes:
        """Return the file of an exported block; raises as `Connection.send`.

        Args:
            digest: SHA-256 of the file.
        """
        self.check()
        attempt = 0
        while True:
            try:
                return self._connection.fetch(f"{self._path}/blocks/{digest}")
            except ServiceAway:
                if self._connection.pause(attempt):
                    raise
                attempt += 1

    def give_back(self) -> None:
        """Give the job back, if the service answers at once."""
        body = {"attempt": self.attempt, "state": "returned"}
        try:
            self._connection.send("POST", self._path, body, timeout_s=5.0)
        except (ServiceAway, AgentRefused):
            # The service takes the job from an agent that no longer reports.
            return

    @contextmanager
    def renewed(self) -> Iterator[None]:
        """Renew the claim in a thread during the block, also while the service is away at times."""
        ended = threading.Event()
        thread = threading.Thread(target=self._renew, args=(ended,), daemon=True)
        thread.start()
        try:
            yield
        finally:
            ended.set()
            thread.join()

    def _renew(self, ended: threading.Event) -> None:
        while not ended.wait(HEARTBEAT_S):
            body: dict[str, Any] = {"attempt": self.attempt, "state": "running"}
            if self._progress is not None:
                body["progress"] = dict(self._progress)
            try:
                self._take(self._connection.send("POST", self._path, body))
            except ServiceAway:
                # The measurement goes on: its results are reported when the service is back.
                continue
            except AgentRefused:
                self._lost.set()

    def _take(self, answer: Mapping[str, Any]) -> None:
        if not answer["held"]:
            self._lost.set()
