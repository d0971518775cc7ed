"""What a backend must do: run networks on one device and tell their times, and those of their
blocks where it can.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from spaces.architecture import Architecture
from spaces.block import Block
from spaces.space import SearchSpace

if TYPE_CHECKING:
    from spaces.architecture import Architecture
    from spaces.block import Block
    from spaces.space import SearchSpace


def chain_blocks(space: SearchSpace, architecture: Architecture) -> list[Block] | None:
    """The blocks of an architecture whose network is a chain, whatever its resolution; None for
    other networks.
    """
    return space.blocks(architecture) if space.is_chain else None


class Runner(Protocol):
    """A network that is ready to run; one call is one run."""

    def whole(self) -> float:
        """The time of one run of the whole network, in milliseconds."""

    def blocks(self) -> list[float]:
        """The times of the blocks within one run, in milliseconds, in the order of the space's
        `blocks`.
        """


@dataclass(frozen=True)
class Conditions:
    """What a backend is made for.

    Args:
        device: torch's name of the device, `cpu` or `cuda:0`.
        batch: images at a time.
        precision: fp32, fp16, bf16 or int8.
        threads: on the processor.
        seed: of weights and input.
    """

    device: str
    batch: int = 1
    precision: str = "fp32"
    threads: int = 1
    seed: int = 0


class Backend(Protocol):
    """Prepares networks on one device under fixed conditions.

    A backend that joins blocks while it compiles a network cannot time them: it says so by
    `times_blocks`, and the builder solves their costs from whole networks.
    """

    name: str
    times_blocks: bool

    def network_runner(self, space: SearchSpace, architecture: Architecture) -> Runner:
        """A runner for an architecture's network."""

    def versions(self) -> Mapping[str, str]:
        """The software that takes part, name -> version."""


@runtime_checkable
class MeasuresMemory(Protocol):
    """A backend that also tells how much memory blocks need."""

    memory: str
    """What is told: `cuda peak allocated` or `live tensors`."""

    def activation_bytes(self, block: Block) -> int:
        """Most bytes of activations held at once while the block runs, its input among them."""


@runtime_checkable
class Renews(Protocol):
    """A backend that keeps parts of networks, and can make them anew elsewhere in memory."""

    def renew(self) -> None:
        """Forget the parts that are kept: runners made from now on have fresh ones."""
