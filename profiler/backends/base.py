"""The interface of backends, which run networks on one device and time them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from profiler.errors import UnsupportedConditions

if TYPE_CHECKING:
    from spaces.architecture import Architecture
    from spaces.block import Block
    from spaces.space import SearchSpace


def chain_blocks(space: SearchSpace, architecture: Architecture) -> list[Block] | None:
    """Return the blocks of an architecture whose network is a chain, None for other networks."""
    return space.blocks(architecture) if space.is_chain else None


def check_precision(name: str, conditions: Conditions, precisions: Sequence[str]) -> None:
    """Raise UnsupportedConditions where a backend does not run a precision.

    Args:
        name: Name of the backend.
        conditions: Its conditions.
        precisions: Precisions that it runs.
    """
    if conditions.precision not in precisions:
        raise UnsupportedConditions(
            f"{name} runs {', '.join(precisions)} here, not {conditions.precision}"
        )


def check_processor(name: str, conditions: Conditions) -> None:
    """Raise UnsupportedConditions where a backend that needs the processor has another device."""
    if conditions.device != "cpu":
        raise UnsupportedConditions(
            f"{name} runs on the processor here, not on {conditions.device}; use --device cpu"
        )


class Runner(Protocol):
    """A network that is ready to run; each call is one run."""

    def whole(self) -> float:
        """Return the latency of one run of the whole network in milliseconds."""

    def blocks(self) -> list[float]:
        """Return the latencies of the blocks within one run in milliseconds.

        They are in the order of the space's `blocks`.
        """


@dataclass(frozen=True)
class Conditions:
    """The conditions of measurements.

    Args:
        device: Torch's name of the device, such as `cpu` or `cuda:0`.
        batch: Batch size.
        precision: Precision of the numbers: fp32, fp16, bf16 or int8.
        threads: Number of threads on the processor.
        seed: Seed of weights and input.

    Example:
        >>> from profiler import Conditions
        >>> Conditions(device="cpu", batch=8).precision
        'fp32'
    """

    device: str
    batch: int = 1
    precision: str = "fp32"
    threads: int = 1
    seed: int = 0


class Backend(Protocol):
    """Prepares networks on one device under fixed conditions.

    A backend that fuses blocks while it compiles a network cannot time them. Its `times_blocks` is
    False, and a build solves their costs from whole networks.
    """

    name: str
    times_blocks: bool

    def network_runner(self, space: SearchSpace, architecture: Architecture) -> Runner:
        """Return a runner of an architecture's network."""

    def versions(self) -> Mapping[str, str]:
        """Return the versions of the software that runs networks: name -> version."""


@runtime_checkable
class MeasuresMemory(Protocol):
    """A backend that also measures the memory of blocks' activations."""

    memory: str
    """Kind of the measurement: `cuda peak allocated` or `live tensors`."""

    def activation_bytes(self, block: Block) -> int:
        """Return the most bytes of activations held at once while the block runs.

        Its input is among them.
        """


@runtime_checkable
class Renews(Protocol):
    """A backend that shares modules between networks, and can rebuild them elsewhere in memory."""

    def renew(self) -> None:
        """Forget the shared modules, so that new runners get rebuilt ones."""


@runtime_checkable
class ReportsConditions(Protocol):
    """A backend that reports the conditions which its runtime has set."""

    def executed(self) -> Mapping[str, Any]:
        """Return conditions such as the number of threads: name -> value.

        It is called after a network has run, with the same number of torch's threads.
        """


@runtime_checkable
class Prunes(Protocol):
    """A backend whose runtime removes parts of a network that have no effect on its output."""

    prunes: bool


def executed_space(space: SearchSpace, backend: Backend) -> SearchSpace:
    """Return the space with the blocks that a backend's runtime executes.

    Args:
        space: Space of the networks.
        backend: Backend that runs them.
    """
    return space.pruned() if isinstance(backend, Prunes) and backend.prunes else space


def executed_conditions(backend: Backend, threads: int) -> dict[str, Any]:
    """Return the conditions under which a backend's networks have run, as far as it reports them.

    Args:
        backend: Backend whose networks have run.
        threads: Number of torch's threads during the measurement.
    """
    from spaces.threads import fixed_threads

    if not isinstance(backend, ReportsConditions):
        return {}
    with fixed_threads(threads):
        return dict(backend.executed())
