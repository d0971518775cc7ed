"""A build in progress: rounds of networks between reference runs, and their results."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from profiler.backends.base import Backend, MeasuresMemory, Renews, Runner
from profiler.building.networks import covering_networks
from profiler.building.samples import Samples, WholeSample
from profiler.building.settings import FEWEST_ROUNDS, Instruments, Settings
from profiler.errors import IncompleteMeasurement
from profiler.instruments.references import ROUNDS_PER_BUILD, References
from profiler.instruments.timing import (
    rebuild_runners,
    runs_for,
    settle,
    warm_up,
    warm_up_runs_for,
)
from spaces.space import Codes, SearchSpace
from spaces.user_model.block import ModuleBlock
from tables.cost.solving import Solution, solve

REFERENCES = 3
"""Number of reference networks.

The position of a single one in memory makes it a percent faster or slower.
"""

# Samples of a block before it counts as measured.
_FEWEST_SAMPLES = 3

# Passes after which a block without enough samples is given up.
_COVERING_PASSES = 20

# Samples per round of a network that is compiled as a whole.
_SAMPLES_PER_COMPILATION = 3


@dataclass
class Session:
    """A build in progress."""

    space: SearchSpace
    backend: Backend
    settings: Settings
    instruments: Instruments
    samples: Samples = field(init=False)
    runs: int = 0
    warm_up_runs: int = 2
    solution: Solution | None = None
    interrupted: bool = False

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.settings.seed)
        self.reference_codes = self.space.sample(self.rng, REFERENCES)

    @property
    def rounds(self) -> int:
        """Number of rounds so far."""
        return self.samples.rounds

    def runner(self, row: Codes) -> Runner:
        """Return a runner of the network of one row of codes."""
        return self.backend.network_runner(self.space, self.space.decode(row[None])[0])

    def reference_runners(self) -> list[Runner]:
        """Return rebuilt runners of the reference networks."""
        return rebuild_runners(self.backend, self.space, self.space.decode(self.reference_codes))

    def prepare(self) -> None:
        """Warm up the reference networks and decide the number of runs of a sample."""
        runners = self.reference_runners()
        slowest = max(map(warm_up, runners))
        self.runs = runs_for(slowest)
        self.warm_up_runs = warm_up_runs_for(slowest)
        references = References(runners, max(2, self.runs // 2), self.warm_up_runs)
        self.samples = Samples(references)

    def round(self, networks: Codes) -> None:
        """Measure networks in a random order, with a reference run after each.

        Where the backend shares modules between networks, all are rebuilt in every round: the
        position of its weights in memory makes a block a percent or two faster or slower, which
        would otherwise be the same in every round and be attributed to the block. Where it compiles
        every network as a whole, references cost as much as networks, and are used for some rounds.

        Args:
            networks: Codes [n, choices].
        """
        references = self.samples.references
        if isinstance(self.backend, Renews) or (
            self.rounds and self.rounds % ROUNDS_PER_BUILD == 0
        ):
            references.runners = self.reference_runners()

        # One reference run in front, so that each network has one before and after it.
        references.time_next()
        for index in self.rng.permutation(len(networks)):
            self._measure(networks[index])
            references.time_next()

        self.samples.rounds += 1

        state = self.instruments.state()
        if state is not None:
            self.samples.states.append(state)

    def _measure(self, row: Codes) -> None:
        """Measure one network and, where the backend times them, its blocks."""
        runner = settle(self.runner(row), self.backend)
        times_blocks = self.backend.times_blocks
        latencies: list[float] = []
        block_latencies: list[list[float]] = []
        intervals: list[int] = []

        # A block is timed again in every round. A network that had to be compiled for it is worth
        # several samples.
        for _ in range(1 if times_blocks else _SAMPLES_PER_COMPILATION):
            if not times_blocks:
                self.samples.references.time_next()
            self._time(runner, latencies, block_latencies)
            intervals.append(self.samples.references.interval)

        counter = self.instruments.energy
        self.samples.networks.append(
            WholeSample(
                codes=tuple(map(int, row)),
                round=self.rounds,
                intervals=tuple(intervals),
                latencies=tuple(latencies),
                energy_mj=counter.per_run(runner.whole) if counter is not None else None,
                blocks_ms=(
                    float(np.median(np.sum(block_latencies, axis=1))) if times_blocks else None
                ),
            )
        )

        if times_blocks:
            blocks = self.space.blocks(self.space.decode(row[None])[0])
            medians = np.median(np.array(block_latencies), axis=0)
            for block, latency in zip(blocks, medians, strict=True):
                pairs = self.samples.blocks.setdefault(block.key, [])
                pairs.append((intervals[0], float(latency)))

    def _time(
        self, runner: Runner, latencies: list[float], block_latencies: list[list[float]]
    ) -> None:
        """Time the runs of one sample and add their latencies to the lists."""
        times_blocks = self.backend.times_blocks

        # Untimed runs of the kinds that are timed: another network has just used the caches.
        for _ in range(self.warm_up_runs // 2):
            runner.whole()
            if times_blocks:
                runner.blocks()
            else:
                runner.whole()

        for _ in range(self.runs):
            latencies.append(runner.whole())
            if times_blocks:
                block_latencies.append(runner.blocks())

    def standard_error(self) -> float:
        """Return the largest relative standard error of a block's cost, or of the solved costs."""
        if self.backend.times_blocks:
            return self.samples.standard_error()
        if len(self.samples.networks) < _FEWEST_SAMPLES:
            return 1.0
        self.solution = solve(self.space, *self.samples.whole_networks())
        return self.solution.standard_error

    def enough(self, spent: float, error: float) -> bool:
        """Return whether the build may end.

        Args:
            spent: Seconds since its begin.
            error: Standard error of the blocks.
        """
        if self.rounds < FEWEST_ROUNDS:
            return False
        if spent >= self.settings.budget_s:
            return True
        measured = len(self.samples.networks) >= self.settings.fewest_networks
        return measured and error <= self.settings.precision_target and not self.uncovered()

    def uncovered(self) -> list[str]:
        """Return the blocks of the space that were not measured often enough."""
        counts: Mapping[str, int] = {}
        if self.backend.times_blocks:
            counts = {key: len(pairs) for key, pairs in self.samples.blocks.items()}
        elif self.solution is not None:
            counts = self.solution.occurrences

        return [key for key in self.space.all_blocks if counts.get(key, 0) < _FEWEST_SAMPLES]

    def cover(self) -> None:
        """Measure the blocks that the rounds have missed.

        Rounds have every candidate, but some blocks exist only for combinations of choices.

        Raises:
            IncompleteMeasurement: No sampled network has some block.
        """
        for _ in range(_COVERING_PASSES):
            missing = self.uncovered()
            if not missing:
                return
            networks = covering_networks(self.space, missing, self.rng)
            if not len(networks):
                break
            self.round(networks)

            # Where costs are solved from whole networks, this solves them with the new samples.
            self.standard_error()

        missing = self.uncovered()
        if missing:
            raise IncompleteMeasurement(
                f"no sampled network of {self.space.name} has the block '{missing[0]}'"
            )

    def interrupt(self) -> float:
        """End the build with the rounds so far and return their standard error.

        Raises:
            IncompleteMeasurement: They have not measured every block often enough.
        """
        self.interrupted = True

        # A partial round would have some candidates more often than others.
        self.samples.discard_unfinished_round()
        missing = self.uncovered()
        if missing:
            raise IncompleteMeasurement(
                f"interrupted after {self.rounds} rounds, which is too early for a table:"
                f" {len(missing)} of {len(self.space.all_blocks)} blocks have fewer than"
                f" {_FEWEST_SAMPLES} samples, such as '{missing[0]}'"
            )

        return self.standard_error()

    @property
    def measures_memory(self) -> bool:
        """Whether the backend measures activations, which networks of text are not limited by."""
        return isinstance(self.backend, MeasuresMemory) and not self.space.phases

    def memory(self) -> dict[str, int]:
        """Return the peak bytes of activations by block key, where the backend measures them."""
        if not self.measures_memory:
            return {}
        assert isinstance(self.backend, MeasuresMemory)

        # A user's own module may need several tensors, or its whole model, to run.
        return {
            key: self.backend.activation_bytes(block)
            for key, block in self.space.all_blocks.items()
            if not isinstance(block, ModuleBlock)
        }

    @property
    def reference_ms(self) -> float:
        """The references' mean latency."""
        return self.samples.references.reference_ms
