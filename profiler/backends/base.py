"""What a backend must do: run a network's blocks and tell their times."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from spaces.block import Block


class Runner(Protocol):
    """A network that is ready to run; one call is one run."""

    def whole(self) -> float:
        """The time of one run of the whole network, in milliseconds."""

    def blocks(self) -> list[float]:
        """The times of the blocks within one run, in milliseconds, in the order of execution."""


class Backend(Protocol):
    """Prepares networks on one device under fixed conditions."""

    name: str

    def runner(self, blocks: Sequence[Block]) -> Runner:
        """A runner for a network of these blocks."""

    def versions(self) -> Mapping[str, str]:
        """The software that takes part, name -> version."""
