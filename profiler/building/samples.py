"""Samples of a build's rounds, and the precision of the blocks' latencies by them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from profiler.instruments.references import References
from tables.medians import relative_errors


@dataclass(frozen=True)
class WholeSample:
    """The measurements of one network in one round.

    Args:
        codes: Codes of the network.
        round: Number of the round.
        intervals: Its intervals between reference runs.
        latencies: Latency of every run in milliseconds.
        energy_mj: Energy of one run in millijoules. None where the machine has no counter.
        blocks_ms: Sum of its blocks' latencies in the runs between. None where they are not timed.
    """

    codes: tuple[int, ...]
    round: int
    intervals: tuple[int, ...]
    latencies: tuple[float, ...]
    energy_mj: float | None = None
    blocks_ms: float | None = None

    def state(self, states: NDArray[np.float64]) -> float:
        """Return the references' latency around the sample, given that in all intervals."""
        return float(np.median(states[list(self.intervals)]))


@dataclass
class Samples:
    """All measurements so far.

    Args:
        references: Reference networks, which show the machine's state.
        rounds: Number of rounds.
        blocks: Block key -> pairs (interval, milliseconds).
        networks: Samples of whole networks.
        states: Clock in MHz and temperature in degrees Celsius after every round, where the device
            reports them.
    """

    references: References
    rounds: int = 0
    blocks: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    networks: list[WholeSample] = field(default_factory=list)
    states: list[tuple[float, float]] = field(default_factory=list)

    def discard_unfinished_round(self) -> None:
        """Remove the samples of a round that did not end.

        The last network may lack its blocks, and no reference run follows the last sample.
        """
        finished = [sample for sample in self.networks if sample.round < self.rounds]

        # The first interval after the finished samples; reference runs themselves are kept.
        begin = 1 + max((max(sample.intervals) for sample in finished), default=-1)
        self.networks = finished
        for key, pairs in list(self.blocks.items()):
            self.blocks[key] = [pair for pair in pairs if pair[0] < begin]
            if not self.blocks[key]:
                del self.blocks[key]

    def drift_corrected(self) -> dict[str, NDArray[np.float64]]:
        """Return the blocks' latencies in units of the references' latency around them.

        Returns:
            Block key -> latencies [samples].
        """
        state = self.references.states()
        return {
            key: np.array([latency / state[interval] for interval, latency in pairs])
            for key, pairs in self.blocks.items()
        }

    def whole_networks(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return codes [n, choices] and medians [n] of the networks.

        Medians are in units of the references' latency around them.
        """
        state = self.references.states()
        codes = np.array([sample.codes for sample in self.networks], dtype=np.int64)
        medians = [np.median(sample.latencies) / sample.state(state) for sample in self.networks]
        return codes, np.array(medians)

    def standard_error(self) -> float:
        """Return the largest relative standard error of a block's median."""
        # Of drift-corrected latencies: a device that only drifts can be measured precisely.
        errors = map(relative_errors, self.drift_corrected().values())
        return max(map(float, errors), default=0.0)
