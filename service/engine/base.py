"""Engine: what runs the jobs of a store."""

from __future__ import annotations

from typing import Protocol


class Engine(Protocol):
    """Takes queued jobs from a store, runs them, and writes progress and results there; alone in doing so."""

    def start(self) -> None:
        """Queue again what a dead service left running, and begin to work."""

    def notify(self) -> None:
        """Learn that a job was queued."""

    def cancel(self, job_id: str) -> None:
        """Stop working on a job that the store has as cancelled, within half a second."""

    def fault(self) -> str | None:
        """Why the engine cannot work at present, None where it can."""

    def stop(self) -> None:
        """Stop at once, leaving unfinished jobs queued; may be called twice."""
