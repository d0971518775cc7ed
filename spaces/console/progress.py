"""The progress bar of Pathfit's commands."""

from __future__ import annotations

from collections.abc import Iterable
from types import TracebackType

from rich.cells import cell_len
from rich.console import Console, RenderableType
from rich.padding import Padding
from rich.progress import BarColumn, Progress, ProgressColumn, TextColumn, TimeElapsedColumn
from rich.table import Column
from rich.text import Text

WIDEST, NARROWEST = 40, 10
"""Of the bar itself, in columns of the terminal."""

_ELAPSED = len("0:00:00")
_GAPS = 3


class Bar:
    """A bar on standard error over shares of a whole, with a word on the state behind it.

    In a terminal that is too narrow for both, the state stands on a line of its own.

    Args:
        title: what is being done.
    """

    def __init__(self, title: str):
        self.progress = _Lines(console=Console(stderr=True))
        self.task = self.progress.add_task(title, total=1.0, state="")

    def __enter__(self) -> Bar:
        self.progress.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self.progress.update(self.task, completed=1.0)
        self.progress.stop()

    def update(self, share: float, state: str) -> None:
        """Set the share done, from 0 to 1, and the state's text."""
        self.progress.update(self.task, completed=min(share, 1.0), state=state)


class _Lines(Progress):
    """One line, or two where the state does not fit beside the rest."""

    def __init__(self, console: Console):
        self.two = False  # once it is two lines it stays so: a display that jumps is hard to read
        super().__init__(console=console)

    def get_renderables(self) -> Iterable[RenderableType]:
        for task in self.tasks:
            width = self.console.width
            state = str(task.fields["state"])
            room = width - cell_len(state) - cell_len(task.description) - _ELAPSED - _GAPS
            self.two = self.two or room < NARROWEST
            first = () if self.two else (TextColumn("{task.fields[state]}", markup=False),)
            self.columns = (_title(width), _bar(), *first, TimeElapsedColumn())
            yield self.make_tasks_table([task])
            if self.two and state:
                yield Padding(Text(state, overflow="fold"), (0, 0, 0, 2))


def _bar() -> ProgressColumn:
    return BarColumn(None, table_column=Column(min_width=NARROWEST, max_width=WIDEST, width=None))


def _title(width: int) -> ProgressColumn:
    most = max(width - NARROWEST - _ELAPSED - _GAPS, 1)
    return TextColumn(
        "{task.description}",
        markup=False,
        table_column=Column(no_wrap=True, overflow="ellipsis", max_width=most),
    )
