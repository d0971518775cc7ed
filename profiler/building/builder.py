"""Building of a lookup table: blocks are timed within sampled networks, in interleaved rounds.

Blocks that are timed in isolation find the caches and clocks that they left themselves; their sum
is wrong by a fifth for whole networks, and ranks them badly. Within networks each block runs in the
state that its neighbours leave.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from profiler.backends.base import Backend, executed_conditions, executed_space
from profiler.building.measuring import Measured, measure_space
from profiler.building.phases import measure_phases
from profiler.building.settings import FEWEST_ROUNDS as FEWEST_ROUNDS
from profiler.building.settings import Instruments as Instruments
from profiler.building.settings import Settings as Settings
from spaces.console.group import command_line
from spaces.errors import InvalidParameter
from spaces.progress import Progress, silent
from spaces.space import SearchSpace
from tables.conditions import LENGTHS, PRUNED
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
        conditions: Backend, batch, precision and threads, which the table records; of networks of
            text also the tokens of the `prompt` and of the `cache`, each of which is the longest
            context by default.
        command: Command that the table records. None: this process's command line.
        progress: Called after every round with the fraction of the budget that is spent.
        instruments: Energy counter and device state. None reads neither.

    Raises:
        IncompleteMeasurement: No sampled network has some block, or the build was interrupted
            before every block was measured.
        InvalidParameter: Networks of the space have no modules of blocks.

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
    _check_blocks(space)
    executed = executed_space(space, backend)
    if executed is not space:
        space = executed
        conditions = {**conditions, "graph": PRUNED}

    instruments = instruments or Instruments()
    if space.phases:
        conditions = {**_longest_lengths(space), **conditions}
        measured = measure_phases(space, backend, settings, conditions, progress, instruments)
    else:
        measured = measure_space(space, backend, settings, progress, instruments)

    return _table(space, backend, measured, settings, name, device, conditions, command)


def _check_blocks(space: SearchSpace) -> None:
    if not space.blocks_are_modules:
        raise InvalidParameter(
            f"space: layers of {space.name} have too many widths for a table of blocks; `python -m"
            " oneshot compress` measures its whole networks"
        )


def _longest_lengths(space: SearchSpace) -> dict[str, int]:
    """Return the tokens of the prompt and of the cache that fill the longest context."""
    return dict.fromkeys(LENGTHS.values(), space.input_shape[0])


def _table(
    space: SearchSpace,
    backend: Backend,
    measured: Measured,
    settings: Settings,
    name: str,
    device: Mapping[str, Any],
    conditions: Mapping[str, Any],
    command: str | None,
) -> LookupTable:
    """Return the table of measured blocks, with the versions of the software that ran."""
    from spaces import __version__

    return LookupTable(
        name=name,
        space=space.name,
        device=dict(device),
        # A runtime may run with other conditions than were requested.
        conditions={**conditions, **executed_conditions(backend, settings.threads)},
        versions={"pathfit": __version__, **backend.versions()},
        created=datetime.now(UTC).isoformat(timespec="seconds"),
        command=command if command is not None else command_line(),
        seed=settings.seed,
        measurement=measured.measurement,
        blocks=measured.blocks,
        networks=measured.networks,
    )
