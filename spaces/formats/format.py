"""What a format of architectures is."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from spaces.architecture import Architecture
    from spaces.choice_space import ChoiceSpace


@dataclass(frozen=True)
class Source:
    """What an architecture is read from.

    Args:
        text: the content.
        path: the file that it came from, for formats that keep a second file beside it.
        space: the space that the architecture must belong to; None: the format says it, or it is
            guessed.
        input_size: height and width of the images in pixels, for formats that do not say it.
    """

    text: str
    path: Path | None = None
    space: ChoiceSpace | None = None
    input_size: int | None = None


class Format(Protocol):
    """Reads and writes the architectures of one system."""

    def detects(self, text: str, value: object) -> bool:
        """Whether `text` (stripped), parsed as JSON `value` (None where it is not JSON), is in this
        format.
        """

    def read(self, source: Source) -> Architecture:
        """The architecture; raises InvalidFile or InvalidArchitecture that name the part at
        fault.
        """

    def write(self, architecture: Architecture, space: ChoiceSpace) -> str:
        """The text that `read` reads back, for an architecture of `space`; raises
        InvalidArchitecture where the format cannot say it."""
