"""Progress of long work: the type of its callbacks, and listeners that replace the bar."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Protocol, TypeAlias

ProgressListener: TypeAlias = Callable[[str, float, str], object]
"""Receives the title of the work, the fraction done and the state's text."""

# A context variable: each thread of a service has its own listener.
_LISTENER: ContextVar[ProgressListener | None] = ContextVar("listener", default=None)


class Progress(Protocol):
    """A callback that long work calls while it runs."""

    def __call__(self, fraction: float, state: str, /) -> object:
        """Report the fraction done, from 0 to 1, and a short text on the state."""


def silent(fraction: float, state: str, /) -> None:
    """Ignore a report: the default of every argument `progress`."""


@contextlib.contextmanager
def listening(listener: ProgressListener) -> Iterator[None]:
    """Send the reports of all progress bars that the block opens to `listener`.

    The bars draw nothing then. This is how a service learns the progress of a command that it runs.

    Args:
        listener: Called with the title, the fraction done and the state's text of every report.

    Example:
        >>> from spaces.console.progress import Bar
        >>> with listening(lambda *report: print(report)), Bar("training") as bar:
        ...     bar.update(0.5, "epoch 1/2")
        ('training', 0.0, '')
        ('training', 0.5, 'epoch 1/2')
        ('training', 1.0, '')
    """
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)


def current_listener() -> ProgressListener | None:
    """Return the listener of the innermost `listening` block; None outside of any."""
    return _LISTENER.get()
