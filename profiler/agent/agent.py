"""The loop of an agent: it registers, takes jobs by long polling, and runs one after the other."""

from __future__ import annotations

import threading
from collections.abc import Callable
from urllib.parse import quote

from profiler.agent.claim import Claim
from profiler.agent.connection import Connection
from profiler.agent.exported import has_torch
from profiler.agent.work import Bench
from profiler.errors import JobLost, ServiceAway
from spaces import __version__
from spaces.errors import PathfitError

_POLL_S = 20

Tell = Callable[[str], None]


class Agent:
    """Measures on this device what a service asks for.

    Args:
        name: Name by which the service knows the device.
        bench: The device.
        connection: Connection to the service.
        stopping: Set when the agent is to end.
        tell: Receives one line for whatever begins or ends.
    """

    def __init__(
        self,
        name: str,
        bench: Bench,
        connection: Connection,
        stopping: threading.Event,
        tell: Tell = lambda line: None,
    ):
        self._name = name
        self._bench = bench
        self._connection = connection
        self._stopping = stopping
        self._tell = tell

    def run(self) -> None:
        """Take jobs until the agent is to end; KeyboardInterrupt gives the present job back.

        Raises:
            AgentRefused: The service refuses the agent; the message has its reason.
        """
        self._register()
        self._tell(f"{self._name} measures for {self._connection.url}; Ctrl-C ends it")
        failures = 0
        while not self._stopping.is_set():
            path = f"/agents/{quote(self._name, safe='')}/claims"
            try:
                job = self._connection.send("POST", path, {}, wait_s=_POLL_S)
            except ServiceAway as error:
                if not failures:
                    self._tell(f"{error}; trying again")
                self._connection.pause(failures)
                failures += 1
                continue

            if failures:
                # It may have been restored from an earlier state.
                self._register()
                failures = 0
            if job is not None:
                self._run(Claim(self._connection, self._name, job))

    def _register(self) -> None:
        identity = {
            "name": self._name,
            "device": self._bench.device.to_dict(),
            "backends": list(self._bench.backends),
            "threads": self._bench.threads,
            "version": __version__,
            "has_torch": has_torch(),
        }
        self._connection.insist("POST", "/agents", identity)

    def _run(self, claim: Claim) -> None:
        self._tell(f"job {claim.id}, attempt {claim.attempt}: {claim.measuring.get('task')}")
        try:
            with claim.renewed():
                self._measure(claim)
        except KeyboardInterrupt:
            claim.give_back()
            self._tell(f"job {claim.id}: given back")
            raise
        except JobLost as lost:
            self._tell(str(lost))
        else:
            self._tell(f"job {claim.id}: done")

    def _measure(self, claim: Claim) -> None:
        try:
            self._bench.run(claim)
        except JobLost:
            raise
        # Not only errors of ours: a runtime may fail in its own way, and the service must know.
        except Exception as error:
            reason = str(error) if isinstance(error, PathfitError) else f"internal error: {error}"
            self._tell(f"job {claim.id}: {reason}")
            claim.report("failed", error=reason[:2000])
