"""A bench on which attempts at jobs run in this process."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from service.artifacts import Artifacts
from service.engine.attempt import Attempt
from service.engine.reports import Assignment, Progressed


class Bench:
    """Runs attempts in this process and collects their reports of progress.

    An attempt is cancelled as soon as `enough` returns True.
    """

    def __init__(self, folder: Path):
        self.artifacts = Artifacts(folder / "results")
        self.reports: list[Progressed] = []
        self.enough: Callable[[], bool] = lambda: False

    def run(self, kind: str, task: Mapping[str, Any], attempt: int = 1) -> Any:
        return self.attempt(attempt).run(kind, task)

    def attempt(self, number: int = 1) -> Attempt:
        return Attempt(
            Assignment("job", number), self.artifacts, self.reports.append, lambda _: self.enough()
        )

    def read(self, name: str, attempt: int = 1) -> bytes:
        return self.artifacts.read(f"job/{attempt}/{name}")
