"""The measurement of one space in one phase: rounds of networks until they suffice."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass

from profiler.backends.base import Backend
from profiler.building.networks import latin_networks
from profiler.building.results import block_costs, measurement, network_samples
from profiler.building.session import Session
from profiler.building.settings import Instruments, Settings
from profiler.instruments.timing import quiet
from spaces.progress import Progress
from spaces.space import SearchSpace
from tables.lookup_table import BlockCost, Measurement, NetworkSample


@dataclass(frozen=True)
class Measured:
    """What a table records of a measurement.

    Args:
        measurement: Circumstances of the measurement.
        blocks: Block key -> cost.
        networks: Raw samples of whole networks.
    """

    measurement: Measurement
    blocks: Mapping[str, BlockCost]
    networks: tuple[NetworkSample, ...]


def measure_space(
    space: SearchSpace,
    backend: Backend,
    settings: Settings,
    progress: Progress,
    instruments: Instruments,
) -> Measured:
    """Measure the blocks and networks of a space; arguments as of `build`.

    Raises:
        IncompleteMeasurement: No sampled network has some block, or the measurement was interrupted
            before every block was measured.
    """
    session = Session(space, backend, settings, instruments)
    begin = time.monotonic()
    with quiet(settings.threads):
        session.prepare()

        # Only from here on: an interruption of the warm-up has measured nothing to keep.
        try:
            error = _measure_rounds(session, begin, progress)
            session.cover()
        except KeyboardInterrupt:
            error = session.interrupt()

        seconds = time.monotonic() - begin
        memory = session.memory()

    return Measured(
        measurement(session, seconds, error), block_costs(session, memory), network_samples(session)
    )


def _measure_rounds(session: Session, begin: float, progress: Progress) -> float:
    """Measure rounds until they suffice and return the standard error.

    Args:
        session: Build in progress.
        begin: Time of its begin, by the monotonic clock.
        progress: Called after every round.
    """
    while True:
        # Every candidate of every choice occurs about equally often in a round.
        session.round(latin_networks(session.space, session.rng))
        error = session.standard_error()
        seconds = time.monotonic() - begin
        progress(
            seconds / session.settings.budget_s,
            f"round {session.rounds}, standard error {error:.1%}",
        )
        if session.enough(seconds, error):
            return error
