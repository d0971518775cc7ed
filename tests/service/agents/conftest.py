"""Agents in processes of their own, on a service in processes of its own."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.waiting import within

ROOT = Path(__file__).resolve().parents[3]
PLUGIN = ROOT / "tests" / "steady_plugin.py"


class AgentProcess:
    """`python -m profiler agent` in a process of its own, with the steady backend.

    Args:
        url: Address of the service.
        name: Name of the agent.
        threads: Number of threads, which stand for a device.
        pause_ms: Least duration of each run.
        token: Token of the agent; None without tokens.
        options: Further options.
    """

    def __init__(
        self,
        url: str,
        name: str,
        threads: int = 1,
        pause_ms: float = 0.0,
        token: str | None = None,
        *options: str,
    ):
        environment = {**os.environ, "PATHFIT_STEADY_MS": str(pause_ms), "OMP_NUM_THREADS": "1"}
        if token is not None:
            environment["PATHFIT_TOKEN"] = token
        command = [sys.executable, "-m", "profiler", "--plugin", str(PLUGIN), "agent"]
        arguments = ["--service", url, "--name", name, "--threads", str(threads)]
        self.process = subprocess.Popen(
            [*command, *arguments, "--backend", "steady", *options],
            cwd=ROOT,
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self.lines: list[str] = []
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        self.lines.extend(self.process.stdout)

    @property
    def output(self) -> str:
        """Everything that it has printed."""
        return "".join(self.lines)

    def says(self, text: str, seconds: float = 90.0) -> bool:
        """Return whether it prints a text in time."""
        return within(seconds, lambda: text in self.output)

    def stop(self, number: int = signal.SIGINT) -> int:
        """Send a signal, and return the exit code."""
        self.process.send_signal(number)
        code = self.process.wait(60)
        self._reader.join()
        return code

    def end(self) -> None:
        """Kill it, if it still runs, and close its output."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self._reader.join()
        assert self.process.stdout is not None
        self.process.stdout.close()


StartAgent = Callable[..., AgentProcess]


@pytest.fixture
def start_agent() -> Iterator[StartAgent]:
    """Starts agents that are ended with the test."""
    agents: list[AgentProcess] = []

    def begin(*arguments: object, **options: object) -> AgentProcess:
        agents.append(AgentProcess(*arguments, **options))  # type: ignore[arg-type]
        return agents[-1]

    yield begin
    for agent in agents:
        agent.end()
