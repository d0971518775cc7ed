"""Report on a space: the layers that its choices change, and why others stay whole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from spaces.elastic.coupling import Uncut


@dataclass(frozen=True)
class Report:
    """The parts of a network that the choices of a space change.

    Args:
        macs: Multiply-accumulates of the original for one image.
        covered_macs: Those of layers whose size depends on a choice.
        choices: Key of each choice with its number of candidates.
        uncut: Layers that stay whole, with the reason.

    Example:
        >>> report = Report(1000, 900, (("conv1", 7),), (Uncut("fc", "it is the output"),))
        >>> report.coverage
        0.9
        >>> print(report)
        1 choices cover 90.0% of 1000 MACs
        fc stays whole: it is the output
    """

    macs: int
    covered_macs: int
    choices: tuple[tuple[str, int], ...]
    uncut: tuple[Uncut, ...]

    @property
    def coverage(self) -> float:
        """Fraction of the multiply-accumulates that choices cover."""
        return self.covered_macs / self.macs if self.macs else 0.0

    def to_dict(self) -> dict[str, Any]:
        """Return the report as a JSON object."""
        return {
            "macs": self.macs,
            "covered_macs": self.covered_macs,
            "coverage": round(self.coverage, 4),
            "choices": dict(self.choices),
            "whole": {item.path: item.reason for item in self.uncut},
        }

    def lines(self) -> Sequence[str]:
        """Return the report as lines of text."""
        first = f"{len(self.choices)} choices cover {self.coverage:.1%} of {self.macs} MACs"
        return [first, *(f"{item.path} stays whole: {item.reason}" for item in self.uncut)]

    def __str__(self) -> str:
        return "\n".join(self.lines())
