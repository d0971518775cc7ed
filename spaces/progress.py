"""The progress bar of Pathfit's commands."""

from __future__ import annotations

from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn


class Bar:
    """A bar on standard error over shares of a whole, with a word on the state behind it.

    Args:
        title: what is being done.
    """

    def __init__(self, title: str):
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            TextColumn("{task.fields[state]}"),
            TimeElapsedColumn(),
        )
        self.progress = Progress(*columns, console=Console(stderr=True))
        self.task = self.progress.add_task(title, total=1.0, state="")

    def __enter__(self) -> Bar:
        self.progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.progress.update(self.task, completed=1.0)
        self.progress.stop()

    def update(self, share: float, state: str) -> None:
        """Set the share done, from 0 to 1, and the state's text."""
        self.progress.update(self.task, completed=min(share, 1.0), state=state)
