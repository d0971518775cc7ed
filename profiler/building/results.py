"""Parts of a lookup table that a build in progress has measured."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from profiler.backends.base import MeasuresMemory
from profiler.building.session import Session
from tables.cost.solving import solve
from tables.lookup_table import BlockCost, Measurement, NetworkSample


def measurement(session: Session, seconds: float, error: float) -> Measurement:
    """Return the circumstances that the table records.

    Args:
        session: Build that has ended.
        seconds: Its duration.
        error: Standard error of the blocks' medians.
    """
    states = session.samples.states
    counter = session.instruments.energy
    backend = session.backend

    stopped_by = "precision" if error <= session.settings.precision_target else "budget"

    # A build that a user stopped is none that the budget ended, and few rounds may agree by chance.
    if session.interrupted:
        stopped_by = "interrupt"

    return Measurement(
        rounds=session.rounds,
        seconds=round(seconds, 2),
        budget_s=session.settings.budget_s,
        stopped_by=stopped_by,
        standard_error=round(error, 5),
        reference_codes=tuple(tuple(map(int, row)) for row in session.reference_codes),
        reference_ms=_round_ms(session.reference_ms),
        blocks="timed" if backend.times_blocks else "solved",
        memory=(
            backend.memory
            if session.measures_memory and isinstance(backend, MeasuresMemory)
            else None
        ),
        clock_mhz=tuple(clock for clock, _ in states) if states else None,
        temperature_c=tuple(temperature for _, temperature in states) if states else None,
        energy=counter.name if counter is not None else None,
    )


def network_samples(session: Session) -> tuple[NetworkSample, ...]:
    """Return the samples of whole networks that the table records."""
    # The machine's state around a sample is known once the references after it have run.
    states = session.samples.references.states()
    return tuple(
        NetworkSample(
            sample.codes,
            sample.round,
            tuple(map(_round_ms, sample.latencies)),
            _round_ms(sample.state(states)),
            sample.energy_mj,
            None if sample.blocks_ms is None else _round_ms(sample.blocks_ms),
        )
        for sample in session.samples.networks
    )


def block_costs(session: Session, memory: Mapping[str, int]) -> dict[str, BlockCost]:
    """Return the costs of blocks that the table records.

    Args:
        session: Build that has ended.
        memory: Block key -> peak bytes of activations.
    """
    if session.backend.times_blocks:
        return _timed_costs(session, memory)

    solution = session.solution or solve(session.space, *session.samples.whole_networks())
    costs: dict[str, BlockCost] = {}
    for key, block in sorted(session.space.all_blocks.items()):
        costs[key] = BlockCost(
            # Solved in units of the references' latency, which take the drift out.
            _round_ms(session.reference_ms * solution.costs[key]),
            None,
            solution.occurrences[key],
            block.macs,
            block.params,
            memory.get(key),
        )

    return costs


def _timed_costs(session: Session, memory: Mapping[str, int]) -> dict[str, BlockCost]:
    costs: dict[str, BlockCost] = {}
    for key, latencies in sorted(session.samples.drift_corrected().items()):
        # Ratios to the references become milliseconds by the references' median.
        low, middle, high = session.reference_ms * np.percentile(latencies, [25, 50, 75])
        block = session.space.all_blocks[key]
        costs[key] = BlockCost(
            _round_ms(middle),
            _round_ms(high - low),
            len(latencies),
            block.macs,
            block.params,
            memory.get(key),
        )

    return costs


def _round_ms(value: float) -> float:
    # A nanosecond is finer than any clock here; more digits would only fill the file.
    return round(float(value), 6)
