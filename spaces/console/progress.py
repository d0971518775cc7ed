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

from spaces.progress import current_listener

WIDEST = 40
"""Greatest width of the bar itself, in columns of the terminal."""
NARROWEST = 10
"""Least width of the bar itself."""

# Width of the elapsed time, and of the gaps between columns.
_ELAPSED = len("0:00:00")
_GAPS = 3


class Bar:
    """A progress bar on standard error, with a short text on the state next to it.

    In a terminal that is too narrow for both, the text has a line of its own. Within a block
    `spaces.progress.listening` nothing is drawn: the listener receives every report instead.

    Args:
        title: Name of the work, such as "training spos".
    """

    def __init__(self, title: str):
        self.title = title
        self._listener = current_listener()
        self._lines: _Lines | None = None

    def __enter__(self) -> Bar:
        if self._listener is None:
            self._lines = _Lines(console=Console(stderr=True))
            self._lines.add_task(self.title, total=1.0, state="")
            self._lines.start()
        else:
            self.update(0.0, "")
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if kind is None:
            self._complete()
        if self._lines is not None:
            self._lines.stop()

    def update(self, fraction: float, state: str, /) -> None:
        """Show the fraction done, from 0 to 1, and the state's text.

        This method is the `spaces.progress.Progress` that long work takes.
        """
        if self._listener is not None:
            self._listener(self.title, min(float(fraction), 1.0), state)
        elif self._lines is not None:
            self._lines.update(self._lines.task_ids[0], completed=min(fraction, 1.0), state=state)

    def print(self, line: str) -> None:
        """Print a line above the bar."""
        console = Console(stderr=True) if self._lines is None else self._lines.console
        console.print(line, highlight=False)

    def _complete(self) -> None:
        if self._listener is not None:
            self._listener(self.title, 1.0, "")
        elif self._lines is not None:
            # The last state stays readable: only the bar is filled.
            self._lines.update(self._lines.task_ids[0], completed=1.0)


class _Lines(Progress):
    """One line, or two where the state does not fit next to title and bar."""

    def __init__(self, console: Console):
        # Never reset: a display that changes between one line and two is hard to read.
        self.needs_two_lines = False
        super().__init__(console=console)

    def get_renderables(self) -> Iterable[RenderableType]:
        for task in self.tasks:
            width = self.console.width
            state = str(task.fields["state"])
            room = width - cell_len(state) - cell_len(task.description) - _ELAPSED - _GAPS

            # Once on two lines, always: a bar that changes its form with each text flickers.
            self.needs_two_lines = self.needs_two_lines or room < NARROWEST

            columns: list[ProgressColumn] = [_title(width), _bar()]
            if not self.needs_two_lines:
                columns.append(TextColumn("{task.fields[state]}", markup=False))
            self.columns = (*columns, TimeElapsedColumn())

            yield self.make_tasks_table([task])
            if self.needs_two_lines and state:
                yield Padding(Text(state, overflow="fold"), (0, 0, 0, 2))


def _bar() -> ProgressColumn:
    return BarColumn(None, table_column=Column(min_width=NARROWEST, max_width=WIDEST, width=None))


def _title(width: int) -> ProgressColumn:
    longest = max(width - NARROWEST - _ELAPSED - _GAPS, 1)
    return TextColumn(
        "{task.description}",
        markup=False,
        table_column=Column(no_wrap=True, overflow="ellipsis", max_width=longest),
    )
