"""Building of a lookup table: blocks are timed within sampled networks, in interleaved rounds.

Blocks that are timed in isolation find the caches and clocks that they left themselves; their sum
is wrong by a fifth for whole networks, and ranks them badly. Within networks each block runs in the
state that its neighbours leave.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from profiler.backends.base import Backend, executed_conditions
from profiler.building.networks import latin_networks
from profiler.building.results import block_costs, measurement, network_samples
from profiler.building.session import Session
from profiler.building.settings import FEWEST_ROUNDS as FEWEST_ROUNDS
from profiler.building.settings import Instruments as Instruments
from profiler.building.settings import Settings as Settings
from profiler.instruments.timing import quiet
from spaces.console.group import command_line
from spaces.progress import Progress, silent
from spaces.space import SearchSpace
from tables.lookup_table import LookupTable


def build(
    space: SearchSpace,
    backend: Backend,
    settings: Settings,
    *,
    name: str,
    device: Mapping[str, Any],
    conditions: Mapping[str, Any],
    command: str | None = None,
    progress: Progress = silent,
    instruments: Instruments | None = None,
) -> LookupTable:
    """Measure the blocks of a space on a backend.

    Ctrl-C ends the rounds: the table then has the measurements so far.

    Args:
        space: Space whose blocks and networks are measured.
        backend: Backend that runs them.
        settings: Budget, precision and seed.
        name: Name of the table.
        device: Identity of the device.
        conditions: Backend, batch, precision and threads, which the table records.
        command: Command that the table records. None: this process's command line.
        progress: Called after every round with the fraction of the budget that is spent.
        instruments: Energy counter and device state. None reads neither.

    Raises:
        IncompleteMeasurement: No sampled network has some block, or the build was interrupted
            before every block was measured.

    Example:
        >>> import profiler, spaces
        >>> from profiler.backends.base import Conditions
        >>> from profiler.backends.registry import make_backend
        >>> space = spaces.get("nasbench-macro", input_size=16)
        >>> table = profiler.build(
        ...     space,
        ...     make_backend("torch", Conditions("cpu")),
        ...     profiler.Settings(budget_s=0.1, fewest_networks=1),
        ...     name="example",
        ...     device={"kind": "cpu", "processor": "example"},
        ...     conditions={"backend": "torch", "batch": 1, "precision": "fp32", "threads": 1},
        ... )
        >>> set(table.blocks) == set(space.all_blocks)
        True
    """
    from spaces import __version__

    session = Session(space, backend, settings, instruments or Instruments())
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
        executed = executed_conditions(backend, settings.threads)

    return LookupTable(
        name=name,
        space=space.name,
        device=dict(device),
        # A runtime may run with other conditions than were requested.
        conditions={**conditions, **executed},
        versions={"pathfit": __version__, **backend.versions()},
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        command=command if command is not None else command_line(),
        seed=settings.seed,
        measurement=measurement(session, seconds, error),
        blocks=block_costs(session, memory),
        networks=network_samples(session),
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
