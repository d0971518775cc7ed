"""Protocol of the formats of architectures."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from spaces.architecture import Architecture
    from spaces.choice_space import ChoiceSpace


@dataclass(frozen=True)
class Source:
    """Text of an architecture, with everything that a format may need to read it.

    Args:
        text: Content, without white space around it.
        path: File that the text comes from, for formats with a second file next to it; None for a
            text without a file.
        space: Space of the architecture; None where the format names it, or guesses it.
        input_size: Height and width of the images in pixels, for formats that do not state it.
    """

    text: str
    path: Path | None = None
    space: ChoiceSpace | None = None
    input_size: int | None = None


class Format(Protocol):
    """Reads and writes the architectures of one system."""

    def detects(self, text: str, value: object) -> bool:
        """Return whether a text is in this format.

        Args:
            text: Content, without white space around it.
            value: The text parsed as JSON; None where it is not JSON.
        """

    def read(self, source: Source) -> Architecture:
        """Return the architecture of a text.

        Raises:
            InvalidFile: The text is not in this format; the part at fault is named.
            InvalidArchitecture: A choice or candidate does not belong to the space.
        """

    def write(self, architecture: Architecture, space: ChoiceSpace) -> str:
        """Return the text of an architecture of `space`, which `read` reads back.

        Raises:
            InvalidArchitecture: The format cannot express the architecture.
        """
