"""A build under way: rounds of networks beside a reference, and what they say of the blocks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np

from profiler.backends.base import Backend, MeasuresMemory, Renews, Runner
from profiler.building.networks import covering_networks
from profiler.building.samples import Samples, WholeSample
from profiler.building.solving import Solution, solve
from profiler.errors import IncompleteMeasurement
from profiler.instruments.energy import EnergyCounter
from profiler.instruments.references import LIFE, References
from profiler.instruments.timing import fresh, runs_for, settled, warm_up
from spaces.space import Codes, SearchSpace
from spaces.user_model.block import ModuleBlock
from tables.lookup_table import BlockCost, Measurement, NetworkSample

FEWEST_ROUNDS = 8

REFERENCES = 3
"""Networks that tell the machine's state: where one lies in memory makes it a percent faster or
slower.
"""

_FEWEST_SAMPLES = 3  # of a block, before it counts as measured
_COVERING_PASSES = 20
_TURNS = 3  # of a network that is compiled as a whole


@dataclass(frozen=True)
class Settings:
    """How a table is measured.

    Args:
        budget_s: seconds after which no further round begins.
        precision_target: relative standard error of every block's median that is enough.
        fewest_networks: whole networks that the correction needs at least, if the budget allows.
        threads: torch threads on the processor.
        seed: of the sampled networks and their order.
    """

    budget_s: float = 60.0
    precision_target: float = 0.01
    fewest_networks: int = 200
    threads: int = 1
    seed: int = 0


@dataclass(frozen=True)
class Instruments:
    """What is read beside times, where the machine has it.

    Args:
        energy: counts the device's energy.
        state: tells the clock in MHz and the temperature in degrees Celsius.
    """

    energy: EnergyCounter | None = None
    state: Callable[[], tuple[float, float] | None] = lambda: None


@dataclass
class Session:
    """A build under way."""

    space: SearchSpace
    backend: Backend
    settings: Settings
    instruments: Instruments
    samples: Samples = field(init=False)
    runs: int = 0
    solution: Solution | None = None

    def __post_init__(self) -> None:
        self.rng = np.random.default_rng(self.settings.seed)
        self.reference_codes = self.space.sample(self.rng, REFERENCES)

    @property
    def rounds(self) -> int:
        return self.samples.rounds

    def runner(self, row: Codes) -> Runner:
        return self.backend.network_runner(self.space, self.space.decode(row[None])[0])

    def reference_runners(self) -> list[Runner]:
        """Fresh ones."""
        return fresh(self.backend, self.space, self.space.decode(self.reference_codes))

    def prepare(self) -> None:
        runners = self.reference_runners()
        self.runs = runs_for(max(map(warm_up, runners)))
        self.samples = Samples(References(runners, max(2, self.runs // 2)))

    def round(self, networks: Codes) -> None:
        """Measure networks in a fresh order, the references in turn between them.

        Where the backend keeps parts of networks, all are made anew: where its weights lie in
        memory makes a block a percent or two faster or slower, which would else be the same in
        every round, and be taken for the block's own time. Where it compiles every network anew,
        references cost as much as what is measured, and stay some rounds.
        """
        references = self.samples.references
        if isinstance(self.backend, Renews) or (self.rounds and self.rounds % LIFE == 0):
            references.runners = self.reference_runners()
        references.turn()
        for index in self.rng.permutation(len(networks)):
            self._network(networks[index])
            references.turn()
        self.samples.rounds += 1
        state = self.instruments.state()
        if state is not None:
            self.samples.states.append(state)

    def _network(self, row: Codes) -> None:
        runner, timed = settled(self.runner(row), self.backend), self.backend.times_blocks
        wholes: list[float] = []
        parts: list[list[float]] = []
        gaps: list[int] = []
        # A block is timed again in every round; a network that had to be compiled for it is worth
        # several turns.
        for _ in range(1 if timed else _TURNS):
            if not timed:
                self.samples.references.turn()
            self._turn(runner, wholes, parts)
            gaps.append(self.samples.references.gap)
        counter = self.instruments.energy
        energy = counter.of(runner.whole) if counter is not None else None
        own = float(np.median(np.sum(parts, axis=1))) if timed else None
        codes = tuple(map(int, row))
        self.samples.networks.append(
            WholeSample(codes, self.rounds, tuple(gaps), tuple(wholes), energy, own)
        )
        if timed:
            blocks = self.space.blocks(self.space.decode(row[None])[0])
            for block, times in zip(blocks, np.median(np.array(parts), axis=0), strict=True):
                self.samples.blocks.setdefault(block.key, []).append((gaps[0], float(times)))

    def _turn(self, runner: Runner, wholes: list[float], parts: list[list[float]]) -> None:
        timed = self.backend.times_blocks
        for run in [runner.whole, runner.blocks if timed else runner.whole]:
            run()
        for _ in range(self.runs):
            wholes.append(runner.whole())
            if timed:
                parts.append(runner.blocks())

    def standard_error(self) -> float:
        if self.backend.times_blocks:
            return self.samples.standard_error()
        if len(self.samples.networks) < 3:
            return 1.0
        self.solution = solve(self.space, *self.samples.wholes())
        return self.solution.standard_error

    def enough(self, spent: float, error: float) -> bool:
        if self.rounds < FEWEST_ROUNDS:
            return False
        if spent >= self.settings.budget_s:
            return True
        measured = len(self.samples.networks) >= self.settings.fewest_networks
        return measured and error <= self.settings.precision_target and not self.uncovered()

    def uncovered(self) -> list[str]:
        """Blocks of the space that were not measured often enough."""
        if self.backend.times_blocks:
            found = {key: len(times) for key, times in self.samples.blocks.items()}
        else:
            found = self.solution.occurrences if self.solution is not None else {}
        return [key for key in self.space.all_blocks if found.get(key, 0) < _FEWEST_SAMPLES]

    def cover(self) -> None:
        """Measure what rounds of every candidate left out: blocks that only some combinations of
        choices have.
        """
        for _ in range(_COVERING_PASSES):
            missing = self.uncovered()
            if not missing:
                return
            networks = covering_networks(self.space, missing, self.rng)
            if not len(networks):
                break
            self.round(networks)
            self.standard_error()
        missing = self.uncovered()
        if missing:
            raise IncompleteMeasurement(
                f"no sampled network of {self.space.name} has the block '{missing[0]}'"
            )

    def memory(self) -> dict[str, int]:
        """Block key -> most bytes of activations at once, where the backend tells it."""
        if not isinstance(self.backend, MeasuresMemory):
            return {}
        # A module of a user's own may need more than one tensor, or its whole model, to run.
        built = {
            key: block
            for key, block in self.space.all_blocks.items()
            if not isinstance(block, ModuleBlock)
        }
        return {key: self.backend.activation_bytes(block) for key, block in built.items()}

    def measurement(self, seconds: float, error: float) -> Measurement:
        states, counter = self.samples.states, self.instruments.energy
        return Measurement(
            rounds=self.rounds,
            seconds=round(seconds, 2),
            budget_s=self.settings.budget_s,
            stopped_by="precision" if error <= self.settings.precision_target else "budget",
            standard_error=round(error, 5),
            reference_codes=tuple(tuple(map(int, row)) for row in self.reference_codes),
            reference_ms=_digits(self.reference_ms),
            blocks="timed" if self.backend.times_blocks else "solved",
            memory=self.backend.memory if isinstance(self.backend, MeasuresMemory) else None,
            clock_mhz=tuple(clock for clock, _ in states) if states else None,
            temperature_c=tuple(temperature for _, temperature in states) if states else None,
            energy=counter.name if counter is not None else None,
        )

    @property
    def reference_ms(self) -> float:
        return self.samples.references.reference_ms

    def network_samples(self) -> tuple[NetworkSample, ...]:
        states = self.samples.references.states()
        return tuple(
            NetworkSample(
                sample.codes,
                sample.round,
                tuple(map(_digits, sample.times)),
                _digits(sample.state(states)),
                sample.energy_mj,
                None if sample.blocks_ms is None else _digits(sample.blocks_ms),
            )
            for sample in self.samples.networks
        )

    def block_costs(self, memory: Mapping[str, int]) -> dict[str, BlockCost]:
        if self.backend.times_blocks:
            return self._timed_costs(memory)
        found = self.solution or solve(self.space, *self.samples.wholes())
        costs = {}
        for key, block in sorted(self.space.all_blocks.items()):
            latency_ms = _digits(self.reference_ms * found.costs[key])
            costs[key] = BlockCost(
                latency_ms, None, found.occurrences[key], block.macs, block.params, memory.get(key)
            )
        return costs

    def _timed_costs(self, memory: Mapping[str, int]) -> dict[str, BlockCost]:
        costs: dict[str, BlockCost] = {}
        for key, times in sorted(self.samples.drift_free().items()):
            low, middle, high = self.reference_ms * np.percentile(times, [25, 50, 75])
            block = self.space.all_blocks[key]
            spread = _digits(high - low)
            costs[key] = BlockCost(
                _digits(middle), spread, len(times), block.macs, block.params, memory.get(key)
            )
        return costs


def _digits(value: float) -> float:
    # A nanosecond is finer than any clock here; more digits would only fill the file.
    return round(float(value), 6)
