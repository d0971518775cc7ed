"""Building a lookup table: blocks timed inside whole sampled networks, in interleaved rounds.

Timed alone, blocks find the caches and clocks that they made themselves; their sum misses whole
networks by a fifth and ranks them badly. Inside networks each block meets what its neighbours leave
it.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from profiler.backends.base import Backend
from profiler.building.networks import latin_networks
from profiler.building.session import FEWEST_ROUNDS as FEWEST_ROUNDS
from profiler.building.session import Instruments as Instruments
from profiler.building.session import Session
from profiler.building.session import Settings as Settings
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

    Args:
        space: whose blocks and networks.
        backend: runs them.
        settings: budget, precision, seed.
        name: of the table.
        device: the device's identity.
        conditions: backend, batch, precision, threads.
        command: what the user typed; default: this process's command line.
        progress: called after every round.
        instruments: read beside times; default: none.

    Raises:
        IncompleteMeasurement: some block occurs in no network that can be sampled.
    """
    from spaces import __version__

    session = Session(space, backend, settings, instruments or Instruments())
    begin = time.monotonic()
    with quiet(settings.threads):
        session.prepare()
        enough = False
        while not enough:
            session.round(latin_networks(space, session.rng))
            error, seconds = session.standard_error(), time.monotonic() - begin
            enough = session.enough(seconds, error)
            progress(
                seconds / settings.budget_s, f"round {session.rounds}, standard error {error:.1%}"
            )
        session.cover()
        seconds, memory = time.monotonic() - begin, session.memory()
    return LookupTable(
        name=name,
        space=space.name,
        device=dict(device),
        conditions=dict(conditions),
        versions={"pathfit": __version__, **backend.versions()},
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        command=command if command is not None else command_line(),
        seed=settings.seed,
        measurement=session.measurement(seconds, error),
        blocks=session.block_costs(memory),
        networks=session.network_samples(),
    )
