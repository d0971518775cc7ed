"""What the rounds of a build gave, and how precisely the blocks are known by it."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from profiler.instruments.references import References


@dataclass(frozen=True)
class WholeSample:
    """One network in one round: its codes, the round, every run's time, the energy of a run where
    it was read.

    `gaps` are its places among the references' turns. `blocks_ms` is what its blocks took in the
    runs between, where they are timed.
    """

    codes: tuple[int, ...]
    round: int
    gaps: tuple[int, ...]
    times: tuple[float, ...]
    energy_mj: float | None = None
    blocks_ms: float | None = None

    def state(self, states: NDArray[np.float64]) -> float:
        """What the references took around it, of what they took in every gap."""
        return float(np.median(states[list(self.gaps)]))


@dataclass
class Samples:
    """What was measured so far.

    Args:
        references: tell the machine's state.
        rounds: so far.
        blocks: block key -> [(gap, ms)].
        networks: the whole networks.
        states: clock in MHz and temperature in degrees Celsius of every round, where they can be
            read.
    """

    references: References
    rounds: int = 0
    blocks: dict[str, list[tuple[int, float]]] = field(default_factory=dict)
    networks: list[WholeSample] = field(default_factory=list)
    states: list[tuple[float, float]] = field(default_factory=list)

    def drift_free(self) -> dict[str, NDArray[np.float64]]:
        """Block key -> its times [samples] in units of the references' time around them."""
        state = self.references.states()
        return {
            key: np.array([ms / state[gap] for gap, ms in pairs])
            for key, pairs in self.blocks.items()
        }

    def wholes(self) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Codes [n, choices] of the networks and their medians [n] in units of the references' time
        around them.
        """
        state = self.references.states()
        codes = np.array([sample.codes for sample in self.networks], dtype=np.int64)
        return codes, np.array(
            [np.median(sample.times) / sample.state(state) for sample in self.networks]
        )

    def standard_error(self) -> float:
        """The largest relative standard error of a block's median.

        1.2533 deviation / sqrt(n), with deviation = IQR / 1.349.
        """
        worst = 0.0
        # Of the times as the table will give them: a device that only drifts can be measured
        # precisely.
        for times in self.drift_free().values():
            low, middle, high = np.percentile(times, [25, 50, 75])
            worst = max(worst, 1.2533 * (high - low) / 1.349 / np.sqrt(len(times)) / middle)
        return float(worst)
