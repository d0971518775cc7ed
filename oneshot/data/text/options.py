"""TextOptions: how a text becomes tokens and parts."""

from __future__ import annotations

import codecs
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from oneshot.errors import InvalidOption

LEVELS = ("words", "characters")


@dataclass(frozen=True)
class TextOptions:
    """How a text becomes tokens and parts.

    Args:
        level: Whether a token is one of the `words` between white space, or one of the
            `characters`.
        split: Fractions of a single file that are the training, validation and test part, in this
            order of the text. A folder has files of its own for them.
        encoding: Encoding of the files.

    Raises:
        InvalidOption: A value is not accepted.

    Example:
        >>> TextOptions(level="characters").split
        (0.9, 0.05, 0.05)
    """

    level: str = "words"
    split: tuple[float, float, float] = (0.9, 0.05, 0.05)
    encoding: str = "utf-8"

    def __post_init__(self) -> None:
        if self.level not in LEVELS:
            raise InvalidOption(f"level must be one of {', '.join(LEVELS)}, not {self.level!r}")

        # A record that JSON has stored holds a list.
        object.__setattr__(self, "split", tuple(self.split))
        if not _are_fractions(self.split):
            raise InvalidOption(
                "split must be three positive fractions that add up to 1, such as 0.9 0.05 0.05,"
                f" not {' '.join(map(str, self.split))}"
            )

        try:
            codecs.lookup(self.encoding)
        except LookupError as error:
            raise InvalidOption(
                f"encoding must be one that Python has, such as utf-8 or latin-1, not"
                f" {self.encoding!r}"
            ) from error

    def to_dict(self) -> dict[str, Any]:
        """Return the options by name, as JSON has them."""
        return {**asdict(self), "split": list(self.split)}


def _are_fractions(split: Sequence[float]) -> bool:
    positive = len(split) == 3 and all(0 < fraction < 1 for fraction in split)
    return positive and math.isclose(sum(split), 1.0, abs_tol=1e-6)
